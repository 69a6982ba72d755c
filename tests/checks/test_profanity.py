import csv
import gzip
import time

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
    ("word", "sentence"),
    [
        ("fuck", "for fuck's sake"),
        ("fuck", "for fuck\u2019s sake"),
        ("faggot", "the faggot\u2019s friend"),
        ("enculé", "c'est l\u2019enculé"),
        ("motherfucker", "this motherfucker's car"),
        ("faggot", "you faggot.Go away"),
        ("faggot", "you faggot!Go away"),
        ("bitch", "what a bitch:then again"),
        ("sh1t", "sh1t.happens"),
    ],
)
def test_a_word_is_found_beside_a_sign_without_a_space(check: ProfanityCheck, word, sentence):
    assert found(check, Comment(sentence)) == [word]


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
        "He'll say she'd pass, it's o'clock: I'd.ask Dick's Sporting Goods, l'as",
        # What the news are about.
        "The enemy was destroyed, killed by a bomb; shoot the Nazi terrorist",
        "He was convicted of rape and murder of the hostage",
        "hello",
    ],
)
def test_ordinary_prose_is_not_profane(check: ProfanityCheck, sentence: str):
    assert found(check, Comment(sentence)) == []


@pytest.mark.parametrize(
    ("body", "word"),
    [
        # Torn apart where the pieces are no words, or spelled.
        ("go fu ck yourself", "fu ck"),
        ("you c u n t", "c u n t"),
        # One sign for a letter.
        ("f@ck f%ck f_ck", "f@ck"),
        # A rude word within another; the whole word is marked.
        ("what a clusterfuckery", "clusterfuckery"),
        ("absobloodyfuckinglutely", "absobloodyfuckinglutely"),
        ("some dipsh1tty idea", "dipsh1tty"),
        # Spelled as it is spoken.
        ("you muthafucka", "muthafucka"),
        ("phuck off", "phuck"),
        ("the bitchez", "bitchez"),
    ],
)
def test_a_rude_word_is_found_in_another_and_in_other_spellings(
    check: ProfanityCheck, body: str, word: str
):
    assert found(check, Comment(body))[0] == word


@pytest.mark.parametrize(
    "sentence",
    [
        # Names.
        "Harshit, Lakshitha, Dikshit and Matsushita met Mr Fugger, Kuntz and J. J. Fux in Phuket",
        "Nigeria, Niger, Slutsk, Middlesex, Lesbos, Arsenal, Mississippi, Fukushima, Quim Torra",
        # Words that hold one of ours.
        "He sniggered niggardly, denigrated the pussycat, and bastardised the retardant",
        "cocktail cockpit peacock shuttlecock document cumin titanic parse assess harass custard",
        "saltwater swanky title buttress analysis raccoon cocoon spicy despicable mustard bitcoin",
        "a honky tonk, chinks in their armour, a Maine coon, Senator Coons, the fag end of May",
        "a horny toad",
        # Other languages.
        "die FDP, der Bambus, Fugger, viele Muslime, Kacheln, je kunt het, plus tard, assez, homos",
        "la folla mangia un cono, il pedale, la guerra di Troia, pique-nique, député, le con",
        "el cono, la computadora, coger el autobús, negro, capullo, pinche; ele pede, pau, mofo",
        "pedał gazu, cholera, dupe, ukrop, parch, bambus",
        "команда, страхуй, рубля, корабля, оскорблять, жидкость, підорожник, гондола",
    ],
)
def test_names_and_words_of_other_languages_are_not_profane(check: ProfanityCheck, sentence: str):
    innocent = ("mofo",)  # Portuguese for mould; known only where the language is said
    assert [one for one in found(check, Comment(sentence)) if one not in innocent] == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Hurensohn Fotze Wichser Arschloch verpiss dich Schlampe"),
        ("fr", "enculé connard salope fils de pute nique ta mère bougnoule"),
        ("es", "gilipollas cabrón hijo de puta pendejo maricón mierda"),
        ("it", "stronzo vaffanculo coglione puttana minchia frocio"),
        ("pt", "caralho filho da puta arrombado vai se foder cuzão viadagem"),
        ("ru", "хуйня пиздец ебать мудак пидорас сука"),
        ("uk", "хуйло піздець йобаний довбойоб підорас курва"),
        ("pl", "kurwa chuj pierdolić jebany skurwysyn spierdalaj"),
    ],
)
def test_each_language_has_its_words(check: ProfanityCheck, language: str, words: str):
    for body in (words, words.upper()):
        findings = check.score(Comment(body)).findings
        assert len(findings) == 6, [body[one.start : one.end] for one in findings]


