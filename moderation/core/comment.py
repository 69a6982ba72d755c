"""What is known about a comment, and what the checks say of it.

Values only: nothing here reads a clock, a database or a model, so that a stored
assessment can be decided on again, under another policy, years later.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

ATTRIBUTES = (
    "toxicity",
    "severe_toxicity",
    "obscene",
    "threat",
    "insult",
    "identity_attack",
    "sexual_explicit",
    "profanity",
    "spam",
    "links",
    "repetition",
    "flooding",
)
"""Every name a check may score and a policy may put a threshold on."""


class Status(StrEnum):
    """Where a comment stands."""

    PENDING = "pending"
    HELD = "held"
    PUBLISHED = "published"
    REJECTED = "rejected"
    REMOVED = "removed"


class Format(StrEnum):
    """How the body is written."""

    TEXT = "text"
    HTML = "html"
    MARKDOWN = "markdown"


class Role(StrEnum):
    """What the author is to the site."""

    READER = "reader"
    MEMBER = "member"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a comment, as the site says. Has an id or a name."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    ip: str | None = None
    role: Role = Role.READER

    @property
    def key(self) -> str:
        """By which a site's author is known again."""
        return self.id if self.id is not None else f"name:{self.name}"


@dataclass(frozen=True, slots=True)
class Article:
    """The page that a comment belongs to."""

    id: str
    title: str | None = None
    url: str | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A comment as a site sends it; `id` is the site's own."""

    id: str
    body: str
    author: Author
    article: Article
    format: Format = Format.TEXT
    language: str | None = None
    parent_id: str | None = None
    submitted_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the contract doesn't know, kept with the comment."""


@dataclass(frozen=True, slots=True)
class PastComment:
    """A comment that a site had before it came to us, and what a person said of it there."""

    submission: Submission
    verdict: Status | None = None
    """Published or rejected; None where nobody is known to have looked."""


@dataclass(frozen=True, slots=True)
class Words:
    """A site's own word lists, as its policy holds them."""

    reject: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier comment of the same author: what it said, and how long ago."""

    key: str
    """`text.content_key` of its body: equal keys read the same."""
    age_s: float


@dataclass(frozen=True, slots=True)
class Comment:
    """One revision as the checks see it, with its author's recent history."""

    body: str
    format: Format = Format.TEXT
    language: str | None = None
    words: Words = Words()
    history: tuple[Earlier, ...] = ()
    """The author's other comments of the last hour, newest first."""
    acting_from: Mapping[str, float] | None = None
    """Attribute → the lowest score from which anything follows; None if that isn't known.

    A check need not tell two scores apart that are both below. None of them decides.
    """
    until: float = math.inf
    """When an answer is of no more use, by `time.monotonic()`."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision needs to know beside the scores."""

    role: Role = Role.READER
    section: str | None = None
    published_before: int = 0
    """Comments of this author that were published before this one came."""


@dataclass(frozen=True, slots=True)
class Score:
    """How strongly an attribute is present, in [0, 1], and which check says so."""

    check: str
    value: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A score that we don't have, and why: "out of time", "failed: …"."""

    check: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw at one place of the body.

    The matched text is `body[start:end]` and is not kept here, so that erasing a
    body erases every copy of its words.
    """

    check: str
    attribute: str
    score: float
    start: int
    """First code point of the body, as it was typed."""
    end: int
    """One past the last code point."""
    message: str
    """A sentence that a moderator can read, without the words themselves."""
    listed: str | None = None
    """`reject` or `hold`, where a word of the site's own lists was matched."""
    age_s: float | None = None
    """Seconds since the earlier comment that this one repeats."""


FIRST_STAGE = " first stage"
"""Ends the version of a model that was not asked whole, because nothing would have followed."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """All scores and findings of one revision."""

    scores: Mapping[str, Score] = field(default_factory=dict)
    """By attribute."""
    missing: Mapping[str, Missing] = field(default_factory=dict)
    """By attribute; never one that is also in `scores`."""
    findings: tuple[Finding, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Check → id and version of the model or word list it used."""
    took_ms: float = 0.0

    @property
    def is_by_first_stage(self) -> bool:
        """Whether a model's cheap stage alone was asked: its scores are the less exact ones."""
        return any(version.endswith(FIRST_STAGE) for version in self.versions.values())
