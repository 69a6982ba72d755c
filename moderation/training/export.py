"""From a trained scorer to the files that are shipped: ONNX in int8, the head, the tokenizer."""

import shutil
from pathlib import Path

import numpy as np
import torch
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
