"""The ledger: decisions are appended, the status follows, and can be rebuilt."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from moderation.core.comment import Assessment, Finding, Missing, Score
from moderation.flows import review
from moderation.flows.errors import ModerationError
from moderation.store.ledger import fold
from moderation.store.reading import decisions_of
from moderation.store.tables import Comment
from moderation.wire import dump_assessment, load_assessment
from tests.builders import FRIENDLY, INSULT, event, submitted

steps = st.lists(
    st.sampled_from(
        ["friendly", "insult", "delete", "report", "publish", "reject", "escalate", "undo"]
    ),
    max_size=8,
)


@given(steps)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_the_status_is_the_fold_of_the_decisions(site, rt, admin, steps) -> None:
    id = f"c-{site.sent}"
    for step in steps:
        take(site, rt, admin, id, step)

    with rt.sessions.read() as session:
        for comment in session.scalars(select(Comment)):
            decisions = decisions_of(session, comment.id)
            assert comment.status == fold(decisions, comment.revision)
            assert [d.seq for d in decisions] == list(range(1, comment.seq + 1))
            assert (comment.decision_id or None) == (decisions[-1].id if decisions else None)


def take(site, rt, admin, id: str, step: str) -> None:
    """One thing that can happen to a comment; what is refused leaves it as it is."""
    if step in ("friendly", "insult"):
        site.post(submitted(id, body=FRIENDLY if step == "friendly" else INSULT))
    elif step == "delete":
        site.post(event("comment.deleted", id=id))
    elif step == "report":
        site.post(event("comment.reported", id=id))
    else:
        decide(site, rt, admin, id, step)


def decide(site, rt, admin, id: str, step: str) -> None:
    try:
        whole = review.read_comment(rt, admin, "daily", id)
        newest = (whole["decisions"] or [{"id": "none"}])[-1]["id"]
        if step == "undo":
            review.undo(rt, admin, newest)
        else:
            review.decide(
                rt, admin, "daily", id, action=step, revision=whole["revision"], seen=newest
            )
    except ModerationError:
        pass


texts = st.text(max_size=20)
assessments = st.builds(
    Assessment,
    scores=st.dictionaries(texts, st.builds(Score, texts, st.floats(0, 1))),
    missing=st.dictionaries(texts, st.builds(Missing, texts, texts)),
    findings=st.lists(
        st.builds(
            Finding,
            check=texts,
            attribute=texts,
            score=st.floats(0, 1),
            start=st.integers(0, 9),
            end=st.integers(0, 9),
            message=texts,
        ),
        max_size=3,
    ).map(tuple),
    versions=st.dictionaries(texts, texts),
    took_ms=st.floats(0, 1e6),
)


@given(assessments)
def test_an_assessment_is_read_as_it_was_written(assessment: Assessment) -> None:
    document = json.loads(json.dumps(dump_assessment(assessment)))

    assert load_assessment(document) == assessment
