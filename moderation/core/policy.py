"""A site's policy: versioned data that says what follows from which score.

A policy is a document (see `docs/policy.md`) that is parsed once into values. A
document with anything in it that this module does not know is refused, with a
pointer to the key: a misspelt threshold that is silently ignored publishes abuse.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from moderation.core.comment import ATTRIBUTES, Role, Words


class Action(IntEnum):
    """What to do with a comment. Greater is stricter."""

    PUBLISH = 0
    HOLD = 1
    REJECT = 2

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Action":
        return cls[word.upper()]


class PolicyError(ValueError):
    """A policy document that can't be used: where, and why."""

    def __init__(self, pointer: str, why: str) -> None:
        super().__init__(f"{pointer}: {why}")
        self.pointer = pointer
        self.why = why


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores at or above which a comment is held or rejected; None is never."""

    hold: float | None = None
    reject: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    max_links: int | None = 2
    """More links than this hold a comment; None is never."""
    hold_first_comments: int = 0
    """Hold until the author has this many published comments."""
    repeat_window_s: int = 300
    """Hold the same text by the same author within this many seconds; 0 is never."""


@dataclass(frozen=True, slots=True)
class Section:
    """What is different in one section of the site."""

    premoderate: bool = False
    thresholds: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """Attribute → the keys of its threshold that differ."""


@dataclass(frozen=True, slots=True)
class Policy:
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    words: Words = Words()
    rules: Rules = Rules()
    sections: Mapping[str, Section] = field(default_factory=dict)
    trusted_roles: tuple[Role, ...] = (Role.STAFF,)
    when_missing: Action = Action.HOLD
    max_length: int = 20_000
    """Code points of a body; a longer one is refused at the door."""

    def thresholds_in(self, section: str | None) -> Mapping[str, Threshold]:
        """The thresholds in force in a section."""
        if section is None or section not in self.sections:
            return self.thresholds
        return _merged(self.thresholds, self.sections[section].thresholds)

    def acting_from(self, section: str | None) -> dict[str, float]:
        """Attribute → the lowest score from which anything follows in a section."""
        limits = self.thresholds_in(section).items()
        lowest = {
            name: [at for at in (one.hold, one.reject) if at is not None] for name, one in limits
        }
        return {name: min(found) for name, found in lowest.items() if found}

    def premoderates(self, section: str | None) -> bool:
        return (
            section is not None and section in self.sections and self.sections[section].premoderate
        )


DEFAULT = Policy(
    # Of harmless comments about war and politics fewer than 2 in 100 reach one of these;
    # of threats, hate and severe abuse more than 8 in 10 do. docs/model-card.md has the
    # figures, and what other thresholds would do. None rejects: until a newsroom has seen
    # how the model judges its own readers, a person has the last word.
    thresholds={
        "toxicity": Threshold(hold=0.79),
        "severe_toxicity": Threshold(hold=0.25),
        "obscene": Threshold(hold=0.97),
        "threat": Threshold(hold=0.4),
        "insult": Threshold(hold=0.85),
        "identity_attack": Threshold(hold=0.35),
        "sexual_explicit": Threshold(hold=0.7),
        "profanity": Threshold(hold=0.95),
    }
)


def parse(document: Any) -> Policy:
    """Read a policy document; keys left out take their defaults.

    Raises PolicyError, with a JSON pointer to the first key that breaks a rule.
    """
    policy = Policy(**_fields(document, "#", _PARTS))
    for name in policy.sections:
        _refuse_crossed(policy.thresholds_in(name), f"#/sections/{_escape(name)}/thresholds")
    return policy


def dump(policy: Policy) -> dict[str, Any]:
    """The whole document of a policy: `parse(dump(policy)) == policy`."""
    return {
        "thresholds": {
            name: {"hold": limit.hold, "reject": limit.reject}
            for name, limit in policy.thresholds.items()
        },
        "words": {
            "reject": list(policy.words.reject),
            "hold": list(policy.words.hold),
            "allow": list(policy.words.allow),
        },
        "rules": {
            "max_links": policy.rules.max_links,
            "hold_first_comments": policy.rules.hold_first_comments,
            "repeat_window_s": policy.rules.repeat_window_s,
        },
        "sections": {
            name: {
                "premoderate": section.premoderate,
                "thresholds": {k: dict(v) for k, v in section.thresholds.items()},
            }
            for name, section in policy.sections.items()
        },
        "trusted_roles": [role.value for role in policy.trusted_roles],
        "when_missing": policy.when_missing.word,
        "max_length": policy.max_length,
    }


def fingerprint(policy: Policy) -> str:
    """A short hash of what a policy says; equal policies have equal ones."""
    text = json.dumps(dump(policy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Change:
    """One place where two policies differ."""

    pointer: str
    before: Any
    after: Any


def diff(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every leaf of the document that differs, in the order of the document."""
    before, after = dict(_leaves(dump(old))), dict(_leaves(dump(new)))
    pointers = list(before) + [pointer for pointer in after if pointer not in before]
    return tuple(
        Change(pointer, before.get(pointer), after.get(pointer))
        for pointer in pointers
        if before.get(pointer) != after.get(pointer)
    )


