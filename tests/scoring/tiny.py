"""A tiny checkpoint in Detoxify's own format: random weights, real loading."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from moderation.scoring.detoxify import sidecar
from moderation.scoring.engine.network import session

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] you are a pathetic idiot hello the army town . ,".split()
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


@cache
def bits() -> int:
    """Of a weight on this processor: 7 where pairs of products are added in 16 bits, else 8."""
    from onnx import TensorProto, helper

    names = {"a": TensorProto.UINT8, "b": TensorProto.INT8, "sums": TensorProto.INT32}
    a, b, sums = (helper.make_tensor_value_info(n, kind, [64, 64]) for n, kind in names.items())
    node = helper.make_node("MatMulInteger", ["a", "b"], ["sums"])
    graph = helper.make_graph([node], "sums", [a, b], [sums])
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    highest = {"a": np.full((64, 64), 255, np.uint8), "b": np.full((64, 64), 127, np.int8)}
    [found] = session(model.SerializeToString()).run(None, highest)
    return 8 if found[0, 0] == 64 * 255 * 127 else 7


def make_checkpoint(
    folder: Path,
    *,
    labels: tuple[str, ...] = LABELS,
    drop: str = "",
    name: str = "tiny.ckpt",
    spread: float = 1.0,
) -> Path:
    """Write a checkpoint with its config and tokenizer beside it; give its path.

    drop    leaves out the weights whose name contains it
    spread  widens the weights of the last step, so that scores differ between texts
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n", "utf-8")
    BertTokenizerFast(vocab=str(vocabulary), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=len(labels),
    )
    config.save_pretrained(folder)
    weights = BertForSequenceClassification(config).state_dict()
    weights["classifier.weight"] *= spread
    kept = {key: value for key, value in weights.items() if not drop or drop not in key}
    arch = {
        "model_type": "bert-base-uncased",  # a name on the hub, as in the published ones
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizerFast",
        "num_classes": len(labels),
    }
    path = folder / name
    dataset = {"args": {"classes": list(labels)}}
    torch.save({"config": {"arch": {"args": arch}, "dataset": dataset}, "state_dict": kept}, path)
    return path


def record(checkpoint: Path) -> str:
    """Write the checksum beside a checkpoint, as a fetch does; give it."""
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    sidecar(checkpoint).write_text(f"{digest}  {checkpoint.name}\n", "utf-8")
    return digest
