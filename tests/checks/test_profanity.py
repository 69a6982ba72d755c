import csv
import gzip

import pytest

from moderation.checks.profanity import ProfanityCheck
from moderation.core.comment import Comment, Format, Words
from tests.checks.contract import CheckContract
from tests.conftest import DATA


@pytest.fixture(scope="module")
def check() -> ProfanityCheck:
    return ProfanityCheck()


def found(check: ProfanityCheck, comment: Comment) -> list[str]:
    return [comment.body[one.start : one.end] for one in check.score(comment).findings]


class TestProfanityCheck(CheckContract):
    found = "what a load of sh1t"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls) -> ProfanityCheck:
        return ProfanityCheck()


@pytest.mark.parametrize(
    "word",
    [
        "shit",
        "sh1t",
        "$hit",
        "sh!t",
        "@ss",
        "a$$",
        "fuck",
        "f u c k",
        "f.u.c.k",
        "f-u-c-k",
        "f_u_c_k",
    ]
    + ["fuuuck", "fuck!", "f*ck", "f**k", "f--k", "motherf***er", "FÜCK", "fu\u200bck", "ѕhіt"]
    + ["asssss", "Arschloch", "putain", "хуй", "傻逼"],
)
def test_a_disguised_word_is_found_where_it_stands(check: ProfanityCheck, word: str):
    assert found(check, Comment(f"well {word} then")) == [word.rstrip("!")]


@pytest.mark.parametrize(
    "sentence",
    [
        # Names and words with another inside.
        "Scunthorpe and Penistone are in England, Essex and Sussex too",
        "Charles Dickens met Dick Cheney and Mr Matsushita in Middlesex",
        "The pilot left the cockpit; the class ate grapes and shiitake",
        "They tried to assassinate a therapist, specialists assume",
        "She graduated magna cum laude, tit for tat, spick and span",
        # Letters of different words.
        "as soon as possible, as s, push it, his hit",
        "The U.S.S.R. wrote it A.S.A.P., see 4-5-5",
        "a*b*c = 2*3, terms apply*, all in--it goes",
        # What the news are about.
        "The enemy was destroyed, killed by a bomb; shoot the Nazi terrorist",
        "He was convicted of rape and murder of the hostage",
        "hello",
    ],
)
def test_ordinary_prose_is_not_profane(check: ProfanityCheck, sentence: str):
    assert found(check, Comment(sentence)) == []


def test_stronger_words_score_higher(check: ProfanityCheck):
    mild, strong, slur = (
        check.score(Comment(word)).scores["profanity"] for word in ("damn", "fuck", "faggot")
    )
    assert 0 < mild < 0.5 < strong < slur <= 1


def test_the_strongest_word_counts(check: ProfanityCheck):
    both = check.score(Comment("damn and fuck")).scores["profanity"]
    assert both == check.score(Comment("fuck")).scores["profanity"]


def test_clean_text_scores_zero(check: ProfanityCheck):
    assert check.score(Comment("a fine day")).scores == {"profanity": 0.0}


@pytest.mark.parametrize(
    ("allowed", "body"),
    [
        ("Damn", "damn it"),
        ("shit happens", "sh1t happens"),
        ("cock and bull", "a cock and bull story"),
    ],
)
def test_what_the_site_allows_is_not_found(check: ProfanityCheck, allowed: str, body: str):
    assert found(check, Comment(body, words=Words(allow=(allowed,)))) == []


def test_a_word_that_means_something_else_in_the_language_is_not_found(check: ProfanityCheck):
    assert found(check, Comment("Slut på artikeln", language="sv-SE")) == []
    assert found(check, Comment("you slut", language="en")) == ["slut"]


def test_a_starred_word_is_found_in_its_place_behind_expanding_characters(check: ProfanityCheck):
    assert found(check, Comment("ﷺ ﬃ — f**k")) == ["f**k"]


def test_an_allowed_phrase_does_not_allow_its_words_elsewhere(check: ProfanityCheck):
    words = Words(allow=("shit happens",))
    assert found(check, Comment("shit happens, shit", words=words)) == ["shit"]


def test_a_word_broken_by_tags_is_found_with_its_tags(check: ProfanityCheck):
    comment = Comment("<p>f<b>u</b>ck</p>", Format.HTML)
    assert found(check, comment) == ["f<b>u</b>ck"]


def test_what_stands_in_a_tag_is_not_read(check: ProfanityCheck):
    assert found(check, Comment('<i class="shit">x</i>', Format.HTML)) == []


def test_stars_of_markdown_hide_nothing(check: ProfanityCheck):
    assert found(check, Comment("f**k you s**t", Format.MARKDOWN)) == ["f**k", "s**t"]


@pytest.mark.parametrize(("name", "limit"), [("wiki_debias_nontoxic", 0.02), ("cat_gn", 0.015)])
def test_few_harmless_comments_are_flagged(check: ProfanityCheck, name: str, limit: float):
    path = DATA / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"the labelled data {name} is not beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["toxic"] in ("0", "0.0")]
    flagged = sum(bool(check.score(Comment(text)).findings) for text in texts)
    assert flagged / len(texts) < limit
