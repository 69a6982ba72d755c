// The keys of the desk, and the queue that refreshes itself. Everything here is also a
// button or a link: without JavaScript nothing is lost but speed. It runs before the page is
// shown, so that a fast hand's first key is not lost.
"use strict";

const items = () => [...document.querySelectorAll("[data-item]")];
let current = -1;

function select(index) {
  const all = items();
  if (!all.length) return;
  current = Math.max(0, Math.min(index, all.length - 1));
  all.forEach((item, at) => item.closest(".item").classList.toggle("current", at === current));
  all[current].focus({ preventScroll: true });
  all[current].closest(".item").scrollIntoView({ block: "nearest" });
}

const writing = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const element = event.target;
  if (element.matches("select[data-numbered]") && /^[1-9]$/.test(event.key)) {
    element.selectedIndex = Number(event.key);
    document.getElementById("reject").focus();
    return event.preventDefault();
  }
  if (writing(element)) {
    if (event.key === "Escape") element.blur();
    return;
  }
  if (event.key === "j" || event.key === "ArrowDown") { if (items().length) { select(current + 1); event.preventDefault(); } return; }
  if (event.key === "k" || event.key === "ArrowUp") { if (items().length) { select(current - 1); event.preventDefault(); } return; }
  if (event.key === "o" && current >= 0) return items()[current].click();
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (writing(target)) target.focus();
  else target.click();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
});

// The queue is fetched again while somebody looks at it and nothing is chosen in it.
document.addEventListener("DOMContentLoaded", () => {
  const list = document.querySelector("[data-refresh]");
  if (list) {
    setInterval(async () => {
      if (document.hidden || current >= 0 || list.contains(document.activeElement)) return;
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (!answer.ok || answer.redirected) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        list.replaceChildren(...page.getElementById("list").childNodes);
        document.title = page.title;
      } catch { /* offline: the next round tries again */ }
    }, Number(list.dataset.refresh) * 1000);
  }
});
