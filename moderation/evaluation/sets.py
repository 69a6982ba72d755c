"""Which labelled sets there are, what their columns mean, and which must never be trained on.

Data, not code: a set is one entry here, and a set whose file is absent is left out. The
files themselves are no part of the product; where they lie is the caller's affair.

A set that our own model was trained on says nothing about comments it hasn't seen, so
it is marked, and measured only when asked for. The same holds, unmarked, for the models
of others: who trained on what is told in `note`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Where the comments of a set come from."""

    NEWS = "news sites"
    TALK = "Wikipedia talk pages"
    SOCIAL = "social media"
    MIXED = "several platforms"
    TEMPLATES = "made from templates"
    OWN = "your own file"


TOXIC: Mapping[str, str] = {"toxicity": "toxic"}
SIX: Mapping[str, str] = {
    "toxicity": "toxic",
    "severe_toxicity": "severe_toxic",
    "obscene": "obscene",
    "threat": "threat",
    "insult": "insult",
    "identity_attack": "identity_hate",
}


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A file of comments that people have judged."""

    stem: str
    """The file's name without `.csv` or `.csv.gz`."""
    title: str
    kind: Kind
    labels: Mapping[str, str] = field(default_factory=lambda: TOXIC)
    """Attribute → column. A fraction of raters is 1 from a half; blank is unknown."""
    columns: tuple[str, ...] = ()
    """More columns to keep; a sample has the same share of each value of the first."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """Model → column, where a set carries another service's scores of toxicity."""
    trained_on: bool = False
    """Our own model may have seen it."""
    note: str = ""


SETS: tuple[LabelledSet, ...] = (
    LabelledSet(
        "unhealthy_val_dev",
        "Unhealthy conversations",
        Kind.NEWS,
        note="Hostile or antagonising, mostly in clean words; every model is weak here.",
    ),
    LabelledSet("impermium_test_dev", "Insults (Impermium), test part", Kind.NEWS),
    LabelledSet("impermium_train", "Insults (Impermium), training part", Kind.NEWS),
    LabelledSet(
        "civil_spans_dev",
        "Civil Comments, read again",
        Kind.NEWS,
        note="All were once rated toxic: the harmless ones are the borderline. "
        "Detoxify unbiased was trained on them.",
    ),
    LabelledSet(
        "cat_gn",
        "Wikipedia at natural prevalence",
        Kind.TALK,
        recorded={"Perspective (recorded)": "perspective"},
        note="Of the file, the half that was kept from our own model.",
    ),
    LabelledSet(
        "jigsaw_dev6",
        "Jigsaw 2018, six labels",
        Kind.TALK,
        labels=SIX,
        note="Detoxify original and alt-profanity-check were trained on them.",
    ),
    LabelledSet("surge_dev", "Surge toxicity", Kind.MIXED),
    LabelledSet("olid_train", "OLID tweets", Kind.SOCIAL, note="Any offensive word counts."),
    LabelledSet(
        "davidson_train",
        "Davidson tweets",
        Kind.SOCIAL,
        note="Of the file, the half that was kept from our own model. The labels are biased "
        "against African American English. alt-profanity-check was trained on all of it.",
    ),
    LabelledSet("ghc_train", "Gab hate corpus", Kind.SOCIAL),
    LabelledSet("germeval21_train", "GermEval 2021, German", Kind.SOCIAL),
    LabelledSet(
        "hatecheck_dev",
        "HateCheck",
        Kind.TEMPLATES,
        columns=("functionality", "target_ident"),
        note="Hard on purpose; read it by functionality.",
    ),
    LabelledSet("mhc_dev", "Multilingual HateCheck", Kind.TEMPLATES, columns=("lang",)),
    LabelledSet("madlibs_dev", "Identity templates", Kind.TEMPLATES, columns=("identity",)),
    LabelledSet("jigsaw_train", "Jigsaw 2018", Kind.TALK, labels=SIX, trained_on=True),
    LabelledSet(
        "jigsaw_workers4",
        "Jigsaw 2018, by raters",
        Kind.TALK,
        labels={
            "obscene": "obscene",
            "threat": "threat",
            "insult": "insult",
            "identity_attack": "identity_hate",
        },
        trained_on=True,
    ),
    LabelledSet("civil_spans_train", "Civil Comments, read again", Kind.NEWS, trained_on=True),
    LabelledSet("paradetox", "ParaDetox", Kind.SOCIAL, trained_on=True),
    LabelledSet("wiki_debias_nontoxic", "Wikipedia articles", Kind.TALK, trained_on=True),
    LabelledSet("hatemojibuild_train", "HatemojiBuild", Kind.MIXED, trained_on=True),
    LabelledSet("implicit_hate", "Implicit hate tweets", Kind.SOCIAL, trained_on=True),
)

