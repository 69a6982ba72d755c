"""The way of a new comment: one short write, and two that come at once still see each other."""

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import event, func, select

from moderation.checks.check import Result
from moderation.flows import screening
from moderation.store.intake import Webhook
from moderation.store.tables import Comment, Inbound
from moderation.wire import SubmissionSchema
from tests.builders import FRIENDLY, INSULT, submitted
from tests.conftest import with_settings


class Meeting:
    """A check that lets nobody on before so many have come, once."""

    name, version, attributes, cost_ms = "meeting", "1", ("spam",), 0.0

    def __init__(self, count: int) -> None:
        self._barrier, self._left = threading.Barrier(count), count

    def score(self, comment) -> Result:
        if self._left > 0:
            self._left -= 1
            self._barrier.wait(10)
        return Result({"spam": 0.0})


def submit(rt, site_id: int, number: int, **data):
    given = SubmissionSchema().load(submitted(**data)["data"])
    return screening.submit(rt, site_id, given, Webhook.of(f"m-{number}", b"x"), 10_000)


def site_id_of(rt) -> int:
    with rt.sessions.read() as session:
        return session.scalar(select(Comment.site_id).limit(1))


def test_a_new_comment_is_stored_with_its_decision_in_one_commit(site, rt) -> None:
    site.post(submitted("c-0", body=FRIENDLY))
    commits: list[int] = []
    event.listen(rt.sessions.engine, "commit", lambda _: commits.append(1))

    answer = site.post(submitted("c-1", body=INSULT, author={"id": "u-new"}))

    assert answer.get_json()["status"] == "held"
    assert len(commits) == 1


def test_copies_that_one_author_posts_at_once_are_known_as_repeats(site, rt) -> None:
    site.post(submitted("c-0", body=FRIENDLY, author={"id": "u-0"}))
    site_id = site_id_of(rt)
    both = with_settings(rt, checks=(*rt.checks, Meeting(2)))
    said = {"body": "Read all about it", "author": {"id": "u-0"}}

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda n: submit(both, site_id, n, id=f"d-{n}", **said), (1, 2)))

    assert sorted(reply.body["status"] for reply in replies) == ["held", "published"]
    [held] = (reply.body for reply in replies if reply.body["status"] == "held")
    assert [reason["code"] for reason in held["decision"]["reasons"]] == ["repeated_text"]


def test_one_comment_that_comes_twice_at_once_is_decided_once(site, rt) -> None:
    site.post(submitted("c-0", body=FRIENDLY, author={"id": "u-0"}))
    site_id = site_id_of(rt)
    both = with_settings(rt, checks=(*rt.checks, Meeting(2)))

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda n: submit(both, site_id, n, id="d-1"), (1, 2)))

    assert replies[0].body == replies[1].body
    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == 2
        assert session.scalar(select(func.count()).select_from(Inbound)) == 3


def test_a_webhook_that_comes_twice_at_once_has_one_answer(site, rt) -> None:
    site.post(submitted("c-0", body=FRIENDLY, author={"id": "u-0"}))
    site_id = site_id_of(rt)
    both = with_settings(rt, checks=(*rt.checks, Meeting(2)))

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda _: submit(both, site_id, 7, id="d-1"), range(2)))

    assert replies[0].body == replies[1].body
    assert replies[0].body["decision"]["id"] is not None
