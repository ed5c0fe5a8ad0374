"""How high the worst slice scores where nothing is there to find: the largest score under permutation."""

from __future__ import annotations

import numpy as np

from audit.analysis.lattice import Cells, Floats
from audit.analysis.search import Criterion, listing
from audit.errors import UsageError

PERMUTATIONS = 999
"""Draws, the observed rows not counted: adjusted p values go down to 1 in 1,000."""
_SEED = 20_211
_AT_ONCE = 4_000_000
"""Slices times cells that are held at once: some tens of megabytes."""
_MOST_WORK = 1e12
"""Slices times cells times draws beyond which nobody waits for the end."""


def largest_scores(
    cells: Cells, min_rows: int, *, max_depth: int | None, weight: float | None, draws: int = PERMUTATIONS
) -> Floats:
    """(draws,) the largest score over all slices, with the bad rows dealt anew to all rows alike.

    Dealing rows out without replacement is a multivariate hypergeometric draw over the cells, so that
    its cost does not depend on the number of rows. The draws are the same every time. Source: Westfall
    and Young, Resampling-Based Multiple Testing (1993), algorithm 2.5 (max-T, single step).
    Errors: UsageError where the slices are too many.
    """
    every = listing(cells, min_rows, max_depth=max_depth)
    if len(every) * len(cells.n) * draws > _MOST_WORK:
        raise UsageError(
            f"{len(every):,} slices over {len(cells.n):,} cells are too many for permutations",
            where="test",
            hint="Give --max-depth 2, a higher --min-support, fewer features, or --test split.",
        )
    rng = np.random.default_rng(_SEED)
    dealt = rng.multivariate_hypergeometric(cells.n, cells.total, size=draws, method="marginals")
    bad = np.ascontiguousarray(dealt.T.astype(np.float64))
    criterion = Criterion(cells.rows, cells.total, cells.peak, weight)
    largest = np.full(draws, -np.inf)
    step = max(1, _AT_ONCE // len(cells.n))
    for start in range(0, len(every), step):
        members = every.members[start : start + step]
        inside = np.ones((len(members), len(cells.n)), dtype=bool)
        for column in members.T:
            has = column >= 0
            inside[has] &= every.items.masks[column[has]]
        counts = inside.astype(np.float64) @ bad
        n = np.repeat(every.n[start : start + step], draws)
        scores = criterion.score(n, counts.reshape(-1)).reshape(counts.shape)
        largest = np.maximum(largest, scores.max(axis=0))
    return largest


def adjusted(scores: Floats, largest: Floats) -> Floats:
    """Single-step adjusted p values: the share of draws, the observed one among them, that score as high.

    >>> adjusted(np.array([4.0, 1.0]), np.array([2.0, 3.0, 2.5])).tolist()
    [0.25, 1.0]
    """
    reached = (largest[None, :] >= scores[:, None] - 1e-9).sum(axis=1)
    return np.asarray((1 + reached) / (1 + len(largest)))
