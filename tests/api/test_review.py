"""Reading and deciding by the API, on SQLite and PostgreSQL."""

import threading
from datetime import timedelta

import pytest

from moderation.flows import access, review, sites
from moderation.flows.errors import NotYourClaim
from tests.builders import FRIENDLY, INSULT, NewsSite, event, submitted
from tests.conftest import with_settings

DECISIONS = "/v1/sites/daily/comments/c-1/decisions"
REJECT = {"action": "reject", "reason": "harassment", "note": "Rude", "revision": 1}
PUBLISH = {"action": "publish", "revision": 1}


@pytest.fixture
def held(site: NewsSite) -> NewsSite:
    """A site with one insult in its queue."""
    assert site.post(submitted(body=INSULT)).get_json()["status"] == "held"
    return site


def queue_of(news: NewsSite, **query) -> list[str]:
    answer = news.call("GET", "/v1/queue", query_string=query)
    return [item["id"] for item in answer.get_json()["items"]]


def test_the_queue_shows_what_a_moderator_needs(held: NewsSite) -> None:
    [item] = held.call("GET", "/v1/queue").get_json()["items"]

    assert item["body"] == INSULT
    assert item["article"]["url"] == "https://news.example/a-22"
    assert item["author"]["name"] == "Ann"
    assert item["decision"]["reasons"][0]["spans"]
    assert item["waiting_since"]


def test_the_queue_is_most_urgent_first_and_pages_without_gaps(site: NewsSite, rt, admin) -> None:
    for number in range(7):
        site.post(submitted(f"c-{number}", body=f"{INSULT} {number}", author={"id": f"u-{number}"}))
    site.post(event("comment.reported", id="c-3", reporter={"id": "r"}))
    review.decide(rt, admin, "daily", "c-5", action="escalate", revision=1)

    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = site.call("GET", "/v1/queue", query_string=query).get_json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen[:2] == ["c-5", "c-3"]
    assert sorted(seen) == [f"c-{n}" for n in range(7)]


def test_the_queue_can_be_narrowed_to_a_section(site: NewsSite) -> None:
    site.post(submitted("c-1", body=INSULT))
    site.post(submitted("c-2", body=INSULT + "!", article={"id": "a-2", "section": "sport"}))

    assert queue_of(site, section="sport") == ["c-2"]
    assert queue_of(site, site="nobody") == []


@pytest.mark.parametrize("cursor", ["x", "bm9wZQ", "é", "W10"])
def test_a_cursor_of_no_list_is_422(site: NewsSite, cursor) -> None:
    assert site.call("GET", "/v1/queue", query_string={"cursor": cursor}).status_code == 422


def test_publishing_takes_the_comment_to_the_page(held: NewsSite) -> None:
    articles = "/v1/sites/daily/articles/a-22/comments"
    assert held.call("GET", articles).get_json()["comments"] == []

    answer = held.call("POST", DECISIONS, json=PUBLISH)

    assert (answer.status_code, answer.get_json()["by"]) == (201, "moderator")
    assert [c["body"] for c in held.call("GET", articles).get_json()["comments"]] == [INSULT]
    assert queue_of(held) == []


def test_rejecting_keeps_it_off_the_page_with_reason_and_note(held: NewsSite) -> None:
    held.call("POST", DECISIONS, json=REJECT)

    whole = held.comment("c-1")
    assert whole["status"] == "rejected"
    assert (whole["decisions"][-1]["reason"], whole["decisions"][-1]["note"]) == (
        "harassment",
        "Rude",
    )


def test_escalating_keeps_it_in_the_queue_on_top(held: NewsSite) -> None:
    held.call("POST", DECISIONS, json={"action": "escalate", "revision": 1})

    [item] = held.call("GET", "/v1/queue").get_json()["items"]
    assert (item["escalated"], item["status"]) == (True, "held")


def test_undo_puts_it_back_and_the_site_hears_of_it(held: NewsSite, rt) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])
    decision = held.call("POST", DECISIONS, json=REJECT).get_json()

    answer = held.call("POST", f"/v1/decisions/{decision['id']}/undo")

    assert (answer.status_code, answer.get_json()["undoes"]) == (201, decision["id"])
    whole = held.comment("c-1")
    assert whole["status"] == "held"
    assert queue_of(held) == ["c-1"]
    assert [d["event"] for d in whole["deliveries"]] == ["comment.rejected", "comment.held"]
    assert whole["seq"] == 3


