// The comments are fetched again while somebody reads, unless they are writing in them.
"use strict";
const part = document.querySelector("[data-refresh]");
if (part) {
  setInterval(async () => {
    const thread = document.getElementById("thread");
    if (document.hidden || thread.contains(document.activeElement)) return;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      const fresh = page.getElementById("thread");
      if (fresh && fresh.textContent !== thread.textContent) thread.replaceWith(document.adoptNode(fresh));
    } catch { /* the next round tries again */ }
  }, 3000);
}
