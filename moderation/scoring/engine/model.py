"""A Detoxify checkpoint behind the engine: the same scores, several times as many of them."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from moderation.scoring.detoxify import DetoxifyModel, attributes_of
from moderation.scoring.engine.lanes import Lanes, Run
from moderation.scoring.engine.network import PackedNetwork, TorchNetwork
from moderation.scoring.engine.packing import Ids
from moderation.scoring.engine.prepared import Agreement, Prepared, read, told
from moderation.scoring.model import ATTRIBUTES

PACK_TOKENS = 128
"""Of a processor's pack: larger ones gain nothing, and whoever comes meanwhile waits longer."""
GPU_PACK_TOKENS = 8192


def cores() -> int:
    """Tell how many cores this process may use."""
    ours = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(ours(0)) if ours else os.cpu_count() or 1


class EngineModel:
    """A prepared checkpoint. Safe to share; its threads score what all callers ask."""

    cost_ms = 40.0

    def __init__(
        self, name: str, prepared: Prepared, tokenizer: Tokenizer, run: Run, lanes: int, budget: int
    ) -> None:
        """Take what runs the network, and start its lanes.

        name  what it is called: checkpoint, checksum, and how it is computed
        """
        self.name = name
        named = attributes_of(prepared.labels)
        self._column_of = {named[x]: at for at, x in enumerate(prepared.labels) if x in named}
        self.attributes = tuple(one for one in ATTRIBUTES if one in self._column_of)
        self._prepared, self._tokenizer = prepared, tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._lanes = Lanes(run, lanes, budget)

    @classmethod
    def on_cpu(cls, name: str, folder: Path) -> "EngineModel":
        """Load what is kept in a folder, with a lane for each core."""
        prepared = read(folder)
        return cls(
            f"{name}@{prepared.digest[:8]} int{prepared.bits}",
            prepared,
            Tokenizer.from_file(str(folder / "tokenizer.json")),
            PackedNetwork(folder / "network.onnx", prepared.first_position),
            cores(),
            PACK_TOKENS,
        )

    @classmethod
    def on_gpu(cls, exact: DetoxifyModel, device: str = "cuda") -> "EngineModel":
        """Move an exact model to a GPU; one lane feeds it, in large packs."""
        same = Agreement(0.0, 1.0, 0)
        return cls(
            f"{exact.name} {device}",
            told(exact, 32, same),
            Tokenizer.from_str(exact.tokenizer.backend_tokenizer.to_str()),
            TorchNetwork(exact.network, device),
            1,
            GPU_PACK_TOKENS,
        )

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        """Score a text; of a long one its beginning and its end, whichever is worse.

        Raises `TimeoutError` if it would take longer than `until`, `ValueError` if the
        network answers with something that is no number.
        """
        asked = [self._lanes.ask(ids, until) for ids in self._windows(text)]
        worst = np.max([one.result() for one in asked], axis=0)
        scores = {one: float(worst[self._column_of[one]]) for one in self.attributes}
        for attribute, value in scores.items():
            if not math.isfinite(value):
                raise ValueError(f"{self.name} scored {attribute} {value}")
        return scores

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        """Give nothing: asking again without each word would cost seconds."""
        return []

    def _windows(self, text: str) -> Sequence[Ids]:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        room, (first, last) = self._prepared.room, self._prepared.ends
        parts = [ids] if len(ids) <= room else [ids[:room], ids[-room:]]
        return [(*first, *part, *last) for part in parts]