WAR = LabelledSet("war_news_nontoxic_dev", "Harmless news comments about war", Kind.NEWS)
"""Every row is harmless, so it has no row in the first table: only what is held counts."""
PROFANE_WORDS = LabelledSet(
    "surge_profanity_en", "Rude words", Kind.MIXED, labels={}, columns=("severity_rating",)
)
"""Single words and phrases by severity, 1 to 3; no comments, so only what is held counts."""
RUDE_FROM = 2.0
"""Severity from which a word on its own is counted as rude."""

HELD_OUT: tuple[str, ...] = (
    "jigsaw_dev6",
    "civil_spans_dev",
    "surge_dev",
    "hatecheck_dev",
    "mhc_dev",
    "madlibs_dev",
    "unhealthy_val_dev",
    "impermium_test_dev",
    "impermium_train",
    "olid_train",
    "ghc_train",
    "germeval21_train",
    "cat_gn",
    "war_news_nontoxic_dev",
    "davidson_train",
    "surge_profanity_en",
)
"""Files that are kept for measuring, whatever their names say; of those in `HALVED`, one half.

No row is learnt from or calibrated on. The default policy's thresholds are chosen on them, and
so was which network is shipped (`docs/experiments.md`).
"""
HALVED: frozenset[str] = frozenset({"cat_gn", "davidson_train"})
"""Held-out files of which only a half is: the other may be learnt from, and is not measured."""

POLITICS_FROM: tuple[str, ...] = (
    "unhealthy_val_dev",
    "impermium_train",
    "impermium_test_dev",
    "civil_spans_dev",
)
"""Sets of news comments whose harmless rows are searched for politics."""
POLITICS: frozenset[str] = frozenset(
    """
    ballot ballots biden bush cabinet campaign cheney clinton congress congressman conservative
    conservatives constitution democracy democrat democratic democrats dems election elections
    elected electoral gop government governments governor harper hillary immigration impeach
    impeachment ideology lawmaker lawmakers legislation legislature liberal liberals lobby
    lobbyists mayor mcconnell minister ministers ndp notley obama obamacare palin parliament
    parliamentary partisan pelosi policies politic political politically politician politicians
    politics premier president presidential progressives referendum regime republican
    republicans romney sanders senate senator senators socialism socialist socialists
    stimulus tories tory trudeau trump vote voted voter voters votes voting wynne
    """.split()
)
"""Words of which one makes a comment one about politics; whole words of `normalised` text."""

_BETWEEN_WORDS = re.compile(r"\W+")


def normalised(text: str) -> str:
    """Give a text as two are compared with: NFKC, lower case, one space between words.

    Equal results mean the same comment, for keeping held-out rows out of a training set.
    """
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()


def is_held_out(stem: str, text: str) -> bool:
    """Tell whether a row of a file is for measuring; of a halved one, by a hash of its text."""
    if stem not in HALVED:
        return stem in HELD_OUT
    return hashlib.sha256(normalised(text).encode()).digest()[2] < 128


def is_about_politics(text: str) -> bool:
    """Tell whether a text has a word of the list `POLITICS`."""
    return not POLITICS.isdisjoint(normalised(text).split())
