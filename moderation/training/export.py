"""From a trained scorer to the files that are shipped (ONNX in int8, head, tokenizer), and back."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.numpy_helper import to_array
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from moderation.training.transformer import Scorer

OPSET = 17


class _States(nn.Module):
    """Token ids → the states of the last layer; the head stays outside, where it is read off."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.base = scorer.base

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.base(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        return answer


def export(scorer: Scorer, base: Path, work: Path, out: Path) -> None:
    """Write `encoder.onnx`, `head.npz` and `tokenizer.json`.

    Weights have 7 bits in 8: without VNNI a processor adds pairs of products in 16 bits,
    which 8 would overflow, and a comment would be scored otherwise on an older server.
    """
    scorer.base.set_attn_implementation("eager")
    ids = torch.tensor([[0, 1, 2, 3]])
    names = ["input_ids", "attention_mask"]
    free = {0: "rows", 1: "tokens"}
    whole, prepared = work / "encoder.fp32.onnx", work / "encoder.prepared.onnx"
    with torch.inference_mode():
        torch.onnx.export(
            _States(scorer).eval(),
            (ids, torch.ones_like(ids)),
            str(whole),
            input_names=names,
            output_names=["states"],
            dynamic_axes=dict.fromkeys([*names, "states"], free),
            opset_version=OPSET,
            dynamo=False,
        )
    quant_pre_process(whole, prepared, skip_symbolic_shape=True)
    quantize_dynamic(
        prepared,
        out / "encoder.onnx",
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    head = scorer.head
    np.savez(
        out / "head.npz",
        weights=head.weight.detach().numpy().T,
        offsets=head.bias.detach().numpy(),
    )
    shutil.copy(base / "tokenizer.json", out / "tokenizer.json")


def averaged(scorer: Scorer, folder: Path) -> None:
    """Make a scorer the mean of itself and of an earlier version, as that was shipped.

    Networks that were tuned from the same base lie in one valley, and their mean often finds
    what either finds (Wortsman et al. 2022, "Model soups"). The words' embeddings are never
    tuned, so they stay. Raises ValueError for a network of another shape.
    """
    kept = "base.embeddings.word_embeddings.weight"
    own = {name: value for name, value in scorer.state_dict().items() if name != kept}
    earlier = _shipped(folder)
    for name, value in own.items():
        if name not in earlier or earlier[name].shape != tuple(value.shape):
            raise ValueError(f"{folder} has no {name} of shape {tuple(value.shape)}")
        value.copy_((value + torch.from_numpy(earlier[name])) / 2)


def _shipped(folder: Path) -> dict[str, np.ndarray]:
    """Read what `export` wrote: name in the scorer's state → weights, but for their rounding."""
    graph = onnx.load(folder / "encoder.onnx").graph
    kept = {one.name: to_array(one) for one in graph.initializer}
    with np.load(folder / "head.npz") as head:
        found = {"head.weight": head["weights"].T.copy(), "head.bias": head["offsets"]}
    for name, array in kept.items():
        if name.startswith("base.") and array.dtype == np.float32:
            found[name] = array
        if name.startswith("base.") and name.endswith("_quantized"):
            found[name.removesuffix("_quantized")] = _exact(kept, name)
    for node in graph.node:  # a product's weights are called after it
        if node.op_type == "MatMulInteger" and node.input[1] in kept:
            name = node.name.removesuffix("_quant").removesuffix("/MatMul").strip("/")
            found[name.replace("/", ".") + ".weight"] = _exact(kept, node.input[1]).T.copy()
    return found


def _exact(kept: dict[str, np.ndarray], name: str) -> np.ndarray:
    of = name.removesuffix("_quantized")
    steps = kept[name].astype(np.float32) - kept[f"{of}_zero_point"]
    return np.asarray(steps * kept[f"{of}_scale"], np.float32)
