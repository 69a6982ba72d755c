"""From an assessment to an action, and why. Pure: production and simulation call it alike.

The strictest action wins and every reason is kept; no rule hides another. The one
exception is trust: what an author with a trusted role writes is published, with the
reasons still on record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from moderation.core.comment import Assessment, Context, Finding
from moderation.core.policy import Action, Policy, Threshold

Span = tuple[int, int]
"""Code points `[start, end)` of the body as it was typed."""


class ReasonCode(StrEnum):
    """Why a policy acts. `docs/policy.md` has a row for each."""

    SCORE = "score_at_threshold"
    MISSING = "score_missing"
    LISTED_WORD = "listed_word"
    LINKS = "too_many_links"
    REPEATED = "repeated_text"
    FIRST_COMMENTS = "first_comments"
    PREMODERATED = "premoderated_section"
    TRUSTED_ROLE = "trusted_role"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for an action, in words that a moderator can read."""

    code: ReasonCode
    action: Action
    message: str
    check: str | None = None
    attribute: str | None = None
    score: float | None = None
    threshold: float | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of an assessment: an action and all its reasons, strictest first."""

    action: Action
    reasons: tuple[Reason, ...] = ()


def action_for(score: float, threshold: Threshold) -> Action:
    """The action that one score asks for. A score at the number triggers it."""
    if threshold.reject is not None and score >= threshold.reject:
        return Action.REJECT
    if threshold.hold is not None and score >= threshold.hold:
        return Action.HOLD
    return Action.PUBLISH


def decide(assessment: Assessment, policy: Policy, context: Context) -> Verdict:
    """Decide on a comment: the strictest action that any reason asks for.

    Raising a threshold never makes the answer stricter; taking a finding away never
    does either.
    """
    reasons = sorted(
        _reasons(assessment, policy, context), key=lambda reason: reason.action, reverse=True
    )
    if context.role in policy.trusted_roles:
        trusted = Reason(
            ReasonCode.TRUSTED_ROLE,
            Action.PUBLISH,
            f"The author's role, {context.role}, is trusted",
        )
        return Verdict(Action.PUBLISH, (trusted, *reasons))
    return Verdict(max((r.action for r in reasons), default=Action.PUBLISH), tuple(reasons))


GRAVE = frozenset({"threat", "severe_toxicity", "identity_attack"})
"""Attributes that a moderator should see before others of the same score."""


def urgency(scored: Iterable[tuple[str | None, float | None]]) -> float:
    """How soon a moderator should look, in [0, 2]; greater is sooner.

    scored  (attribute, score) of each reason. The strongest counts, a grave attribute
            double; a rule without a score is 0.5
    """
    return max(
        ((score or 0.5) * (2 if attribute in GRAVE else 1) for attribute, score in scored),
        default=0.0,
    )


def raised_by_report(before: float, *, newly: bool) -> float:
    """The urgency after a reader's report, by 0.25 greater.

    newly  the comment is visible and was not in the queue: 1 more, for it does its harm
           while it waits
    """
    return before + 0.25 + (1.0 if newly else 0.0)


def _reasons(assessment: Assessment, policy: Policy, context: Context) -> Iterator[Reason]:
    yield from _from_listed_words(assessment)
    yield from _from_scores(assessment, policy, context)
    yield from _from_missing(assessment, policy)
    yield from _from_links(assessment, policy)
    yield from _from_repetition(assessment, policy)
    if context.published_before < policy.rules.hold_first_comments:
        yield Reason(
            ReasonCode.FIRST_COMMENTS,
            Action.HOLD,
            f"The author has {context.published_before} published comments; "
            f"the first {policy.rules.hold_first_comments} are looked at",
        )
    if policy.premoderates(context.section):
        yield Reason(
            ReasonCode.PREMODERATED,
            Action.HOLD,
            f"Every comment in the section {context.section} is looked at",
        )


def _from_scores(assessment: Assessment, policy: Policy, context: Context) -> Iterator[Reason]:
    for attribute, threshold in policy.thresholds_in(context.section).items():
        score = assessment.scores.get(attribute)
        if score is None:
            continue
        action = action_for(score.value, threshold)
        if action is Action.PUBLISH:
            continue
        limit = threshold.reject if action is Action.REJECT else threshold.hold
        assert limit is not None
        yield Reason(
            ReasonCode.SCORE,
            action,
            f"{_title(attribute)} {_two_digits(score.value)}, "
            f"at or above the {action.word} threshold {limit:.2f}",
            check=score.check,
            attribute=attribute,
            score=score.value,
            threshold=limit,
            spans=_spans(f for f in assessment.findings if f.attribute == attribute),
        )


def _from_missing(assessment: Assessment, policy: Policy) -> Iterator[Reason]:
    for missing in dict.fromkeys(assessment.missing.values()):
        yield Reason(
            ReasonCode.MISSING,
            policy.when_missing,
            f"The check {missing.check} gave no score: {missing.why}",
            check=missing.check,
        )


def _from_listed_words(assessment: Assessment) -> Iterator[Reason]:
    for action in (Action.REJECT, Action.HOLD):
        spans = _spans(f for f in assessment.findings if f.listed == action.word)
        if spans:
            yield Reason(
                ReasonCode.LISTED_WORD,
                action,
                f"Has a word of the site's {action.word} list",
                check="words",
                spans=spans,
            )


def _from_links(assessment: Assessment, policy: Policy) -> Iterator[Reason]:
    found = [f for f in assessment.findings if f.attribute == "links"]
    limit = policy.rules.max_links
    if limit is not None and len(found) > limit:
        yield Reason(
            ReasonCode.LINKS,
            Action.HOLD,
            f"Has {len(found)} links, more than {limit}",
            check="links",
            attribute="links",
            spans=_spans(found),
        )


def _from_repetition(assessment: Assessment, policy: Policy) -> Iterator[Reason]:
    ages = [f.age_s for f in assessment.findings if f.age_s is not None]
    if ages and min(ages) < policy.rules.repeat_window_s:
        yield Reason(
            ReasonCode.REPEATED,
            Action.HOLD,
            f"The same author wrote the same {min(ages):.0f} seconds before, "
            f"within {policy.rules.repeat_window_s} seconds",
            check="repetition",
            attribute="repetition",
        )


def _spans(findings: Iterable[Finding]) -> tuple[Span, ...]:
    return tuple(sorted({(f.start, f.end) for f in findings if f.end > f.start}))


def _title(attribute: str) -> str:
    return attribute.replace("_", " ").capitalize()


def _two_digits(score: float) -> str:
    """The score rounded down, so that 0.599 is never shown as a 0.60 that was let through."""
    return f"{int(score * 100 + 1e-9) / 100:.2f}"
