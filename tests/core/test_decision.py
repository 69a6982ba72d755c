from hypothesis import assume, given
from hypothesis import strategies as st

from moderation.core.comment import Context, Role
from moderation.core.decision import ReasonCode, action_for, decide, raised_by_report, urgency
from moderation.core.policy import Action, Policy, Threshold
from tests.builders import make_assessment, make_finding, make_policy

HOLD, REJECT, PUBLISH = Action.HOLD, Action.REJECT, Action.PUBLISH
shares = st.floats(0, 1, allow_nan=False)


def codes(verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@given(score=shares, low=shares, high=shares)
def test_raising_a_threshold_never_makes_the_decision_stricter(score, low, high) -> None:
    low, high = sorted((low, high))

    for name in ("hold", "reject"):
        stricter = decide(
            make_assessment({"insult": score}),
            Policy(thresholds={"insult": Threshold(**{name: low})}),
            Context(),
        )
        milder = decide(
            make_assessment({"insult": score}),
            Policy(thresholds={"insult": Threshold(**{name: high})}),
            Context(),
        )
        assert milder.action <= stricter.action


@given(score=shares, limit=shares)
def test_a_score_triggers_at_the_number_and_not_below(score, limit) -> None:
    assert (action_for(score, Threshold(hold=limit)) is HOLD) == (score >= limit)
    assert (action_for(score, Threshold(reject=limit)) is REJECT) == (score >= limit)
    assert action_for(score, Threshold()) is PUBLISH


@given(st.dictionaries(st.sampled_from(["insult", "threat", "toxicity"]), shares, min_size=1))
def test_the_strictest_reason_decides_and_none_is_dropped(scores) -> None:
    policy = make_policy(
        thresholds={name: {"hold": 0.3, "reject": 0.8} for name in ("insult", "threat", "toxicity")}
    )

    verdict = decide(make_assessment(scores), policy, Context())

    over = {name for name, score in scores.items() if score >= 0.3}
    assert {reason.attribute for reason in verdict.reasons} == over
    assert verdict.action == max((r.action for r in verdict.reasons), default=PUBLISH)
    assert list(verdict.reasons) == sorted(verdict.reasons, key=lambda r: -r.action)


def test_nothing_found_is_published_without_a_reason() -> None:
    verdict = decide(make_assessment({"toxicity": 0.1}), Policy(), Context())

    assert (verdict.action, verdict.reasons) == (PUBLISH, ())


def test_a_missing_score_is_held_for_a_moderator() -> None:
    assessment = make_assessment(missing={"threat": "out of time"})

    verdict = decide(assessment, make_policy(when_missing="hold"), Context())

    assert verdict.action is HOLD
    assert codes(verdict) == [ReasonCode.MISSING]
    assert "out of time" in verdict.reasons[0].message


def test_a_missing_score_is_published_only_with_its_reason_on_record() -> None:
    assessment = make_assessment(missing={"threat": "out of time"})

    verdict = decide(assessment, make_policy(when_missing="publish"), Context())

    assert verdict.action is PUBLISH
    assert codes(verdict) == [ReasonCode.MISSING]


def test_a_reason_names_score_and_threshold_and_carries_the_words_places() -> None:
    assessment = make_assessment(
        {"insult": 0.719}, findings=(make_finding("insult", start=4, end=9),)
    )

    [reason] = decide(
        assessment, make_policy(thresholds={"insult": {"hold": 0.6}}), Context()
    ).reasons

    assert reason.message == "Insult 0.71, at or above the hold threshold 0.60"
    assert (reason.score, reason.threshold, reason.spans) == (0.719, 0.6, ((4, 9),))


def test_listed_words_reject_or_hold_as_their_list_says() -> None:
    reject = make_finding("words", listed="reject")
    hold = make_finding("words", listed="hold", start=9, end=12)

    assert decide(make_assessment(findings=(hold,)), Policy(), Context()).action is HOLD
    both = decide(make_assessment(findings=(hold, reject)), Policy(), Context())
    assert both.action is REJECT
    assert [reason.action for reason in both.reasons] == [REJECT, HOLD]


def test_links_are_held_above_the_number_and_not_at_it() -> None:
    links = tuple(make_finding("links", start=n, end=n + 1) for n in range(3))
    policy = make_policy(rules={"max_links": 2})

    assert decide(make_assessment(findings=links[:2]), policy, Context()).action is PUBLISH
    assert codes(decide(make_assessment(findings=links), policy, Context())) == [ReasonCode.LINKS]
    never = make_policy(rules={"max_links": None})
    assert decide(make_assessment(findings=links), never, Context()).action is PUBLISH


def test_the_same_text_again_is_held_only_within_the_window() -> None:
    policy = make_policy(rules={"repeat_window_s": 300})

    def repeated(age_s: float) -> Action:
        finding = make_finding("repetition", age_s=age_s)
        return decide(make_assessment(findings=(finding,)), policy, Context()).action

    assert repeated(299) is HOLD
    assert repeated(300) is PUBLISH


def test_first_comments_are_held_until_enough_are_published() -> None:
    policy = make_policy(rules={"hold_first_comments": 2})

    assert decide(make_assessment(), policy, Context(published_before=1)).action is HOLD
    assert decide(make_assessment(), policy, Context(published_before=2)).action is PUBLISH


def test_a_premoderated_section_is_held_and_others_are_not() -> None:
    policy = make_policy(sections={"obituaries": {"premoderate": True}})

    assert decide(make_assessment(), policy, Context(section="obituaries")).action is HOLD
    assert decide(make_assessment(), policy, Context(section="sport")).action is PUBLISH
    assert decide(make_assessment(), policy, Context()).action is PUBLISH


def test_a_trusted_role_is_published_with_every_reason_on_record() -> None:
    policy = make_policy(thresholds={"insult": {"reject": 0.5}}, trusted_roles=["staff"])

    verdict = decide(make_assessment({"insult": 0.9}), policy, Context(role=Role.STAFF))

    assert verdict.action is PUBLISH
    assert codes(verdict) == [ReasonCode.TRUSTED_ROLE, ReasonCode.SCORE]
    assert decide(make_assessment({"insult": 0.9}), policy, Context()).action is REJECT


def test_a_threat_is_more_urgent_than_an_insult_of_the_same_score() -> None:
    assert urgency([("threat", 0.6)]) > urgency([("insult", 0.6)])
    assert urgency([]) == 0


@given(shares)
def test_a_report_always_makes_a_comment_more_urgent(before) -> None:
    assume(before >= 0)

    assert raised_by_report(before, newly=False) > before
    assert raised_by_report(before, newly=True) > raised_by_report(before, newly=False)