def _leaves(value: Any, pointer: str = "#") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{pointer}/{_escape(key)}")
    else:
        yield pointer, value


def _merged(
    base: Mapping[str, Threshold], changes: Mapping[str, Mapping[str, float | None]]
) -> dict[str, Threshold]:
    merged = dict(base)
    for name, limits in changes.items():
        was = base.get(name, Threshold())
        merged[name] = Threshold(
            hold=limits.get("hold", was.hold), reject=limits.get("reject", was.reject)
        )
    return merged


# Parsing. Each parser takes (value, pointer) and returns a value or raises PolicyError.


def _escape(key: str) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _object(value: Any, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(pointer, "must be an object")
    return value


def _fields(
    value: Any, pointer: str, parsers: Mapping[str, Callable[[Any, str], Any]]
) -> dict[str, Any]:
    known = ", ".join(parsers)
    fields = {}
    for key, inner in _object(value, pointer).items():
        here = f"{pointer}/{_escape(key)}"
        if key not in parsers:
            raise PolicyError(here, f"unknown key; known here are {known}")
        fields[key] = parsers[key](inner, here)
    return fields


def _whole(low: int, high: int, *, or_null: bool = False) -> Callable[[Any, str], int | None]:
    def parse_whole(value: Any, pointer: str) -> int | None:
        if value is None and or_null:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise PolicyError(pointer, f"{value!r} is not a whole number")
        if not low <= value <= high:
            raise PolicyError(pointer, f"{value} is not in [{low}, {high}]")
        return value

    return parse_whole


def _limit(value: Any, pointer: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PolicyError(pointer, f"{value!r} is not a number or null")
    if not 0 <= value <= 1:
        raise PolicyError(pointer, f"{value} is not in [0, 1]")
    return float(value)


def _attribute_limits(value: Any, pointer: str) -> dict[str, dict[str, float | None]]:
    limits = {}
    for name, inner in _object(value, pointer).items():
        here = f"{pointer}/{_escape(name)}"
        if name not in ATTRIBUTES:
            raise PolicyError(here, f"unknown attribute; known are {', '.join(ATTRIBUTES)}")
        limits[name] = _fields(inner, here, {"hold": _limit, "reject": _limit})
    return limits


def _refuse_crossed(limits: Mapping[str, Threshold], pointer: str) -> None:
    for name, limit in limits.items():
        if limit.hold is not None and limit.reject is not None and limit.hold > limit.reject:
            raise PolicyError(
                f"{pointer}/{name}", f"hold {limit.hold} is above reject {limit.reject}"
            )


def _thresholds(value: Any, pointer: str) -> dict[str, Threshold]:
    limits = {name: Threshold(**keys) for name, keys in _attribute_limits(value, pointer).items()}
    _refuse_crossed(limits, pointer)
    return limits


def _texts(value: Any, pointer: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise PolicyError(pointer, "must be a list of words")
    for position, word in enumerate(value):
        if not isinstance(word, str) or not word.strip():
            raise PolicyError(f"{pointer}/{position}", "must be a word or phrase that is not empty")
        if len(word) > 200:
            raise PolicyError(f"{pointer}/{position}", "is longer than 200 characters")
    return tuple(dict.fromkeys(word.strip() for word in value))


def _words(value: Any, pointer: str) -> Words:
    return Words(**_fields(value, pointer, {"reject": _texts, "hold": _texts, "allow": _texts}))


def _rules(value: Any, pointer: str) -> Rules:
    return Rules(
        **_fields(
            value,
            pointer,
            {
                "max_links": _whole(0, 1000, or_null=True),
                "hold_first_comments": _whole(0, 1000),
                "repeat_window_s": _whole(0, 3600),
            },
        )
    )


def _flag(value: Any, pointer: str) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(pointer, f"{value!r} is not true or false")
    return value


def _sections(value: Any, pointer: str) -> dict[str, Section]:
    return {
        name: Section(
            **_fields(
                inner,
                f"{pointer}/{_escape(name)}",
                {"premoderate": _flag, "thresholds": _attribute_limits},
            )
        )
        for name, inner in _object(value, pointer).items()
    }


def _roles(value: Any, pointer: str) -> tuple[Role, ...]:
    if not isinstance(value, list):
        raise PolicyError(pointer, "must be a list of roles")
    for position, role in enumerate(value):
        if role not in list(Role):
            raise PolicyError(f"{pointer}/{position}", f"{role!r} is not one of {', '.join(Role)}")
    return tuple(dict.fromkeys(Role(role) for role in value))


def _when_missing(value: Any, pointer: str) -> Action:
    if value not in ("hold", "publish"):
        raise PolicyError(pointer, f"{value!r} is neither hold nor publish")
    return Action.of(value)


_PARTS: Mapping[str, Callable[[Any, str], Any]] = {
    "thresholds": _thresholds,
    "words": _words,
    "rules": _rules,
    "sections": _sections,
    "trusted_roles": _roles,
    "when_missing": _when_missing,
    "max_length": _whole(1, 20_000),
}
