"""What was received at once, as arrays of integers: predictions, labels, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.result import Group

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Prediction events, one entry each: all arrays (n,)."""

    key: Ints
    """The first 64 bits of md5(source, id), signed."""
    rest: Ints
    """The other 64 bits: they tell a collision from a duplicate."""
    unit: Ints
    """The first 64 bits of md5(person); the key where there is no person."""
    at: Ints
    """Seconds since 1970, UTC."""
    cell: Ints
    """Index into `Batch.cells`."""
    yhat: Ints
    score: Ints
    """As `scores.packed` writes it; −1 where there is none, or none is watched."""
    chance: Ints
    """As `chances.thinned` says; 1 where no chances are logged."""


@dataclass(frozen=True)
class Labels:
    """Label events, one entry each: all arrays (n,)."""

    target: Ints
    """The key of the prediction."""
    rest: Ints
    revision: Ints
    at: Ints
    value: Ints
    embedded: NDArray[np.bool_]
    """It came within a prediction event, which is counted; the label is not counted again."""


@dataclass(frozen=True)
class Batch:
    """What was received at once: received = predictions + labels of their own + rejected."""

    received: int
    predictions: Predictions
    labels: Labels
    cells: tuple[tuple[str | None, Group], ...]
    """(model version, groups in the order of the mapping's attributes)."""
    rejected: dict[str, int] = field(default_factory=dict)


def join(batches: Sequence[Batch]) -> Batch:
    """Several batches, in their order, as one."""
    if len(batches) == 1:
        return batches[0]
    cells: dict[tuple[str | None, Group], int] = {}
    places, rejected = [], Counter[str]()
    for batch in batches:
        to = [cells.setdefault(cell, len(cells)) for cell in batch.cells]
        places.append(np.array(to, np.int64)[batch.predictions.cell] if to else batch.predictions.cell)
        rejected.update(batch.rejected)
    columns = {
        name: np.concatenate([getattr(batch.predictions, name) for batch in batches])
        for name in Predictions.__dataclass_fields__
    }
    labels = (
        np.concatenate([getattr(batch.labels, name) for batch in batches])
        for name in Labels.__dataclass_fields__
    )
    predictions = Predictions(**{**columns, "cell": np.concatenate(places)})
    received = sum(batch.received for batch in batches)
    return Batch(received, predictions, Labels(*labels), tuple(cells), dict(rejected))
