"""The desk, by its forms: nothing here needs JavaScript."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.desk.pages import split_marks
from moderation.flows import access
from tests.builders import FRIENDLY, INSULT, event, submitted
from tests.desk.conftest import PASSWORD, text_of

PAGE = "/desk/sites/daily/comments/c-1"


def decide(browser, action: str, revision: str = "1", **fields):
    return browser.post(PAGE, action=action, revision=revision, **fields)


def test_the_queue_shows_the_reason_and_marks_the_words(browse, held) -> None:
    page = browse("mo").get("/desk")

    assert "at or above the hold threshold" in text_of(page)
    assert "idiot</mark>" in page.text
    assert "1 waits for review" in text_of(page)


def test_an_empty_queue_says_so(browse, site) -> None:
    assert "Nothing waits." in text_of(browse("mo").get("/desk"))


def test_a_comment_is_shown_with_article_author_and_why(browse, held) -> None:
    held.post(submitted("c-0", body=FRIENDLY))

    page = browse("mo").get(PAGE)

    assert 'href="https://news.example/a-22"' in page.text
    said = text_of(page)
    for words in ("Ann", "Why it stands here", "copydesk@", "published 1", FRIENDLY[:30]):
        assert words in said, words


def test_publishing_and_rejecting_by_form_and_back_again(browse, held) -> None:
    mo = browse("mo")

    answer = decide(mo, "publish")
    assert "Published." in text_of(answer)
    assert held.comment("c-1")["status"] == "published"
    decision = held.comment("c-1")["decision"]["id"]
    assert f"/desk/undo/{decision}" in answer.text

    mo.post(f"/desk/undo/{decision}")
    assert held.comment("c-1")["status"] == "held"
    decide(mo, "reject", reason="harassment", note="Again")
    whole = held.comment("c-1")
    assert (whole["status"], whole["decisions"][-1]["actor"]) == ("rejected", "mo@daily.example")
    assert "harassment" in text_of(mo.get("/desk/decided"))


def test_a_rejection_without_a_reason_keeps_the_note(browse, held) -> None:
    answer = decide(browse("mo"), "reject", note="I was about to say")

    assert answer.status_code == 422
    assert 'value="I was about to say"' in answer.text
    assert held.comment("c-1")["status"] == "held"


def test_an_escalated_comment_stays_on_top(browse, held) -> None:
    held.post(submitted("c-2", body=INSULT + "!"))
    decide(browse("mo"), "escalate")

    page = text_of(browse("jo").get("/desk"))

    assert page.index("escalated") < page.index(INSULT + "!")


def test_who_comes_second_is_told_who_has_it_and_can_not_decide(browse, held) -> None:
    mo, jo = browse("mo"), browse("jo")
    mo.get(PAGE)

    page = jo.get(PAGE)
    answer = decide(jo, "publish")

    assert "mo@daily.example, is looking at this comment" in text_of(page)
    assert answer.status_code == 409
    assert held.comment("c-1")["status"] == "held"
    mo.post(f"{PAGE}/release")
    assert "Published" in text_of(decide(jo, "publish"))


def test_a_decision_on_what_was_edited_meanwhile_is_refused_with_the_note_kept(
    browse, held
) -> None:
    mo = browse("mo")
    mo.get(PAGE)
    held.post(submitted(body=INSULT + " and worse") | {"type": "comment.edited"})

    answer = decide(mo, "publish", note="fine by me")

    assert answer.status_code == 409
    assert "the comment was edited" in text_of(answer).lower()
    assert 'value="fine by me"' in answer.text
    assert "and worse" in answer.text


def test_taking_the_next_goes_through_the_queue_and_ends_kindly(browse, held) -> None:
    mo = browse("mo")

    assert INSULT in text_of(mo.post("/desk/next"))
    decide(mo, "publish")
    assert "Nothing is free in the queue" in text_of(mo.post("/desk/next"))


def test_a_removed_comment_shows_no_words_and_no_buttons(browse, held) -> None:
    held.post(event("comment.deleted", id="c-1"))

    page = browse("mo").get(PAGE)

    assert "its words are erased" in page.text
    assert "idiot" not in page.text
    assert 'value="publish"' not in page.text


def test_a_moderator_of_one_site_sees_nothing_of_another(browse, held, rt, other_site) -> None:
    access.add_person(
        rt,
        "only@weekly.example",
        "moderator",
        password=PASSWORD,
        sites=["weekly"],
        must_change_password=False,
    )
    only = browse()
    only.login("only@weekly.example")
    decision = held.comment("c-1")["decision"]["id"]

    assert "Nothing waits." in text_of(only.get("/desk"))
    for method, path in (
        ("get", PAGE),
        ("post", PAGE),
        ("post", f"{PAGE}/release"),
        ("post", f"/desk/undo/{decision}"),
    ):
        fields = {"action": "publish", "revision": "1"} if method == "post" else {}
        answer = getattr(only, method)(path, **fields)
        assert answer.status_code == 404, path


@pytest.mark.parametrize("path", ["/desk/sites/daily/comments/none", "/desk/sites/no/comments/c"])
def test_what_is_not_there_is_a_page_that_says_so(browse, site, path) -> None:
    answer = browse("mo").get(path)

    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")
    assert "Not found" in answer.text


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def test_hostile_words_are_shown_and_never_run(browse, site) -> None:
    site.post(
        submitted(
            body=f"{HOSTILE} you idiot",
            author={"id": HOSTILE, "name": HOSTILE},
            article={"id": "a", "title": HOSTILE, "url": "javascript:alert(1)", "section": HOSTILE},
        )
    )
    mo = browse("mo")

    for path in ("/desk", PAGE):
        page = mo.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "javascript:alert" not in page


spans = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5)


@given(st.text(max_size=12), spans)
def test_marking_never_changes_the_words(body, spans) -> None:
    reasons = [
        {"message": f"no. {n}", "spans": [{"start": min(span), "end": max(span)}]}
        for n, span in enumerate(spans)
    ]

    pieces = list(split_marks(body, reasons))

    assert "".join(text for text, _ in pieces) == body
    place = 0
    for text, why in pieces:
        covered = {
            r["message"]
            for r in reasons
            if r["spans"][0]["start"] <= place and place + len(text) <= r["spans"][0]["end"]
        }
        assert set(why.split("; ") if why else ()) == covered
        place += len(text)


def test_marks_count_code_points(browse, site) -> None:
    site.post(submitted(body="👍🏽👍🏽 😀😀 fuck you, you pathetic idiot"))

    page = browse("mo").get(PAGE).text

    assert "idiot</mark>" in page
    assert "👍🏽👍🏽 😀😀 <mark" in page
