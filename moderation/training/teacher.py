"""Soft labels for attributes that nobody labelled: tox-block as a teacher.

Six labels are known for a quarter of the Jigsaw rows and for no others. tox-block 0.1.2
(MIT; a small LSTM trained on all of Jigsaw 2018) says what the rest would likely have
been called; learning from such soft labels is distillation (Hinton et al. 2015). Its
package wants an old TensorFlow, so we read its weights and run them ourselves. Its
pickled word index is read by an unpickler that builds nothing but plain containers.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from moderation.scoring.model import ATTRIBUTES

LONGEST = 100
WORDS = 20_000
BATCH = 256
_SPLIT = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


class Teacher:
    """tox-block's network, out of its installed or unpacked package."""

    attributes = ATTRIBUTES[:6]

    def __init__(self, package: Path) -> None:
        trained = package / "trained_models"
        self._index = _word_index((trained / "encoder_0.1.2.pkl").read_bytes())
        with h5py.File(trained / "lstm_model_0.1.2.h5") as file:
            weights: dict[str, np.ndarray] = {}
            file["model_weights"].visititems(
                lambda name, value: (
                    weights.__setitem__(name, np.array(value))
                    if isinstance(value, h5py.Dataset)
                    else None
                )
            )
        self._embedding = torch.tensor(weights["embedding/embedding/embeddings:0"])
        self._lstm = _lstm(weights)
        self._dense = [
            (torch.tensor(weights[f"{n}/{n}/kernel:0"]), torch.tensor(weights[f"{n}/{n}/bias:0"]))
            for n in ("dense", "dense_1")
        ]

    def chances(self, texts: list[str]) -> np.ndarray:
        """Give the chance of each of the six attributes; shape (texts, 6)."""
        answers = []
        with torch.inference_mode():
            for at in range(0, len(texts), BATCH):
                ids = torch.tensor([self._ids(text) for text in texts[at : at + BATCH]])
                states, _ = self._lstm(self._embedding[ids])
                (kernel, bias), (last, last_bias) = self._dense
                hidden = torch.relu(states.max(dim=1).values @ kernel + bias)
                answers.append(torch.sigmoid(hidden @ last + last_bias).numpy())
        return np.concatenate(answers)

    def _ids(self, text: str) -> list[int]:
        found = [self._index.get(word, 0) for word in text.lower().translate(_SPLIT).split()]
        found = [at for at in found if 0 < at < WORDS][-LONGEST:]
        return [0] * (LONGEST - len(found)) + found


def _lstm(weights: dict[str, np.ndarray]) -> torch.nn.LSTM:
    lstm = torch.nn.LSTM(50, 50, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for way, suffix in (("forward", ""), ("backward", "_reverse")):
            place = f"bidirectional/bidirectional/{way}_lstm"
            parts = {
                "weight_ih_l0": weights[f"{place}/kernel:0"].T,
                "weight_hh_l0": weights[f"{place}/recurrent_kernel:0"].T,
                "bias_ih_l0": weights[f"{place}/bias:0"],
                "bias_hh_l0": np.zeros_like(weights[f"{place}/bias:0"]),
            }
            for name, value in parts.items():
                getattr(lstm, name + suffix).copy_(torch.tensor(value.copy()))
    return lstm


class _Plain:
    """Stands for every class in the pickle: holds its state, does nothing."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "collections":
            return lambda *_: {}
        return type(name, (_Plain,), {})


def _word_index(data: bytes) -> dict[str, int]:
    encoder = _Containers(io.BytesIO(data)).load()
    index: dict[str, int] = encoder.tokenizer.word_index
    return index
