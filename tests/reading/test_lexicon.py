import re

import pytest

from moderation.reading import lexicon

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "ru", "uk", "pl")


def words_of(language: str) -> list[str]:
    text = (lexicon.WORDS / f"{language}.txt").read_text("utf-8")
    return [word for piece in re.split(r"\[[a-z ]+\]", text) for word in lexicon._words(piece)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_a_solid_list(language: str):
    assert len(words_of(language)) >= 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_written_small_and_spelt_out(language: str):
    wrong = [word for word in words_of(language) if word != word.lower() or set(word) & set("()|,")]
    assert not wrong


def test_a_family_of_words_is_spelt_out():
    words = lexicon._words("sh(i|o)t(|s), son of a (gun|\n bun)".replace("|\n ", "|\n"))
    assert list(words) == ["shit", "shits", "shot", "shots", "son of a gun", "son of a bun"]


def test_innocent_words_are_not_in_the_list():
    assert not lexicon.innocent() & lexicon.strengths().keys()


def test_words_for_one_language_name_one_that_we_have():
    assert all(languages <= set(LANGUAGES) for languages in lexicon.only_in().values())
    assert lexicon.only_in()["con"] == {"fr"}


def test_every_strength_is_one_of_four():
    strengths = {*lexicon.strengths().values(), *lexicon.inside().values()}
    assert strengths == {lexicon.MILD, lexicon.COARSE, lexicon.STRONG, lexicon.SLUR}
