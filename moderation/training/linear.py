"""Fitting the first stage: logistic regression for all attributes at once.

L-BFGS over the whole corpus, because it has no step size to tune and ends in the same
place each time. Soft targets need no copies of rows here, as they would with
scikit-learn's. As in `transformer.py`, each source has an intercept that is thrown away.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit

from moderation.scoring.linear import BUCKETS, features
from moderation.training.transformer import Examples

PENALTY = 2e-6
ROUNDS = 120
STEPS = 127
CLIPPED = 0.9995
"""Share of the weights that is kept exactly; of a few far stronger ones the top is cut off,
or the steps would be too coarse for the rest."""

Floats = NDArray[np.float32]


def matrix(texts: Sequence[str]) -> csr_matrix:
    """Give a row for each text: 1/√n at each of its n places of a table."""
    ends, places, values = [0], [], []
    for text in texts:
        for block in features(text).blocks():
            places.append(np.array(block, np.int32))
            values.append(np.full(len(block), len(block) ** -0.5 if block else 0, np.float32))
        ends.append(ends[-1] + len(places[-1]) + len(places[-2]))
    return csr_matrix(
        (np.concatenate(values), np.concatenate(places), np.array(ends)),
        shape=(len(texts), 2 * BUCKETS),
    )


def fit(data: Examples) -> tuple[Floats, Floats]:
    """Give weights, of shape (places, attributes), and offsets."""
    rows = len(data.texts)
    intercepts = csr_matrix(
        (np.ones(rows, np.float32), (np.arange(rows), data.sources)),
        shape=(rows, int(data.sources.max()) + 1),
    )
    columns = hstack([matrix(data.texts), intercepts, np.ones((rows, 1), np.float32)]).tocsr()
    columns = columns.astype(np.float32)
    across = columns.T.tocsr()
    shape = (columns.shape[1], data.targets.shape[1])
    weights = data.weights / data.weights.sum(0)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        table = flat.reshape(shape).astype(np.float32)
        logits = columns @ table
        likely = expit(logits)
        errors = np.logaddexp(0, logits) - data.targets * logits
        penalised = table[: 2 * BUCKETS]
        value = float((weights * errors).sum() + PENALTY * (penalised**2).sum())
        slope = across @ (weights * (likely - data.targets))
        slope[: 2 * BUCKETS] += 2 * PENALTY * penalised
        return value, slope.astype(np.float64).ravel()

    found = minimize(loss, np.zeros(np.prod(shape)), jac=True, method="L-BFGS-B",
                     options={"maxiter": ROUNDS, "maxcor": 6})  # fmt: skip
    table = found.x.reshape(shape).astype(np.float32)
    return table[: 2 * BUCKETS], table[-1]


def save(path: Path, table: Floats, offsets: Floats) -> None:
    """Write the weights as whole steps, each attribute's of its own size, for `LinearStage`."""
    strong = [np.quantile(column[column > 0], CLIPPED) for column in np.abs(table).T]
    scales = np.array(strong) / STEPS
    steps = np.clip(np.round(table / scales), -STEPS, STEPS).astype(np.int8)
    np.savez_compressed(path, table=steps, scales=scales.astype(np.float32), offsets=offsets)