def test_a_word_with_an_innocent_reading_elsewhere_counts_in_its_language(check: ProfanityCheck):
    assert found(check, Comment("sale con", language="fr-FR")) == ["sale con"]
    assert found(check, Comment("quel con", language="fr")) == ["con"]
    assert found(check, Comment("quel con")) == []
    assert found(check, Comment("chile con carne", language="en")) == []


@pytest.mark.parametrize(
    "piece", ["fuck", "a", "f u c k ", "f**k", "sh1t", "fuckа", "\u0336u", "*a"]
)
def test_hostile_text_takes_time_in_proportion(check: ProfanityCheck, piece: str):
    def seconds(size: int) -> float:
        comment, taken = Comment((piece * size)[:size]), []
        for _ in range(3):
            began = time.thread_time()
            check.score(comment)
            taken.append(time.thread_time() - began)
        return min(taken)

    small, large = seconds(8 * 1024), seconds(64 * 1024)
    # Quadratic work would take 64 times as long.
    assert large < 24 * max(small, 0.0005), (small, large)


def rows_of(name: str) -> list[dict[str, str]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the labelled data {name} is not beside this checkout")
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("group", "floor"), [("all", 0.62), ("Mild", 0.50), ("Strong", 0.62), ("Severe", 0.73)]
)
def test_most_of_a_list_kept_by_others_is_found(check: ProfanityCheck, group: str, floor: float):
    rows = rows_of("surge_profanity_en.csv")
    forms = [row["text"] for row in rows if group in ("all", row["severity_description"])]
    known = sum(check.score(Comment(form)).scores["profanity"] > 0 for form in forms)
    assert known / len(forms) >= floor


def test_most_disguised_forms_of_a_list_kept_by_others_are_found(check: ProfanityCheck):
    rows = rows_of("surge_profanity_en.csv")
    forms = [row["text"] for row in rows if row["text"] != row["canonical_form_1"]]
    known = sum(check.score(Comment(form)).scores["profanity"] > 0 for form in forms)
    assert known / len(forms) >= 0.66


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        # Harmless rows with a score of at least .55, .75, .95.
        ("unhealthy_val_dev", (0.003, 0.001, 0.0)),
        ("cat_gn", (0.006, 0.004, 0.001)),
        ("wiki_debias_nontoxic", (0.012, 0.008, 0.005)),
        ("war_news_nontoxic_dev", (0.10, 0.07, 0.015)),
    ],
)
def test_few_harmless_comments_reach_a_threshold(
    check: ProfanityCheck, name: str, limits: tuple[float, float, float]
):
    bodies = [row["text"] for row in rows_of(f"{name}.csv.gz") if row["toxic"] in ("0", "0.0")]
    scores = [check.score(Comment(body)).scores["profanity"] for body in bodies]
    reached = [sum(score >= at for score in scores) / len(scores) for at in (0.55, 0.75, 0.95)]
    assert all(share <= limit for share, limit in zip(reached, limits, strict=True)), reached


def test_stronger_words_score_higher(check: ProfanityCheck):
    mild, strong, slur = (
        check.score(Comment(word)).scores["profanity"] for word in ("damn", "fuck", "faggot")
    )
    assert 0 < mild < 0.5 < strong < slur <= 1


def test_the_strongest_word_counts(check: ProfanityCheck):
    both = check.score(Comment("damn and fuck")).scores["profanity"]
    assert both == check.score(Comment("fuck")).scores["profanity"]


def test_the_word_that_counts_is_told_however_many_there_are(check: ProfanityCheck):
    comment = Comment("damn " * 120 + "faggot and " + "damn " * 20)
    told = check.score(comment).findings
    assert max(one.score for one in told) == check.score(comment).scores["profanity"]
    assert [one.start for one in told] == sorted(one.start for one in told)


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
