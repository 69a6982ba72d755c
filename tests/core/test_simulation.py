from hypothesis import given
from hypothesis import strategies as st

from moderation.core.comment import Context
from moderation.core.decision import decide
from moderation.core.policy import Action
from moderation.core.simulation import Past, simulate, wilson_interval
from tests.builders import make_assessment, make_policy

shares = st.floats(0, 1, allow_nan=False)


def past(scores: list[float]) -> list[Past]:
    return [
        Past(f"c-{n}", make_assessment({"toxicity": score}), Context())
        for n, score in enumerate(scores)
    ]


@given(st.lists(shares, max_size=30), shares, shares)
def test_simulation_decides_as_production_does(scores, live_at, draft_at) -> None:
    live = make_policy(thresholds={"toxicity": {"hold": live_at}})
    draft = make_policy(thresholds={"toxicity": {"hold": draft_at}})

    outcome = simulate(past(scores), live, draft)

    assert outcome.total == len(scores)
    assert sum(outcome.counts.values()) == len(scores)
    for one in past(scores):
        would_be = decide(one.assessment, draft, one.context).action
        was = decide(one.assessment, live, one.context).action
        moved = [m for m in outcome.moved if m.id == one.id]
        assert bool(moved) == (was is not would_be)


def test_the_same_policy_moves_nothing() -> None:
    policy = make_policy(thresholds={"toxicity": {"hold": 0.5}})

    outcome = simulate(past([0.1, 0.9]), policy, policy)

    assert outcome.moved == ()
    assert outcome.counts == {
        (Action.PUBLISH, Action.PUBLISH): 1,
        (Action.HOLD, Action.HOLD): 1,
    }


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # Wilson's score interval of 1 in 10 at 95 %, as statistics packages give it.
    low, high = wilson_interval(1, 10)

    assert abs(low - 0.0179) < 0.0005
    assert abs(high - 0.4042) < 0.0005
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_the_share_it_is_of(case) -> None:
    hits, total = case
    low, high = wilson_interval(hits, total)

    assert 0 <= low <= hits / total + 1e-9
    assert hits / total - 1e-9 <= high <= 1
