"""A tiny checkpoint in Detoxify's own format: random weights, real loading."""

import hashlib
from pathlib import Path

from moderation.scoring.detoxify import sidecar

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] you are a pathetic idiot hello the army town . ,".split()
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


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
