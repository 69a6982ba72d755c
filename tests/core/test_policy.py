from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.core.comment import ATTRIBUTES, Role
from moderation.core.policy import (
    DEFAULT,
    Policy,
    PolicyError,
    Threshold,
    diff,
    dump,
    fingerprint,
    parse,
)

limits = st.one_of(st.none(), st.floats(0, 1, allow_nan=False))
thresholds = st.tuples(limits, limits).map(
    lambda pair: (
        {"hold": min(pair), "reject": max(pair)}
        if None not in pair
        else {"hold": pair[0], "reject": pair[1]}
    )
)
words = st.lists(st.text(min_size=1, max_size=20).filter(str.strip), max_size=4)
documents = st.fixed_dictionaries(
    {},
    optional={
        "thresholds": st.dictionaries(st.sampled_from(ATTRIBUTES), thresholds),
        "words": st.fixed_dictionaries(
            {}, optional={"reject": words, "hold": words, "allow": words}
        ),
        "rules": st.fixed_dictionaries(
            {},
            optional={
                "max_links": st.one_of(st.none(), st.integers(0, 1000)),
                "hold_first_comments": st.integers(0, 1000),
                "repeat_window_s": st.integers(0, 3600),
            },
        ),
        "sections": st.dictionaries(
            st.text(min_size=1, max_size=10),
            st.fixed_dictionaries({}, optional={"premoderate": st.booleans()}),
            max_size=3,
        ),
        "trusted_roles": st.lists(st.sampled_from([role.value for role in Role]), max_size=3),
        "when_missing": st.sampled_from(["hold", "publish"]),
        "max_length": st.integers(1, 20_000),
    },
)


@given(documents)
def test_what_is_dumped_parses_to_the_same_policy(document: dict[str, Any]) -> None:
    policy = parse(document)

    assert parse(dump(policy)) == policy
    assert fingerprint(parse(dump(policy))) == fingerprint(policy)


def test_an_empty_document_has_the_defaults_of_the_contract() -> None:
    document = dump(parse({}))

    assert document["rules"] == {"max_links": 2, "hold_first_comments": 0, "repeat_window_s": 300}
    assert document["trusted_roles"] == ["staff"]
    assert document["when_missing"] == "hold"
    assert document["max_length"] == 20_000


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        # A key that means nothing is refused wherever it stands.
        ({"treshold": {}}, "#/treshold"),
        ({"thresholds": {"rudeness": {"hold": 0.5}}}, "#/thresholds/rudeness"),
        ({"thresholds": {"threat": {"block": 0.5}}}, "#/thresholds/threat/block"),
        ({"sections": {"a/b": {"premod": True}}}, "#/sections/a~1b/premod"),
        # Numbers outside their range, or no numbers at all.
        ({"thresholds": {"threat": {"hold": 1.4}}}, "#/thresholds/threat/hold"),
        ({"thresholds": {"threat": {"hold": "0,5"}}}, "#/thresholds/threat/hold"),
        ({"thresholds": {"threat": {"hold": True}}}, "#/thresholds/threat/hold"),
        ({"thresholds": {"threat": {"hold": float("nan")}}}, "#/thresholds/threat/hold"),
        ({"rules": {"max_links": -1}}, "#/rules/max_links"),
        ({"max_length": 0}, "#/max_length"),
        # A hold above its reject would never hold.
        ({"thresholds": {"threat": {"hold": 0.9, "reject": 0.5}}}, "#/thresholds/threat"),
        # Also when only both documents together cross.
        (
            {
                "thresholds": {"threat": {"hold": 0.3, "reject": 0.5}},
                "sections": {"sport": {"thresholds": {"threat": {"hold": 0.6}}}},
            },
            "#/sections/sport/thresholds/threat",
        ),
        ({"words": {"reject": ["ok", " "]}}, "#/words/reject/1"),
        ({"trusted_roles": ["boss"]}, "#/trusted_roles/0"),
        ({"when_missing": "reject"}, "#/when_missing"),
        ([], "#"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_pointer(document: Any, pointer: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse(document)

    assert refused.value.pointer == pointer


def test_a_section_changes_only_the_keys_it_names() -> None:
    policy = parse(
        {
            "thresholds": {"toxicity": {"hold": 0.5, "reject": 0.9}, "threat": {"hold": 0.3}},
            "sections": {"sport": {"thresholds": {"toxicity": {"hold": 0.7}}}},
        }
    )

    assert policy.thresholds_in("sport")["toxicity"] == Threshold(0.7, 0.9)
    assert policy.thresholds_in("sport")["threat"] == Threshold(0.3)
    assert policy.thresholds_in("world") == policy.thresholds


def test_a_section_can_switch_a_threshold_off() -> None:
    policy = parse(
        {
            "thresholds": {"toxicity": {"hold": 0.5}},
            "sections": {"sport": {"thresholds": {"toxicity": {"hold": None}}}},
        }
    )

    assert policy.thresholds_in("sport")["toxicity"] == Threshold(None, None)


def test_the_difference_of_two_policies_names_each_leaf() -> None:
    old, new = DEFAULT, parse(dump(DEFAULT) | {"max_length": 500})

    assert [(c.pointer, c.before, c.after) for c in diff(old, new)] == [
        ("#/max_length", 20_000, 500)
    ]
    assert diff(old, old) == ()


def test_equal_policies_have_equal_fingerprints_and_others_not() -> None:
    assert fingerprint(Policy()) == fingerprint(Policy())
    assert fingerprint(Policy()) != fingerprint(Policy(max_length=7))


def test_a_policy_acts_from_the_lower_of_its_thresholds():
    policy = parse(
        {
            "thresholds": {"toxicity": {"hold": 0.8, "reject": 0.9}, "threat": {"reject": 0.5}},
            "sections": {"sport": {"thresholds": {"toxicity": {"hold": 0.7}}}},
        }
    )
    assert policy.acting_from(None) == {"toxicity": 0.8, "threat": 0.5}
    assert policy.acting_from("sport") == {"toxicity": 0.7, "threat": 0.5}
