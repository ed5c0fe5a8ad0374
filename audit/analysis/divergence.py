"""Every slice of enough rows with its divergence: a listing to look through, which tests nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from audit.analysis import search
from audit.analysis.binning import compress, plan_bins
from audit.analysis.rates import Rate
from audit.analysis.tables import as_table
from audit.errors import DataError, UsageError

_BAD = "__slices_bad"


def divergence(
    data: Any,
    rate: Rate,
    *,
    features: tuple[str, ...] | None = None,
    reserved: frozenset[str] = frozenset(),
    min_support: float = 0.01,
    max_depth: int | None = None,
) -> pd.DataFrame:
    """One row a slice: `slice` in words, `conditions`, `rows`, `rate`, `divergence`, `score`.

    All rows are counted, so that nothing is left to confirm on: a listing describes. `divergence` is
    the slice's rate less that of all rows, `score` the standard score of it. The furthest first.
    Errors: UsageError for columns and options that do not exist; DataError where no row counts.
    Source: Pastor, de Alfaro and Baralis, SIGMOD 2021.
    """
    if not 0 < min_support < 1:
        raise UsageError(f"the support {min_support:g} is outside (0, 1)", where="min support")
    if max_depth is not None and max_depth < 1:
        raise UsageError(f"a depth of {max_depth} holds no slice", where="max depth")
    table = rate.apply(as_table(data), name=_BAD)
    total = int(table.count().to_pyarrow().as_py())
    if total == 0:
        raise DataError("no row counts", where=rate.metric)
    min_rows = math.ceil(min_support * total)
    bins, _ = plan_bins(
        table, features, reserved=rate.columns | reserved | {_BAD}, min_rows=min_rows, fold=True
    )
    cells = compress(table, bins, table[_BAD])
    found = search.listing(cells, min_rows, max_depth=max_depth)
    words = [
        bins[feature].words(cells.levels[feature][code])
        for feature, code in zip(found.items.feature, found.items.code, strict=True)
    ]
    # Items stand rarest first; a reader wants the conditions in the order of the features.
    place = np.append(np.argsort(np.argsort(found.items.feature, kind="stable")), len(words))
    ordered = [words[at] for at in np.argsort(place[:-1])]
    members = np.sort(place[found.members], axis=1)
    names = [" and ".join(ordered[at] for at in row if at < len(ordered)) for row in members.tolist()]
    criterion = search.Criterion(cells.rows, cells.total, cells.peak)
    listing = pd.DataFrame(
        {
            "slice": names,
            "conditions": (found.members >= 0).sum(axis=1),
            "rows": found.n,
            "rate": found.rate,
            "divergence": found.divergence,
            "score": criterion.score(found.n, found.k),
        }
    )
    return listing.sort_values(["divergence", "slice"], ascending=[False, True], ignore_index=True)
