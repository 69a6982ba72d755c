"""Long work: past comments brought in and scored again, and what is old taken away."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.errors import QueryCanceled
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from moderation.flows import delivery_log, importing, jobs, rescoring, sites, tuning
from moderation.flows.errors import Invalid, NotFound
from moderation.flows.late import complete_due
from moderation.flows.review import decide
from moderation.store import keeping
from moderation.store.tables import (
    Article,
    AssessmentRow,
    Author,
    Comment,
    DecisionRow,
    Delivery,
    Inbound,
    Job,
    Revision,
)
from moderation.worker import STEPS
from tests.builders import FRIENDLY, INSULT, submitted
from tests.conftest import with_settings


def work(rt, most: int = 500) -> None:
    """What workers do until there is nothing left."""
    for _ in range(most):
        if not jobs.work_due(rt, STEPS) + complete_due(rt):
            if not counted(rt, Job, Job.due_at.is_not(None), Job.kind == "rescoring"):
                return
            time.sleep(0.05)
    raise AssertionError("the work has no end")


def counted(rt, table, *where) -> int:
    with rt.sessions.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where))


def past(id: str, body: str = FRIENDLY, **more) -> bytes:
    line = submitted(id, body)["data"] | {"submitted_at": "2024-05-01T10:00:00Z"} | more
    return json.dumps(line).encode() + b"\n"


def take_in(rt, *lines: bytes) -> list[importing.Taken]:
    site_id, most = importing.site_named(rt, "daily")
    assert importing.count(lines, most) == len(lines)
    return list(importing.take_in(rt, site_id, lines, most))


def rescored(rt, **chosen) -> str:
    with rt.sessions.write() as session:
        job = jobs.add(rt, session, "rescoring", rescoring.details(session, **chosen))
    work(rt)
    return job


def test_imported_comments_stand_as_people_left_them_and_the_site_is_told_nothing(rt, site) -> None:
    rt_site = take_in(
        rt,
        past("good", verdict="published"),
        past("bad", INSULT, verdict="rejected"),
        past("unseen", INSULT + ", all of you"),
    )

    assert rt_site == [importing.Taken(3, 0)]
    good, bad, unseen = (site.comment(id) for id in ("good", "bad", "unseen"))
    assert [c["status"] for c in (good, bad, unseen)] == ["published", "rejected", "published"]
    assert bad["decisions"][0]["by"] == "moderator"
    assert unseen["decisions"][0]["by"] == "policy"
    assert good["decisions"][0]["decided_at"] == "2024-05-01T10:00:00Z"
    assert counted(rt, Delivery) == 0


def test_an_import_that_is_begun_again_takes_only_what_is_missing(rt, site) -> None:
    assert site.post(submitted("c-1")).status_code == 200
    take_in(rt, past("a"), past("b"))

    assert take_in(rt, past("a"), past("b"), past("c"), past("c-1", INSULT)) == [
        importing.Taken(1, 3)
    ]
    assert site.comment("c-1")["revisions"][0]["body"] == FRIENDLY
    assert keeping.faults(rt.sessions) == []


def test_a_faulty_line_is_named_with_field_and_rule() -> None:
    lines = [
        past("a"),
        b"\n",
        past("b", verdict="maybe"),
        b"{not json\n",
        past("c", "x" * 30),
        past("d", article={"title": "No id"}),
    ]
    with pytest.raises(Invalid) as refused:
        importing.count(lines, 60)

    assert [where for where, _ in refused.value.errors] == [
        "line 3 #/verdict",
        "line 4 #",
        "line 6 #/article/id",
    ]
    with pytest.raises(Invalid, match="line 1 #/body: has 54 characters; at most 20"):
        importing.count([past("a")], 20)


def test_imported_comments_are_scored_for_tuning_and_stay_where_they_are(rt, site, admin) -> None:
    take_in(rt, past("bad", INSULT, verdict="rejected"), past("unseen", INSULT))

    rescored(rt, site="daily", statuses=rescoring.STATUSES, unscored=True)

    for id in ("bad", "unseen"):
        comment = site.comment(id)
        assert len(comment["decisions"]) == 1
        assert comment["revisions"][0]["assessments"][0]["scores"]["insult"]["value"] > 0.9
    draft = tuning.policy_of(rt, admin, "daily").document
    assert tuning.simulate_draft(rt, admin, "daily", draft)["total"] == 2
    assert counted(rt, Delivery) == 0


def test_scoring_again_decides_anew_where_the_outcome_differs(rt, site, admin, moderator) -> None:
    site.post(submitted("held", INSULT))
    site.post(submitted("kept", INSULT + " again"))
    site.post(submitted("fine"))
    decide(rt, moderator, "daily", "kept", action="reject", reason="harassment", revision=1)
    version = tuning.policy_of(rt, admin, "daily")
    policy = version.document | {"thresholds": {"insult": {"hold": None, "reject": 0.9}}}
    tuning.publish(rt, admin, "daily", policy, seen=version.version)

    job = rescored(rt, statuses=rescoring.STATUSES)

    assert [d["action"] for d in site.comment("held")["decisions"]] == ["hold", "reject"]
    assert [d["action"] for d in site.comment("kept")["decisions"]] == ["hold", "reject"]
    assert [d["action"] for d in site.comment("fine")["decisions"]] == ["publish"]
    assert len(site.comment("fine")["revisions"][0]["assessments"]) == 2
    done = {j.id: j for j in jobs.listed(rt)}[job]
    assert (done.done, done.due_at, done.error) == (3, None, None)


def test_only_what_was_chosen_is_scored_again(rt, site) -> None:
    site.post(submitted("held", INSULT))
    site.post(submitted("fine"))

    rescored(rt)  # held ones, unless others are asked for
    rescored(rt, statuses=rescoring.STATUSES, since=datetime.now(UTC) + timedelta(hours=1))
    rescored(rt, statuses=rescoring.STATUSES, unscored=True)

    assert counted(rt, AssessmentRow) == 3
    with pytest.raises(NotFound):
        rescored(rt, site="weekly")


def test_a_fresh_comment_goes_before_those_that_are_scored_again(rt, site) -> None:
    take_in(rt, *(past(f"old-{n}") for n in range(120)))
    with rt.sessions.write() as session:
        chosen = rescoring.details(session, statuses=rescoring.STATUSES, unscored=True)
        job = jobs.add(rt, session, "rescoring", chosen)
    assert site.post(submitted("fresh"), deadline_ms=0).status_code == 202

    jobs.work_due(rt, STEPS)

    assert counted(rt, Revision, Revision.due_at.is_not(None)) == 1
    work(rt)
    assert {j.id: j for j in jobs.listed(rt)}[job].done == 120


def test_a_job_that_fails_is_put_off_and_keeps_its_place(rt, site) -> None:
    take_in(rt, past("a"))

    def fail(rt, session, job):
        job.cursor = 99
        raise ValueError("about a comment")

    with rt.sessions.write() as session:
        job_id = jobs.add(rt, session, "rescoring", {"last": 1})
    jobs.work_due(rt, {"rescoring": fail})

    [job] = jobs.listed(rt)
    assert (job.cursor, job.failures, job.error) == (0, 1, "ValueError")
    assert job.due_at > datetime.now(UTC) + timedelta(seconds=5)
    jobs.stop(rt, job_id)
    assert jobs.work_due(rt, STEPS) == 0
    with pytest.raises(NotFound):
        jobs.stop(rt, job_id)


def test_a_piece_that_takes_too_long_is_the_jobs_own_failure(rt, site) -> None:
    def hang(rt, session, job):
        if session.get_bind().dialect.name != "postgresql":
            raise OperationalError("", {}, QueryCanceled())  # SQLite has no time limit
        session.execute(text("SET LOCAL statement_timeout = 50"))
        session.execute(text("SELECT pg_sleep(5)"))

    with rt.sessions.write() as session:
        jobs.add(rt, session, "rescoring", {"last": 1})
    jobs.work_due(rt, {"rescoring": hang})

    [job] = jobs.listed(rt)
    assert (job.failures, job.error) == (1, "OperationalError")
    assert jobs.work_due(rt, {"rescoring": hang}) == 0, "it is put off"


def test_what_is_older_than_is_kept_is_taken_away_whole(rt, site, moderator) -> None:
    take_in(
        rt,
        past("old", verdict="rejected", author={"id": "u-9", "name": "Gone"}),
        past("waits", INSULT, article={"id": "a-9"}),
    )
    site.post(event_of_report("waits"))
    site.post(submitted("new"))
    rescored(rt, statuses=rescoring.STATUSES)
    kept = with_settings(rt, settings=settings_of(rt, keep_comments_days=365))
    jobs.ensure_recurring(kept)
    jobs.ensure_recurring(kept)

    work(kept)

    with rt.sessions.read() as session:
        assert set(session.scalars(select(Comment.external_id))) == {"waits", "new"}
        assert set(session.scalars(select(Author.external_id))) == {"u-7"}
        assert set(session.scalars(select(Article.external_id))) == {"a-22", "a-9"}
        [job] = session.scalars(select(Job).where(Job.kind == "retention"))
    assert job.due_at > datetime.now(UTC) + timedelta(hours=23)
    assert keeping.faults(rt.sessions) == []


def test_logs_go_after_their_time_and_what_is_owed_stays(rt, site, app) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", ())
    for n in range(3):
        site.post(submitted(f"c-{n}"))
    with rt.sessions.write() as session:
        told, dead, _ = session.scalars(select(Delivery).order_by(Delivery.id))
        for row, status in ((told, "delivered"), (dead, "dead")):
            row.status, row.next_attempt_at = status, None
    jobs.ensure_recurring(rt)
    later = with_settings(rt, now=lambda: datetime.now(UTC) + timedelta(days=31))

    work(later)

    [row] = delivery_log.listed(rt)
    shown = delivery_log.shown(rt, row.id)
    assert shown["status"] == "pending"
    assert shown["body"]["data"]["id"] == "c-2"
    assert (
        json.loads(app.test_cli_runner().invoke(args=["deliveries", "show", str(row.id)]).stdout)
        == shown
    )
    assert counted(rt, Delivery) == 1
    assert counted(rt, Inbound) == 0
    assert counted(rt, Comment) == counted(rt, DecisionRow) == 3


def event_of_report(id: str) -> dict:
    return {
        "type": "comment.reported",
        "timestamp": "2026-11-23T09:15:00Z",
        "data": {"id": id, "reason": "other"},
    }


def settings_of(rt, **changes):
    return replace(rt.settings, **changes)


def test_the_commands_bring_in_a_file_and_tell_of_the_jobs(tmp_path: Path, app, rt, site) -> None:
    file = tmp_path / "past.jsonl"
    file.write_bytes(past("a") + past("b", verdict="rejected"))
    run = app.test_cli_runner().invoke

    first = run(args=["import", str(file), "--site", "daily", "--json"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) | {"job": ""} == {"new": 2, "known": 0, "job": ""}
    listed = json.loads(run(args=["jobs", "list", "--json"]).stdout)["jobs"]
    assert listed[0]["kind"] == "rescoring"
    assert "rescoring" in run(args=["jobs", "list"]).stdout
    assert run(args=["jobs", "stop", listed[0]["id"]]).exit_code == 0
    assert run(args=["rescore", "--status", "published", "--json"]).exit_code == 0

    file.write_bytes(past("c") + past("d", verdict="perhaps"))
    refused = run(args=["import", str(file), "--site", "daily"])
    assert refused.exit_code == 1
    assert "line 2 #/verdict: Must be one of: published, rejected." in refused.stderr
    assert counted(rt, Comment) == 2
