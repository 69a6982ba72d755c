"""Two ways to run a network on several texts: on the processor, and on a GPU."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from moderation.scoring.engine.lanes import Scores
from moderation.scoring.engine.packing import Ids, packed

DRIVER = Path("/proc/driver/nvidia")
FUSED_BADLY = ["SkipLayerNormFusion", "BiasGeluFusion"]
"""What ONNX Runtime would put in place of two operators takes longer than the two."""


def has_gpu() -> bool:
    """Tell whether torch could compute on a GPU; imports torch only where a driver is."""
    if not (DRIVER.exists() and importlib.util.find_spec("torch")):
        return False
    import torch

    return bool(torch.cuda.is_available())


def session(network: Path | bytes) -> InferenceSession:
    """Load an ONNX network that computes in the thread of each caller."""
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(
        network, options, providers=["CPUExecutionProvider"], disabled_optimizers=FUSED_BADLY
    )


class PackedNetwork:
    """A network of `graph.write_network`, run by ONNX Runtime. Safe to share.

    Each call computes in its caller's thread; the weights are there once.
    """

    def __init__(self, network: Path | bytes, first_position: int) -> None:
        """Load it; about 0.1 s."""
        self._session = session(network)
        self._first_position = first_position

    def __call__(self, texts: Sequence[Ids]) -> Scores:
        """Score texts; give one row for each, one column for each label."""
        scores: Scores = self._session.run(None, packed(texts, self._first_position))[0]
        return scores


class TorchNetwork:
    """The exact network, run by torch on a device. For one thread at a time."""

    def __init__(self, network: Any, device: str) -> None:
        """Take the network; it is moved to the device."""
        self._network, self._device = network.to(device).eval(), device

    def __call__(self, texts: Sequence[Ids]) -> Scores:
        """Score texts; give one row for each, one column for each label."""
        import torch

        inside = np.arange(max(map(len, texts))) < np.array([[len(ids)] for ids in texts])
        rows = np.zeros(inside.shape, np.int64)
        rows[inside] = np.concatenate(texts)
        with torch.inference_mode():
            fed = (torch.from_numpy(x).to(self._device) for x in (rows, inside.astype(np.int64)))
            logits = self._network(*fed).logits
            scores: Scores = torch.sigmoid(logits).float().cpu().numpy()
        return scores
