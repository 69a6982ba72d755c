"""From a trained scorer to the files that are shipped (ONNX in int8, head, tokenizer), and back."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx.numpy_helper import from_array, to_array
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from transformers import AttentionInterface

from moderation.training.transformer import Scorer, fresh

OPSET = 17
EARLIER_SHARE = 1 / 2
"""How much of an average is the earlier version's."""


class _Attention(torch.autograd.Function):
    """Attention as one operator of ONNX Runtime, which needs less time than its parts."""

    @staticmethod
    def forward(
        _ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int
    ) -> torch.Tensor:
        split = (*query.shape[:2], heads, -1)
        apart = [one.reshape(split).transpose(1, 2) for one in (query, key, value)]
        together = nn.functional.scaled_dot_product_attention(apart[0], apart[1], apart[2])
        return together.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, heads: int) -> Any:
        name = "com.microsoft::MultiHeadAttention"
        return graph.op(name, query, key, value, num_heads_i=heads).setType(query.type())


def _attended(
    layer: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    **_options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend to all tokens; arguments and answer as transformers has them, a head apart."""
    heads = layer.num_attention_heads
    flat = (one.transpose(1, 2).flatten(2) for one in (query, key, value))
    states = _Attention.apply(*flat, heads)  # type: ignore[no-untyped-call]
    return states.unflatten(2, (heads, -1)), None


AttentionInterface.register("in_one", _attended)


class _States(nn.Module):
    """Ids of one text's tokens → the states of the last layer; the head is read off outside."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.base = scorer.base

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.base(input_ids=input_ids).last_hidden_state
        return answer


def export(scorer: Scorer, base: Path, work: Path, out: Path, seed: int) -> None:
    """Write `encoder.onnx`, `head.npz` and `tokenizer.json`.

    Weights have 7 bits in 8: without VNNI a processor adds pairs of products in 16 bits,
    which 8 would overflow, and a comment would be scored otherwise on an older server.
    seed  of the chance by which weights are rounded
    """
    whole, prepared = work / "encoder.fp32.onnx", work / "encoder.prepared.onnx"
    usual = scorer.base.config._attn_implementation
    scorer.base.set_attn_implementation("in_one")
    with torch.inference_mode():
        torch.onnx.export(
            _States(scorer).eval(),
            (torch.tensor([[0, 1, 2, 3]]),),
            str(whole),
            input_names=["input_ids"],
            output_names=["states"],
            dynamic_axes={name: {1: "tokens"} for name in ("input_ids", "states")},
            opset_version=OPSET,
            custom_opsets={"com.microsoft": 1},
            dynamo=False,
        )
    scorer.base.set_attn_implementation(usual)
    quant_pre_process(whole, prepared, skip_symbolic_shape=True)
    quantize_dynamic(
        prepared,
        out / "encoder.onnx",
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    _round_by_chance(out / "encoder.onnx", prepared, np.random.default_rng(seed))
    head = scorer.head
    np.savez(
        out / "head.npz",
        weights=head.weight.detach().numpy().T,
        offsets=head.bias.detach().numpy(),
    )
    shutil.copy(base / "tokenizer.json", out / "tokenizer.json")


def _round_by_chance(rounded: Path, exact: Path, draw: np.random.Generator) -> None:
    """Round the weights of products up or down by chance, up the oftener the nearer it is.

    What was tuned further from a shipped version lies near that one's steps, and the nearest
    step to a weight would mostly be the old one: what was learnt would be rounded away. By
    chance it is kept on average (Gupta et al. 2015, "Deep Learning with Limited Numerical
    Precision").
    """
    model = onnx.load(rounded)
    were = {one.name: to_array(one) for one in onnx.load(exact).graph.initializer}
    graph = {one.name: one for one in model.graph.initializer}
    for node in _rounded_products(model.graph):
        steps = graph[node.input[1]]
        name = steps.name.removesuffix("_quantized")
        exact_steps = were[name] / to_array(graph[f"{name}_scale"])
        chosen = np.floor(exact_steps + draw.random(exact_steps.shape))
        most = np.abs(to_array(steps)).max()
        steps.CopyFrom(from_array(np.clip(chosen, -most, most).astype(np.int8), steps.name))
    onnx.save(model, rounded)


def averaged(scorer: Scorer, earlier: Scorer) -> None:
    """Make a scorer the mean of itself and of an earlier one, by `EARLIER_SHARE`.

    What was tuned further from a network lies in one valley with it, and their mean keeps more
    of what that one could do elsewhere (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
    models").
    """
    other = earlier.state_dict()
    for name, value in scorer.state_dict().items():
        value.copy_((1 - EARLIER_SHARE) * value + EARLIER_SHARE * other[name])


def shipped(folder: Path, base: Path) -> Scorer:
    """Give the scorer of a version as that was shipped, but for its weights' rounding.

    The words' embeddings are never tuned, so they are the base's. Raises ValueError for a
    network of another shape.
    """
    scorer, found = fresh(base), _weights(folder)
    for name, value in scorer.state_dict().items():
        if name == "base.embeddings.word_embeddings.weight":
            continue
        if name not in found or found[name].shape != tuple(value.shape):
            raise ValueError(f"{folder} has no {name} of shape {tuple(value.shape)}")
        value.copy_(torch.tensor(found[name]))
    return scorer.eval()


def _weights(folder: Path) -> dict[str, np.ndarray]:
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
    for node in _rounded_products(graph):  # its weights are called after it
        name = node.name.removesuffix("_quant").removesuffix("/MatMul").strip("/")
        found[name.replace("/", ".") + ".weight"] = _exact(kept, node.input[1]).T.copy()
    return found


def _rounded_products(graph: Any) -> Iterator[Any]:
    """Yield the products of whose factors one is weights in int8."""
    kept = {one.name for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in kept:
            yield node


def _exact(kept: dict[str, np.ndarray], name: str) -> np.ndarray:
    of = name.removesuffix("_quantized")
    steps = kept[name].astype(np.float32) - kept[f"{of}_zero_point"]
    return np.asarray(steps * kept[f"{of}_scale"], np.float32)
