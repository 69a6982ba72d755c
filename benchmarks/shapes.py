"""Checkpoints in the exact shapes of the published Detoxify ones, with random weights.

The published ones can't be had where a benchmark must run without a download, and the
time of a network does not depend on its weights. Their scores mean nothing: only times
and the agreement of two ways to compute the same network are read off them.

All take the bundled model's tokenizer, which is that of BERT (uncased), so that one text
has as many tokens in each; the larger vocabularies are there, but not looked up.
"""

import hashlib
from pathlib import Path
from typing import Any

from moderation.scoring.bundled import WEIGHTS
from moderation.scoring.detoxify import sidecar

LABELS = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
SHAPES: dict[str, dict[str, Any]] = {
    "original": {"kind": "Bert", "vocab_size": 30522},
    "original-small": {
        "kind": "Albert",
        "vocab_size": 30522,
        "embedding_size": 128,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "hidden_act": "gelu_new",
    },
    "multilingual": {
        "kind": "XLMRoberta",
        "vocab_size": 250002,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    },
}
SEED = 20261123
SPREAD = 6.0
"""How much wider than at birth a head's weights are: scores then differ between texts."""


def make_checkpoint(shape: str, folder: Path) -> Path:
    """Write a checkpoint of a shape with its config, tokenizer and checksum; give its path.

    Takes seconds. One that is there already is kept.
    """
    path = folder / f"{shape}.ckpt"
    if path.exists():
        return path
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    given = dict(SHAPES[shape])
    kind = given.pop("kind")
    tokenizer = transformers.BertTokenizerFast(tokenizer_file=str(WEIGHTS / "tokenizer.json"))
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)
    config = getattr(transformers, f"{kind}Config")(num_labels=len(LABELS), **given)
    config.save_pretrained(folder)
    torch.manual_seed(SEED)
    network = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if name.startswith(("classifier.weight", "classifier.out_proj")):
                weights.mul_(SPREAD)
    arch = {
        "model_type": str(folder),
        "model_name": f"{kind}ForSequenceClassification",
        "tokenizer_name": "BertTokenizerFast",
        "num_classes": len(LABELS),
    }
    whole = {
        "config": {"arch": {"args": arch}, "dataset": {"args": {"classes": list(LABELS)}}},
        "state_dict": network.state_dict(),
    }
    torch.save(whole, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sidecar(path).write_text(f"{digest}  {path.name}\n", "utf-8")
    return path
