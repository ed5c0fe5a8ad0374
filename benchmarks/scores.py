"""Every score metric with its interval against a bare histogram, and areas against scikit-learn's.

    python benchmarks/scores.py                            # 10 million rows, 1 million for scikit-learn
    python benchmarks/scores.py --rows 100000 --sklearn-rows 20000

Three attributes and all their 2- and 3-way intersections (104 groups); every score metric, with its
interval, and a rule on every one that can be judged. Timed after imports, without the digest of the file, in
alternation with DuckDB's histogram of the same columns on the same threads. For the areas scikit-learn's
frame is in memory before its clock starts, and ours is read from Parquet: counts, areas and their intervals.
Each area must lie within the bounds that its bins state. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import engine
import numpy as np
import pyarrow.parquet as pq

from audit.engine import aggregate, run, source
from audit.engine.entries import BUILDERS
from audit.engine.tables import Tables
from audit.registry import metrics
from audit.spec import from_dict

HISTOGRAM = (
    "SELECT sex, race, age, label, floor(score * 1000) AS bin, count(*), sum(score) "
    "FROM '{file}' GROUP BY ALL"
)
ALTERNATIONS = 5
CREATED = "2026-01-01T00:00:00Z"


def main() -> None:
    """Measure, print what was found, and end with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows for the histogram's ratio")
    parser.add_argument("--sklearn-rows", type=int, default=1_000_000, help="rows for scikit-learn's areas")
    options = parser.parse_args()
    source._digest = lambda paths: "not taken"
    figures = histogram(engine.data(options.rows), options.rows)
    figures |= areas(engine.data(options.sklearn_rows), options.sklearn_rows)
    print(json.dumps(figures))


def spec(file: Path, *, judged: bool = True) -> Any:
    """Every score metric; a rule on each that can be judged."""
    chosen = [m.name for m in metrics().values() if m.family == "scores" and m.comparable] if judged else []
    rules = [
        {"metric": name, "comparison": "difference", "at_most": 0.1}
        for name in chosen
        if name != "scoring_rate"
    ]
    return from_dict(
        {
            "system": {"name": "benchmark"},
            "data": {
                "source": file.name,
                "columns": {"label": "label", "score": "score"},
                "positive": 1,
                "attributes": {name: {} for name in engine.ATTRIBUTES},
                "intersections": 3,
            },
            "policy": {"rules": rules},
        },
        base=file.parent,
    )


def histogram(file: Path, rows: int) -> dict[str, float]:
    """The whole audit's time as a multiple of the bare histogram's."""
    import duckdb

    asked, query, connection = spec(file), HISTOGRAM.format(file=file), duckdb.connect()
    run.audit(spec(engine.data(20_000)), created_at=CREATED)
    connection.sql(query).fetchall()
    ours, bare = [], []
    for _ in range(ALTERNATIONS):
        bare.append(engine.seconds(lambda: connection.sql(query).fetchall()))
        start = time.perf_counter()
        result, _ = run.audit(asked, created_at=CREATED)
        ours.append(time.perf_counter() - start)
    assert result.data.rows_audited == rows
    family = {m.name for m in metrics().values() if m.family == "scores"}
    shown = [e for e in result.estimates if e.metric in family]
    bounded = sum(e.low is not None for e in shown)
    own, base = statistics.median(ours), statistics.median(bare)
    print(
        f"{rows:,} rows: {own:.3f} s for {len(shown)} estimates, {bounded} with intervals, and "
        f"{len(result.comparisons)} comparisons; bare histogram {base:.3f} s",
        flush=True,
    )
    return {f"duckdb_ratio_{engine.words(rows)}": round(own / base, 2)}


def areas(file: Path, rows: int) -> dict[str, float]:
    """Areas by group: how much sooner than scikit-learn, and how far from it."""
    from sklearn.metrics import roc_auc_score

    frame = pq.read_table(file).to_pandas()
    start = time.perf_counter()
    theirs = {}
    for names in engine.GROUPINGS:
        for group, part in frame.groupby(list(names), observed=True):
            theirs[names, tuple(group)] = roc_auc_score(part["label"], part["score"])
    took = time.perf_counter() - start
    asked, spent = spec(file, judged=False), []
    for _ in range(ALTERNATIONS):
        start = time.perf_counter()
        found = ours(asked)
        spent.append(time.perf_counter() - start)
    assert found.keys() == theirs.keys()
    gaps = np.array([abs(found[key][0] - value) for key, value in theirs.items()])
    outside = [key for key, value in theirs.items() if not found[key][1] <= value <= found[key][2]]
    assert not outside, f"areas outside the bounds of their bins: {outside}"
    print(
        f"{rows:,} rows: {len(gaps)} areas in {statistics.median(spent):.3f} s, scikit-learn {took:.2f} s; "
        f"largest gap {gaps.max():.1e}, all within the bins' bounds",
        flush=True,
    )
    return {
        f"sklearn_auc_speedup_{engine.words(rows)}": round(took / statistics.median(spent), 1),
        "auc_max_error": float(f"{gaps.max():.1e}"),
    }


def ours(asked: Any) -> dict[Any, tuple[float, float, float]]:
    """Area, least and greatest by the bins, of each group; the intervals are worked out too."""
    with source.open_source(asked) as opened:
        tables = Tables(aggregate.count(asked, opened), 3)
    found = {}
    for names in engine.GROUPINGS:
        sample = tables.sample("auc", names)
        key, parts = sample.alone()
        BUILDERS[key](*parts).interval(0.05)
        for index, group in enumerate(tables.groups(names).groups):
            found[names, group] = tuple(float(part[index]) for part in parts[:3])
    return found


if __name__ == "__main__":
    main()
