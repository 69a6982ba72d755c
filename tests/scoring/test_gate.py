import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from moderation.scoring.gate import AGREEMENT, Gate
from moderation.scoring.model import ATTRIBUTES

RANDOM = np.random.default_rng(5)
WHOLE = RANDOM.normal(-2, 2, (12000, len(ATTRIBUTES)))
FIRST = 0.8 * WHOLE + RANDOM.normal(-0.4, 0.8, WHOLE.shape)
thresholds = st.dictionaries(
    st.sampled_from(ATTRIBUTES), st.floats(0.05, 0.99, allow_nan=False), min_size=1
)


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(FIRST, WHOLE)


@settings(deadline=None)
@given(thresholds)
def test_of_what_the_whole_model_holds_the_stated_share_goes_through(gate: Gate, asked):
    held = reached(WHOLE, asked)
    assume(held.any())
    kept = np.array([not gate.releases(row, asked) for row in FIRST[held]])
    assert np.mean(kept) >= AGREEMENT


def test_of_comments_to_come_the_stated_share_goes_through_on_average():
    """Few of the rows that a gate is fitted on are held: two hundred, say."""
    random = np.random.default_rng(11)
    asked = {"threat": 0.5}

    def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
        whole = random.normal(-2.5, 1.5, (rows, len(ATTRIBUTES)))
        return 0.8 * whole + random.normal(-0.4, 0.9, whole.shape), whole

    lost = []
    for _ in range(40):
        first, whole = drawn(3000)
        gate = Gate(first, whole)
        unseen, truth = drawn(6000)
        held = reached(truth, asked)
        lost.append(np.mean([gate.releases(row, asked) for row in unseen[held]]))
    assert 0.002 < np.mean(lost) <= 1 - AGREEMENT


@settings(deadline=None)
@given(thresholds)
def test_what_the_first_stage_would_hold_is_never_released(gate: Gate, asked):
    doubtful = FIRST[reached(FIRST, asked)]
    assert not any(gate.releases(row, asked) for row in doubtful)


def test_comments_that_are_far_from_every_threshold_are_released(gate: Gate):
    released = [gate.releases(row, {"threat": 0.9}) for row in FIRST]
    assert np.mean(released) > 0.8


@pytest.mark.parametrize(("rows", "releases"), [(0, False), (22, False), (98, False), (99, True)])
def test_nothing_is_released_unless_enough_rows_reach_a_threshold(rows: int, releases: bool):
    threat = ATTRIBUTES.index("threat")
    whole = np.minimum(WHOLE, 0)
    whole[:rows, threat] = 5
    gate = Gate(FIRST, whole)
    assert any(gate.releases(row, {"threat": 0.9}) for row in FIRST) is releases


def test_where_nothing_follows_from_a_score_all_are_released(gate: Gate):
    assert all(gate.releases(row, {}) for row in FIRST)


def test_a_stricter_policy_has_fewer_released(gate: Gate):
    lenient, strict = ({"insult": at} for at in (0.9, 0.2))
    released = [sum(gate.releases(row, asked) for row in FIRST) for asked in (lenient, strict)]
    assert released[0] > 1.2 * released[1]


def test_an_attribute_counts_that_only_the_whole_model_reads():
    """The first stage sees a rude comment; that rude ones are often threats, it is told."""
    rude, threat = ATTRIBUTES.index("insult"), ATTRIBUTES.index("threat")
    first, whole = np.full((2, 2000, len(ATTRIBUTES)), -6.0)
    first[:1000, rude] = 1.0
    first += RANDOM.normal(0, 0.2, first.shape)
    whole[:500, threat] = 3.0
    gate = Gate(first, whole)
    released = [gate.releases(row, {"threat": 0.5}) for row in first]
    assert np.mean(released[:1000]) < 0.05 and np.mean(released[1000:]) > 0.95


def reached(logits: np.ndarray, asked: dict[str, float]) -> np.ndarray:
    limits = np.array([asked.get(name, 2) for name in ATTRIBUTES])
    return (expit(logits) >= limits).any(1)
