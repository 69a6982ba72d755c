"""What is scored together, and how it lies in a pack."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.engine.packing import chosen, packed

lengths = st.lists(st.integers(1, 512), min_size=1, max_size=40)
texts = st.lists(st.lists(st.integers(0, 30_000), min_size=1, max_size=30), min_size=1, max_size=8)


@given(lengths, st.integers(1, 600))
def test_a_pack_has_the_oldest_and_keeps_to_its_budget(waiting: list[int], budget: int) -> None:
    taken = chosen(waiting, budget)
    assert taken[0] == 0
    assert len(set(taken)) == len(taken) and set(taken) <= set(range(len(waiting)))
    assert len(taken) == 1 or sum(waiting[at] for at in taken) <= budget


@given(lengths, st.integers(1, 600))
def test_nothing_that_fits_is_left_behind(waiting: list[int], budget: int) -> None:
    taken = chosen(waiting, budget)
    left = budget - sum(waiting[at] for at in taken)
    assert all(waiting[at] > left for at in set(range(len(waiting))) - set(taken))


def test_those_of_a_like_length_go_together() -> None:
    assert chosen([50, 10, 48, 52], 150) == [0, 2, 3]


@given(texts, st.integers(0, 2))
def test_each_text_is_found_again_in_its_pack(given_texts: list[list[int]], first: int) -> None:
    pack = packed(given_texts, first)
    assert pack["ids"].tolist() == [one for text in given_texts for one in text]
    for text, row, inside in zip(given_texts, pack["grid"], pack["inside"], strict=True):
        own = row[inside.astype(bool)]
        assert pack["ids"][own].tolist() == text
        assert pack["positions"][own].tolist() == [*range(first, first + len(text))]
    # The way into the grid and the way out of it are each other's inverse.
    flat = pack["grid"].ravel()
    assert np.array_equal(flat[pack["places"]], np.arange(len(pack["ids"])))