def test_undo_never_publishes_a_wording_by_what_was_decided_on_another(site: NewsSite) -> None:
    assert site.post(submitted(body=FRIENDLY)).get_json()["status"] == "published"
    site.post(submitted(body=INSULT), deadline_ms=0)
    decision = site.call("POST", DECISIONS, json=REJECT | {"revision": 2}).get_json()

    site.call("POST", f"/v1/decisions/{decision['id']}/undo")

    assert site.comment("c-1")["status"] == "held"
    assert queue_of(site) == ["c-1"]


def test_undo_opens_the_reports_again_that_a_decision_closed(site: NewsSite) -> None:
    site.post(submitted(body=FRIENDLY))
    site.post(event("comment.reported", id="c-1", reporter={"id": "r"}))
    decision = site.call("POST", DECISIONS, json=PUBLISH).get_json()
    assert queue_of(site) == []

    site.call("POST", f"/v1/decisions/{decision['id']}/undo")

    assert site.comment("c-1")["reports"][0]["closed_at"] is None
    assert queue_of(site) == ["c-1"]


def test_only_the_newest_decision_of_a_person_can_be_taken_back(held: NewsSite) -> None:
    by_policy = held.comment("c-1")["decision"]["id"]
    first = held.call("POST", DECISIONS, json=PUBLISH).get_json()["id"]
    held.call("POST", DECISIONS, json=REJECT | {"seen": first})

    for id in (by_policy, first):
        assert held.call("POST", f"/v1/decisions/{id}/undo").status_code == 409
    assert held.call("POST", "/v1/decisions/dec_nope/undo").status_code == 404


def test_a_colleagues_decision_is_taken_back_by_an_admin_only(held, rt, moderator, admin) -> None:
    decision = held.call("POST", DECISIONS, json=REJECT).get_json()["id"]

    with pytest.raises(review.Forbidden):
        review.undo(rt, moderator, decision)
    assert review.undo(rt, admin, decision)["action"] == "hold"


def test_a_decision_on_an_old_revision_is_409(held: NewsSite) -> None:
    held.post(submitted(body=INSULT + " again") | {"type": "comment.edited"})

    assert held.call("POST", DECISIONS, json=REJECT).status_code == 409
    assert held.call("POST", DECISIONS, json=REJECT | {"revision": 2}).status_code == 201


def test_a_second_decision_of_a_person_needs_to_have_seen_the_first(held: NewsSite) -> None:
    first = held.call("POST", DECISIONS, json=PUBLISH).get_json()["id"]

    assert held.call("POST", DECISIONS, json=REJECT).status_code == 409
    assert held.call("POST", DECISIONS, json=REJECT | {"seen": "dec_other"}).status_code == 409
    assert held.call("POST", DECISIONS, json=REJECT | {"seen": first}).status_code == 201


def test_two_moderators_deciding_at_once_make_one_decision(held: NewsSite, app) -> None:
    statuses = []

    def decide(order) -> None:
        answer = app.test_client().post(
            DECISIONS, json=order, headers={"Authorization": f"Bearer {held.api_key}"}
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=decide, args=(o,)) for o in (PUBLISH, REJECT) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [201] + [409] * 7
    assert len(held.comment("c-1")["decisions"]) == 2


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"action": "delete", "revision": 1}, "#/action"),
        ({"action": "reject", "reason": "dislike", "revision": 1}, "#/reason"),
        ({"action": "publish"}, "#/revision"),
        ({"action": "publish", "revision": "1"}, "#/revision"),
        (PUBLISH | {"status": "published"}, "#/status"),
    ],
)
def test_a_wrong_order_is_422_with_its_pointer(held: NewsSite, order, pointer) -> None:
    answer = held.call("POST", DECISIONS, json=order)

    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.get_json()["errors"]] == [pointer]


def test_a_claimed_item_goes_to_nobody_else(site: NewsSite, rt, moderator, admin) -> None:
    for number in range(2):
        site.post(submitted(f"c-{number}", body=f"{INSULT} {number}"))

    [mine] = review.claim(rt, moderator)
    [theirs] = review.claim(rt, admin)

    assert mine["id"] != theirs["id"]
    assert review.claim(rt, moderator)[0]["id"] == mine["id"]
    assert [i["id"] for i in review.claim(rt, moderator, limit=5)] == [mine["id"]]
    with pytest.raises(NotYourClaim):
        review.decide(rt, admin, "daily", mine["id"], action="publish", revision=1)
    review.decide(rt, moderator, "daily", mine["id"], action="publish", revision=1)


def test_many_moderators_claiming_at_once_never_share_an_item(site: NewsSite, app, rt) -> None:
    for number in range(6):
        site.post(submitted(f"c-{number}", body=f"{INSULT} {number}", author={"id": f"u-{number}"}))
    keys = [sites.add_key(rt, "daily", f"Key {n}", ["review"]) for n in range(6)]
    claimed = []

    def claim(key) -> None:
        answer = app.test_client().post(
            "/v1/queue/claim", json={}, headers={"Authorization": f"Bearer {key}"}
        )
        claimed.extend(item["id"] for item in answer.get_json()["items"])

    threads = [threading.Thread(target=claim, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed))
    assert claimed


