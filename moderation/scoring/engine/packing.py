"""Which texts are scored together, and how they lie in one row of tokens. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = Sequence[int]
"""The tokens of a text, with the marks of its ends."""


def chosen(lengths: Sequence[int], budget: int) -> list[int]:
    """Give the numbers of the waiting texts to score next, the oldest among them.

    The oldest is never passed over; those nearest to its length join it while the tokens
    last. One that is longer than the budget goes alone.

    lengths  tokens of each waiting text, the oldest first; not empty
    budget   tokens
    """
    taken, left = [0], budget - lengths[0]
    for number in sorted(range(1, len(lengths)), key=lambda at: abs(lengths[at] - lengths[0])):
        if lengths[number] <= left:
            taken.append(number)
            left -= lengths[number]
    return taken


def packed(texts: Sequence[Ids], first_position: int) -> dict[str, NDArray[np.integer]]:
    """Give the inputs of a network that `graph.write_network` wrote.

    first_position  what the network calls the position of a text's first token
    """
    lengths = [len(ids) for ids in texts]
    ends = np.cumsum(lengths)
    columns = np.arange(max(lengths))
    inside = columns < np.array(lengths)[:, None]
    grid = np.where(inside, columns + (ends - lengths)[:, None], 0)
    return {
        "ids": np.concatenate([np.asarray(ids, np.int64) for ids in texts]),
        "positions": np.nonzero(inside)[1] + first_position,
        "grid": grid,
        "inside": inside.astype(np.int32),
        "places": np.flatnonzero(inside),
    }
