"""The inbound webhook, by the contract's own table of cases. On SQLite and PostgreSQL."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from standardwebhooks.webhooks import Webhook

from moderation.checks.check import Result
from moderation.core.comment import Comment as CommentValue
from moderation.flows import sites
from moderation.flows.late import complete_due
from moderation.store.tables import (
    Comment,
    DecisionRow,
    Inbound,
    PolicyVersion,
    Report,
    Revision,
    Site,
)
from tests.builders import FRIENDLY, INSULT, NewsSite, event, submitted
from tests.conftest import with_settings

PROBLEM = "application/problem+json"


def stored(rt, table=Comment) -> int:
    with rt.sessions.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def pointers(answer) -> list[str]:
    assert answer.content_type == PROBLEM
    return [error["pointer"] for error in answer.get_json()["errors"]]


# What is answered


def test_a_friendly_comment_is_published(site: NewsSite) -> None:
    answer = site.post(submitted(body=FRIENDLY))

    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["id"], body["revision"], body["status"]) == ("c-1", 1, "published")
    assert body["decision"]["action"] == "publish"
    assert body["decision"]["by"] == "policy"
    assert body["decision"]["policy_version"] == 1
    assert body["decision"]["id"].startswith("dec_")
    assert 0 <= body["scores"]["toxicity"] < 0.6


def test_an_insult_is_held_with_its_reason_and_its_words(site: NewsSite) -> None:
    body = site.post(submitted(body="😀 " + INSULT)).get_json()

    assert body["status"] == "held"
    reasons = body["decision"]["reasons"]
    assert sorted(reason["attribute"] for reason in reasons) == ["insult", "toxicity"]
    for reason in reasons:
        assert reason["check"] == "toxicity"
        assert reason["score"] >= reason["threshold"]
        assert "at or above the hold threshold" in reason["message"]
        assert any("idiot" in span["text"] for span in reason["spans"])
        for span in reason["spans"]:
            assert ("😀 " + INSULT)[span["start"] : span["end"]] == span["text"]


def test_news_of_a_war_is_no_threat(site: NewsSite) -> None:
    news = "Our army has liberated the town, the enemy was destroyed"

    assert site.post(submitted(body=news)).get_json()["status"] == "published"


def test_unknown_keys_are_kept_with_the_comment(site: NewsSite) -> None:
    site.post(submitted(tags=["x"], article={"id": "a-1", "desk": "politics"}))

    [revision] = site.comment("c-1")["revisions"]
    assert revision["extra"] == {"tags": ["x"], "article": {"desk": "politics"}}


def test_an_author_may_have_a_name_and_no_id(site: NewsSite) -> None:
    assert site.post(submitted(author={"name": "Ann"})).status_code == 200


def test_nothing_is_waited_for_with_a_deadline_of_zero(site: NewsSite, rt) -> None:
    answer = site.post(submitted(body=INSULT), deadline_ms=0)

    assert answer.status_code == 202
    assert answer.get_json() == {
        "id": "c-1",
        "revision": 1,
        "status": "pending",
        "decision": None,
        "scores": {},
    }
    assert complete_due(rt) == 1
    assert site.comment("c-1")["status"] == "held"


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(site: NewsSite, rt) -> None:
    for id in ("c-1", "c-2", "c-3"):
        site.post(submitted(id=id, body=INSULT), deadline_ms=0)
    asked = iter([False, True, True])

    assert complete_due(rt, stopping=lambda: next(asked)) == 3

    pending = [id for id in ("c-1", "c-2", "c-3") if site.comment(id)["status"] == "pending"]
    assert len(pending) == 2
    assert complete_due(rt) == 2, "others need not wait for a lease to end"


# Who may send


def refused(answer) -> None:
    assert answer.status_code == 401
    assert answer.content_type == PROBLEM


@pytest.mark.parametrize(
    "spoil",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v1,a " * 5000},
        {"webhook-signature": "x" * 100_000},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e400"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-id": ""},
        {"webhook-id": "another"},
    ],
)
def test_a_spoilt_signature_is_401_and_stores_nothing(site: NewsSite, rt, spoil) -> None:
    refused(site.post(submitted(), headers=spoil))
    assert stored(rt) == 0


@pytest.mark.parametrize(("minutes", "status"), [(-6, 401), (6, 401), (-4, 200), (4, 200)])
def test_the_timestamp_may_be_five_minutes_off(site: NewsSite, minutes, status) -> None:
    body = json.dumps(submitted()).encode()
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(site.secret).sign("m", at, body.decode()),
        "Content-Type": "application/json",
    }

    answer = site.client.post("/v1/sites/daily/webhook", data=body, headers=headers)

    assert answer.status_code == status


def test_a_changed_body_is_401(site: NewsSite) -> None:
    headers = site.headers(json.dumps(submitted()).encode())

    answer = site.client.post(
        "/v1/sites/daily/webhook", data=json.dumps(submitted(body="Other")), headers=headers
    )

    refused(answer)


def test_an_unknown_site_is_no_different_from_a_wrong_signature(site: NewsSite) -> None:
    wrong = site.post(submitted(), headers={"webhook-signature": "v1,AAAA"})
    site.slug = "nobody"
    unknown = site.post(submitted())

    assert unknown.status_code == 401
    assert unknown.data == wrong.data


def test_one_sites_secret_opens_no_other_site(site: NewsSite, rt) -> None:
    sites.add_site(rt, "weekly", "The Weekly", by="test")
    site.slug = "weekly"

    refused(site.post(submitted()))


def test_a_rotated_secret_is_taken_for_a_day(site: NewsSite, rt) -> None:
    old, new = site.secret, sites.rotate_secret(rt, "daily")
    assert site.post(submitted()).status_code == 200
    site.secret = new
    assert site.post(submitted("c-2")).status_code == 200

    later = rt.now() + timedelta(hours=25)
    site.client.application.extensions["moderation"] = with_settings(rt, now=lambda: later)
    assert site.post(submitted("c-3")).status_code == 200
    site.secret = old
    refused(site.post(submitted("c-4")))


def test_an_api_key_is_taken_only_where_the_site_allows_it(site: NewsSite, rt) -> None:
    def post():
        return site.client.post(
            "/v1/sites/daily/webhook",
            json=submitted(),
            headers={"Authorization": f"Bearer {site.api_key}"},
        )

    refused(post())
    sites.change_site(rt, "daily", name="The Daily", allow_bearer=True)
    assert post().status_code == 200
    reader = sites.add_key(rt, "daily", "Reader", ["read"])
    site.api_key = reader
    refused(post())


# Twice


def test_the_same_webhook_gets_the_first_answer_again(site: NewsSite, rt) -> None:
    payload = submitted(body=INSULT)
    first = site.post(payload, webhook_id="m-1")
    site.post(event("comment.deleted", id="c-1"))  # the world moves on

    again = site.post(payload, webhook_id="m-1")

    assert again.status_code == first.status_code
    same = ("id", "revision", "status", "scores")
    assert [again.get_json()[k] for k in same] == [first.get_json()[k] for k in same]
    assert again.get_json()["decision"]["id"] == first.get_json()["decision"]["id"]
    assert stored(rt) == 1


def test_the_same_webhook_is_answered_byte_for_byte(site: NewsSite) -> None:
    first = site.post(submitted(body=INSULT), webhook_id="m-1")

    assert site.post(submitted(body=INSULT), webhook_id="m-1").data == first.data


def test_a_webhook_id_with_another_body_is_409_and_keeps_the_first(site: NewsSite) -> None:
    site.post(submitted(body="First"), webhook_id="m-1")

    answer = site.post(submitted(body="Second"), webhook_id="m-1")

    assert answer.status_code == 409
    assert answer.content_type == PROBLEM
    assert [r["body"] for r in site.comment("c-1")["revisions"]] == ["First"]


def test_the_same_comment_under_a_new_webhook_id_gets_the_standing_decision(
    site: NewsSite, rt
) -> None:
    first = site.post(submitted(body=INSULT)).get_json()
    again = site.post(submitted(body=INSULT)).get_json()

    assert again == first
    assert stored(rt, DecisionRow) == 1


def test_a_hundred_replays_at_once_store_one_comment(site: NewsSite, rt) -> None:
    body = json.dumps(submitted(body=INSULT)).encode()
    headers = site.headers(body, "m-1")
    statuses: list[int] = []

    def post() -> None:
        client = site.client.application.test_client()
        answer = client.post("/v1/sites/daily/webhook", data=body, headers=headers)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) <= {200, 202}
    assert (stored(rt), stored(rt, DecisionRow), stored(rt, Inbound)) == (1, 1, 1)


# Edits, deletions, reports


def test_an_edit_makes_a_new_revision_that_is_decided_again(site: NewsSite) -> None:
    site.post(submitted(body=FRIENDLY))

    answer = site.post(submitted(body=INSULT) | {"type": "comment.edited"}).get_json()

    assert (answer["revision"], answer["status"]) == (2, "held")
    assert [r["body"] for r in site.comment("c-1")["revisions"]] == [FRIENDLY, INSULT]


def test_an_edit_that_comes_before_its_comment_is_not_lost(site: NewsSite) -> None:
    answer = site.post(submitted() | {"type": "comment.edited"})

    assert (answer.status_code, answer.get_json()["revision"]) == (200, 1)


def test_a_deletion_removes_the_comment_and_erases_its_words(site: NewsSite, rt) -> None:
    site.post(submitted(body=INSULT))

    answer = site.post(event("comment.deleted", id="c-1"))

    assert (answer.status_code, answer.get_json()["status"]) == (200, "removed")
    whole = site.comment("c-1")
    assert "idiot" not in json.dumps(whole)
    assert [d["action"] for d in whole["decisions"]] == ["hold", "remove"]
    assert site.call("GET", "/v1/queue").get_json()["items"] == []


def test_a_deletion_of_what_we_never_saw_is_404(site: NewsSite) -> None:
    answer = site.post(event("comment.deleted", id="nope"))

    assert (answer.status_code, answer.content_type) == (404, PROBLEM)


def test_a_removed_comment_does_not_come_back(site: NewsSite) -> None:
    site.post(submitted())
    site.post(event("comment.deleted", id="c-1"))

    late = site.post(submitted())
    other = site.post(submitted(body="Something else") | {"type": "comment.edited"})

    assert (late.status_code, late.get_json()["status"]) == (200, "removed")
    assert other.status_code == 409


def test_a_report_queues_a_published_comment_and_leaves_it_visible(site: NewsSite) -> None:
    site.post(submitted())

    answer = site.post(
        event("comment.reported", id="c-1", reporter={"id": "u-9"}, reason="rude", note="Look")
    )

    assert (answer.status_code, answer.get_json()["status"]) == (200, "published")
    [item] = site.call("GET", "/v1/queue").get_json()["items"]
    assert item["reports"] == [{"reason": "rude", "note": "Look"}]


def test_a_report_outlives_an_edit_and_one_that_came_too_early(site: NewsSite, rt) -> None:
    def queued() -> list[str]:
        return [i["id"] for i in site.call("GET", "/v1/queue").get_json()["items"]]

    site.post(submitted(), deadline_ms=0)
    early = site.post(event("comment.reported", id="c-1", reporter={"id": "u-9"}))
    assert early.status_code == 202
    complete_due(rt)
    assert (site.comment("c-1")["status"], queued()) == ("published", ["c-1"])

    site.post(submitted(body="Other fine words") | {"type": "comment.edited"})
    assert (site.comment("c-1")["status"], queued()) == ("published", ["c-1"])


def test_one_reader_counts_once(site: NewsSite, rt) -> None:
    site.post(submitted())
    for _ in range(3):
        site.post(event("comment.reported", id="c-1", reporter={"id": "u-9"}))

    assert stored(rt, Report) == 1


# What is refused


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"type": "comment.submitted"}, "#/data"),
        ({"type": "comment.liked", "data": {"id": "c"}}, "#/type"),
        ({"data": {}}, "#/type"),
        (submitted(id=7), "#/data/id"),
        (submitted(id=""), "#/data/id"),
        (submitted(body=""), "#/data/body"),
        (submitted(body=" \n\t"), "#/data/body"),
        (submitted(body=None), "#/data/body"),
        (submitted(body="x" * 20_001), "#/data/body"),
        (submitted(body="a\0b"), "#/data/body"),
        (submitted(author={}), "#/data/author"),
        (submitted(author={"id": None, "name": ""}), "#/data/author"),
        (submitted(author={"id": "u", "role": "king"}), "#/data/author/role"),
        (submitted(article={}), "#/data/article/id"),
        (submitted(format="pdf"), "#/data/format"),
        (submitted(submitted_at="yesterday"), "#/data/submitted_at"),
        (submitted(extra={"deep": "a\0b"}), "#/data/extra/deep"),
        (event("comment.deleted"), "#/data/id"),
        (event("comment.reported", id="c-1", reporter="u-9"), "#/data/reporter"),
    ],
)
def test_a_wrong_field_is_422_with_its_pointer(site: NewsSite, rt, payload, pointer) -> None:
    answer = site.post(payload)

    assert answer.status_code == 422
    assert pointer in pointers(answer)
    assert stored(rt) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b'{"type": "comment.submitted"',
        b"[" * 50_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": NaN}',
        b'{"type": "a", "type": "b"}',
    ],
)
def test_what_is_not_json_is_400(site: NewsSite, rt, raw) -> None:
    answer = site.post(raw)

    assert (answer.status_code, answer.content_type) == (400, PROBLEM)
    assert stored(rt) == 0


@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"null", b"7"])
def test_what_is_no_object_is_refused(site: NewsSite, raw) -> None:
    assert site.post(raw).status_code in (400, 422)


def test_bytes_that_are_not_utf8_are_400_though_well_signed(site: NewsSite) -> None:
    from moderation.signing import _BytesWebhook

    raw = b'{"type": "\xff"}'
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _BytesWebhook(site.secret).sign("m", now, raw.decode("latin-1")),
        "Content-Type": "application/json",
    }

    answer = site.client.post("/v1/sites/daily/webhook", data=raw, headers=headers)

    assert answer.status_code == 400
    assert "UTF-8" in answer.get_json()["detail"]


def test_a_lone_surrogate_is_422_on_every_database(site: NewsSite) -> None:
    answer = site.post(json.dumps(submitted(body="PLACE")).replace("PLACE", "\\ud800").encode())

    assert answer.status_code == 422
    assert pointers(answer) == ["#/data/body"]


def test_more_than_64_kib_is_413(site: NewsSite) -> None:
    answer = site.post(submitted(body="x" * 70_000))

    assert (answer.status_code, answer.content_type) == (413, PROBLEM)


def test_another_content_type_is_415(site: NewsSite) -> None:
    answer = site.post(submitted(), headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.content_type) == (415, PROBLEM)


@pytest.mark.parametrize("deadline", ["soon", "-1", "1.5", "99999999", "²"])
def test_a_deadline_that_is_no_number_is_422(site: NewsSite, deadline) -> None:
    body = json.dumps(submitted()).encode()

    answer = site.client.post(
        "/v1/sites/daily/webhook",
        query_string={"deadline_ms": deadline},
        data=body,
        headers=site.headers(body),
    )

    assert answer.status_code == 422


def test_another_method_is_405_as_a_problem(site: NewsSite) -> None:
    answer = site.client.get("/v1/sites/daily/webhook")

    assert (answer.status_code, answer.content_type) == (405, PROBLEM)
    assert "POST" in answer.headers["Allow"]


def test_an_error_can_be_mended_under_the_same_webhook_id(site: NewsSite) -> None:
    assert site.post(submitted(body=""), webhook_id="m-1").status_code == 422
    assert site.post(submitted(), webhook_id="m-1").status_code == 200


# When a check can't answer


class Failing:
    """A model that is broken, or hangs."""

    name, version, attributes, cost_ms = "toxicity", "broken@1", ("toxicity",), 100.0

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        self.mended = False

    def score(self, comment: CommentValue) -> Result:
        if not self.mended:
            time.sleep(self.wait_s)
            raise RuntimeError("no model")
        return Result({"toxicity": 0.01})


@pytest.fixture
def broken(site: NewsSite, rt, checks):
    check = Failing()
    others = tuple(c for c in checks if c.name != "toxicity")
    site.client.application.extensions["moderation"] = with_settings(rt, checks=(*others, check))
    return check


def test_a_broken_model_holds_the_comment_and_says_so(site: NewsSite, broken) -> None:
    answer = site.post(submitted())

    assert (answer.status_code, answer.get_json()["status"]) == (200, "held")
    [reason] = answer.get_json()["decision"]["reasons"]
    assert reason["code"] == "score_missing"
    assert "no model" in reason["message"]


def test_a_policy_may_publish_what_was_not_scored_but_never_silently(
    site: NewsSite, broken, rt
) -> None:
    policy = site.call("GET", "/v1/sites/daily/policy")
    document = policy.get_json() | {"when_missing": "publish"}
    put = site.call(
        "PUT",
        "/v1/sites/daily/policy",
        json=document,
        headers={"If-Match": policy.headers["ETag"]},
    )
    assert put.status_code == 200

    answer = site.post(submitted()).get_json()

    assert answer["status"] == "published"
    assert answer["decision"]["reasons"][0]["code"] == "score_missing"


def test_a_model_out_of_time_is_missing_and_finished_later(site: NewsSite, broken, rt) -> None:
    broken.wait_s = 2.0
    started = time.monotonic()
    answer = site.post(submitted(), deadline_ms=300)
    assert time.monotonic() - started < 1.5
    assert answer.get_json()["status"] == "held"
    assert "out of time" in answer.get_json()["decision"]["reasons"][0]["message"]

    broken.mended = True
    later = with_settings(
        site.client.application.extensions["moderation"],
        now=lambda: datetime.now(UTC) + timedelta(minutes=1),
    )
    assert complete_due(later) == 1

    whole = site.comment("c-1")
    assert whole["status"] == "published"
    assert [d["action"] for d in whole["decisions"]] == ["hold", "publish"]


def test_a_lease_that_ran_out_is_left_to_who_has_it_now(site: NewsSite, broken) -> None:
    rt = site.client.application.extensions["moderation"]
    site.post(submitted(), deadline_ms=0)
    later = with_settings(rt, now=lambda: datetime.now(UTC) + timedelta(minutes=2))

    def another_was_faster() -> bool:
        assert complete_due(later) == 1
        return False

    assert complete_due(rt, stopping=another_was_faster) == 1

    with rt.sessions.read() as session:
        assert session.scalar(select(Revision.attempts)) == 1, "of one try that was made"


def test_late_scores_never_overrule_a_person(site: NewsSite, broken, rt) -> None:
    site.post(submitted())
    rejected = site.call(
        "POST",
        "/v1/sites/daily/comments/c-1/decisions",
        json={"action": "reject", "reason": "spam", "revision": 1},
    )
    assert rejected.status_code == 201

    broken.mended = True
    later = with_settings(
        site.client.application.extensions["moderation"],
        now=lambda: datetime.now(UTC) + timedelta(minutes=1),
    )
    complete_due(later)

    assert site.comment("c-1")["status"] == "rejected"


def test_a_comment_that_kills_its_worker_is_left_to_a_person(site: NewsSite, rt) -> None:
    site.post(submitted(), deadline_ms=0)
    with rt.sessions.write() as session:
        session.execute(update(Revision).values(attempts=3))

    complete_due(rt)

    whole = site.comment("c-1")
    assert whole["status"] == "held"
    assert "gave up after 3 attempts" in whole["decisions"][0]["reasons"][0]["message"]


def test_a_decision_records_its_policy_and_model_versions(site: NewsSite) -> None:
    site.post(submitted())

    whole = site.comment("c-1")

    assert whole["decisions"][0]["policy_version"] == 1
    [assessment] = whole["revisions"][0]["assessments"]
    assert assessment["versions"]["toxicity"].startswith("copydesk@")
    assert set(assessment["versions"]) == {"toxicity", "profanity", "words", "links", "repetition"}


# When the database can't


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # by its max_page_count
def test_what_can_not_be_stored_is_503_with_retry_after(site: NewsSite, rt) -> None:
    with rt.sessions.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.commit()
    answer = None
    for number in range(50):
        answer = site.post(submitted(f"c-{number}", body="x" * 15_000))
        if answer.status_code != 200:
            break

    assert answer is not None
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert answer.headers["Retry-After"]


def test_a_database_that_was_never_migrated_is_503(site: NewsSite, rt) -> None:
    with rt.sessions.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE comment RENAME TO comment_away")
    try:
        answer = site.post(submitted())
    finally:
        with rt.sessions.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE comment_away RENAME TO comment")

    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert stored(rt) == 0


def test_sites_and_policies_are_made_together(site: NewsSite, rt) -> None:
    assert stored(rt, Site) == stored(rt, PolicyVersion) == 1


def test_no_word_of_a_reader_reaches_the_log_when_the_database_fails(site, rt, caplog) -> None:
    with rt.sessions.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE revision RENAME TO revision_away")
    try:
        assert site.post(submitted(body="Very private words")).status_code == 503
    finally:
        with rt.sessions.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE revision_away RENAME TO revision")

    assert caplog.text
    assert "private" not in caplog.text