def test_a_claim_that_ran_out_must_be_made_again(held: NewsSite, rt, moderator, admin) -> None:
    review.claim(rt, moderator)
    later = with_settings(rt, now=lambda: rt.now() + timedelta(minutes=11))

    with pytest.raises(NotYourClaim):
        review.decide(later, moderator, "daily", "c-1", action="publish", revision=1)
    assert [i["id"] for i in review.claim(later, admin)] == ["c-1"]


def test_handing_an_item_back_frees_it(held: NewsSite, rt, moderator, admin) -> None:
    review.claim(rt, moderator)
    review.release(rt, moderator, "daily", "c-1")

    assert [i["id"] for i in review.claim(rt, admin)] == ["c-1"]


def test_the_page_of_an_article_is_oldest_first_and_cacheable(site: NewsSite) -> None:
    for number in range(3):
        site.post(submitted(f"c-{number}", body=f"{FRIENDLY} {number}"))
    path = "/v1/sites/daily/articles/a-22/comments"

    first = site.call("GET", path, query_string={"limit": 2})
    second = site.call("GET", path, query_string={"cursor": first.get_json()["next"]})

    assert [c["id"] for c in first.get_json()["comments"]] == ["c-0", "c-1"]
    assert [c["id"] for c in second.get_json()["comments"]] == ["c-2"]
    again = site.call("GET", path, headers={"If-None-Match": second.headers["ETag"]})
    assert again.status_code == 200  # another page has another tag
    tag = site.call("GET", path).headers["ETag"]
    assert site.call("GET", path, headers={"If-None-Match": tag}).status_code == 304


def test_a_comment_id_may_hold_any_text(site: NewsSite) -> None:
    odd = "2026/11/ä #1?'; DROP TABLE comment --"
    site.post(submitted(odd, body=INSULT))

    from urllib.parse import quote

    answer = site.call("GET", f"/v1/sites/daily/comments/{quote(odd)}")
    assert (answer.status_code, answer.get_json()["id"]) == (200, odd)


# Who may call


CALLS = [
    ("GET", "/v1/queue", "review"),
    ("POST", "/v1/queue/claim", "review"),
    ("POST", DECISIONS, "review"),
    ("POST", "/v1/decisions/dec_1/undo", "review"),
    ("GET", "/v1/sites/daily/comments/c-1", "read"),
    ("GET", "/v1/sites/daily/articles/a-22/comments", "read"),
    ("GET", "/v1/sites/daily/policy", "read"),
    ("PUT", "/v1/sites/daily/policy", "policy"),
    ("POST", "/v1/sites/daily/policy/simulate", "policy"),
]


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_every_call_needs_a_token_with_its_scope(held: NewsSite, rt, method, path, scope) -> None:
    assert held.client.open(path, method=method, json={}).status_code == 401
    others = [s for s in ("submit", "read", "review", "policy") if s != scope]
    held.api_key = sites.add_key(rt, "daily", "Others", others)
    assert held.call(method, path, json={}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path, _ in CALLS if "daily" in path],
)
def test_another_sites_key_sees_nothing_of_this_one(held: NewsSite, rt, method, path) -> None:
    other = sites.add_site(rt, "weekly", "The Weekly", by="test")
    held.api_key = other["api_key"]

    order = REJECT if path == DECISIONS else {}
    answer = held.call(method, path, json=order, headers={"If-Match": '"1"'})

    assert answer.status_code == 404


def test_a_revoked_key_and_a_disabled_persons_token_are_401(held: NewsSite, rt, admin) -> None:
    [key] = sites.site_details(rt, "daily")["keys"]
    sites.revoke_key(rt, "daily", key.id)
    assert held.call("GET", "/v1/queue").status_code == 401

    access.add_person(rt, "mo@daily.example", "moderator", password="long enough 1")
    token = access.login(rt, "mo@daily.example", "long enough 1", address="::1", agent="test")
    mo = access.logged_in(rt, token).viewer
    held.api_key = access.add_person_key(rt, mo, "My script")
    assert held.call("GET", "/v1/queue").status_code == 200
    assert held.call("POST", DECISIONS, json=PUBLISH).status_code == 201
    assert held.comment("c-1")["decisions"][-1]["actor"] == "mo@daily.example"
    access.switch_person(rt, admin, mo.person_id, on=False)
    assert held.call("GET", "/v1/queue").status_code == 401
