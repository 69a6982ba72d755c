"""`python -m moderation.scoring.engine CHECKPOINT NAME FOLDER`: prepare a checkpoint.

Run by `prepared.prepare`, in a process of its own.
"""

import sys
from pathlib import Path

import numpy as np

from moderation.scoring.detoxify import DetoxifyModel
from moderation.scoring.engine.graph import write_network
from moderation.scoring.engine.network import PackedNetwork
from moderation.scoring.engine.prepared import BITS, agreement, keep, reference_texts, told


def main(checkpoint: Path, name: str, folder: Path) -> None:
    """Write the network in as many bits as agree with the exact model, and keep it."""
    exact = DetoxifyModel(checkpoint, name)
    texts = reference_texts()
    wanted = np.array([exact.labelled(text) for text in texts])
    weights = {key: value.numpy() for key, value in exact.network.state_dict().items()}
    for bits in BITS:
        written = write_network(exact.network.config, weights, bits).SerializeToString()
        run = PackedNetwork(written, exact.first_position)
        ids = [exact.tokenizer(text)["input_ids"] for text in texts]
        found = agreement(wanted, np.concatenate([run([one]) for one in ids]))
        if found.good:
            break
    keep(folder, written, exact.tokenizer.backend_tokenizer.to_str(), told(exact, bits, found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
