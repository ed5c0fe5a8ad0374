"""The whole audit against a bare GROUP BY, and against fairlearn and Aequitas on the same rows.

    python benchmarks/engine.py            # 1 and 10 million rows; fairlearn takes minutes
    python benchmarks/engine.py --quick    # 100,000 rows, for a first look and for CI

Three attributes and all their 2- and 3-way intersections (104 groups), every decision metric judged by a
rule, with intervals and verdicts. Timed after imports, without the digest of the file, as the median of
several alternations with DuckDB's bare GROUP BY over the same columns on the same threads. Memory is the
peak of a process that does one audit. fairlearn's frame and Aequitas' are in memory before their clocks
start; ours is read from Parquet. The last line is JSON; a figure is null where it was not measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CACHE = Path(__file__).resolve().parents[1] / "build" / "benchmarks"
ATTRIBUTES = {
    "sex": ("Female", "Male"),
    "race": ("Asian", "Black", "Hispanic", "Native", "Other", "White"),
    "age": ("18-29", "30-44", "45-59", "60+"),
}
GROUPINGS = [names for size in (1, 2, 3) for names in combinations(ATTRIBUTES, size)]
CHUNK = 1_000_000
ROW_GROUP = 122_880
"""As DuckDB writes Parquet: one thread reads a row group, and a file of one leaves the second core idle."""
ALTERNATIONS = 7
SCORE_RULES = ("auc", "calibration_in_the_large", "brier")
PLAIN = "SELECT sex, race, age, label, prediction, count(*) FROM '{file}' GROUP BY ALL"
SCORED = (
    "SELECT sex, race, age, label, prediction, floor(score * 1000) AS bin, count(*), sum(score) "
    "FROM '{file}' GROUP BY ALL"
)


def main() -> None:
    """Measure each size in a process of its own and print the figures."""
    options = arguments()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options.file)))
        return
    small, large = (100_000, 100_000) if options.quick else (1_000_000, 10_000_000)
    peers = options.fairlearn_rows or (20_000 if options.quick else small)
    figures: dict[str, float | None] = {}
    plain = told("plain", large)
    scored = told("scored", large)
    figures[f"duckdb_ratio_{words(large)}"] = plain["ratio"]
    figures[f"duckdb_score_ratio_{words(large)}"] = scored["ratio"]
    figures[f"duckdb_ratio_{words(small)}"] = (
        told("plain", small)["ratio"] if small != large else plain["ratio"]
    )
    for rows in dict.fromkeys((small, large)):
        figures[f"peak_mb_{words(rows)}"] = told("peak", rows)["peak_mb"]
    ours = told("plain", peers)["ours"]
    theirs = None if options.no_peers else told("fairlearn", peers)
    figures[f"fairlearn_speedup_{words(peers)}"] = theirs and round(theirs["seconds"] / ours, 1)
    theirs = None if options.no_peers else aequitas(data(peers))
    figures[f"aequitas_speedup_{words(peers)}"] = theirs and round(theirs / ours, 2)
    print(json.dumps(figures))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 rows, and 20,000 for fairlearn")
    parser.add_argument(
        "--fairlearn-rows", type=int, help="rows for the other libraries (default: 1 million)"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the other libraries out")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def words(rows: int) -> str:
    """1_000_000 as `1m`, 20_000 as `20k`."""
    return f"{rows // 1_000_000}m" if rows % 1_000_000 == 0 else f"{rows // 1000}k"


def told(child: str, rows: int) -> dict[str, Any]:
    """What a child process measured on so many rows; printed as it comes."""
    command = [sys.executable, __file__, "--child", child, "--file", str(data(rows))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{child:>9} {rows:>10,} rows: " + ", ".join(f"{k} {v}" for k, v in found.items()), flush=True)
    return found


def data(rows: int) -> Path:
    """The Parquet file of so many rows, made where it is not there."""
    path = CACHE / f"engine-{rows}-{ROW_GROUP}.parquet"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(".part")
        with pq.ParquetWriter(made, next(tables(1)).schema) as writer:
            for table in tables(rows):
                writer.write_table(table, row_group_size=ROW_GROUP)
        made.rename(path)
    return path


def tables(rows: int) -> Iterator[pa.Table]:
    """The rows in chunks: rates differ by group, the score is calibrated, the decision is at 0.5."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, CHUNK):
        size = min(CHUNK, rows - start)
        codes = {name: rng.integers(0, len(values), size) for name, values in ATTRIBUTES.items()}
        shift = 0.05 * codes["sex"] + 0.03 * codes["race"] - 0.04 * codes["age"]
        score = 1 / (1 + np.exp(-(rng.normal(0, 1.2, size) + shift)))
        columns: dict[str, Any] = {
            name: pa.DictionaryArray.from_arrays(pa.array(codes[name], pa.int8()), list(values))
            for name, values in ATTRIBUTES.items()
        }
        columns["label"] = pa.array((rng.random(size) < score).astype(np.int8))
        columns["prediction"] = pa.array((score >= 0.5).astype(np.int8))
        columns["score"] = pa.array(score)
        yield pa.table(columns)


def spec(file: Path, *, scored: bool) -> Any:
    """Every comparable decision metric as a rule, over every grouping."""
    from audit.registry import metrics
    from audit.spec import from_dict

    names = [m.name for m in metrics().values() if m.comparable and m.parity is not None]
    chosen = [name for name in names if metrics()[name].family == "decisions"]
    chosen += [name for name in SCORE_RULES if scored]
    rules: list[dict[str, Any]] = [
        {"metric": name, "comparison": "difference", "at_most": 0.1}
        for name in chosen
        if metrics()[name].unit == "proportion" or name in ("calibration_in_the_large", "auc", "brier")
    ]
    rules += [
        {"metric": name, "comparison": "ratio", "at_least": 0.8}
        for name in chosen
        if metrics()[name].unit == "ratio"
    ]
    columns = {"label": "label", "prediction": "prediction"} | ({"score": "score"} if scored else {})
    return from_dict(
        {
            "system": {"name": "benchmark"},
            "data": {
                "source": file.name,
                "columns": columns,
                "positive": 1,
                "attributes": {name: {} for name in ATTRIBUTES},
                "intersections": 3,
            },
            "policy": {"rules": rules},
        },
        base=file.parent,
    )


def alternate(file: Path, *, scored: bool) -> dict[str, Any]:
    """Ours and the bare query in turn; the file's digest is timed apart and taken off."""
    import duckdb

    from audit.engine import run, source

    spent: list[float] = []
    whole_digest = source._digest

    def timed_digest(paths: tuple[Path, ...]) -> str:
        start = time.perf_counter()
        digest = whole_digest(paths)
        spent.append(time.perf_counter() - start)
        return digest

    source._digest = timed_digest
    run.audit(spec(data(20_000), scored=scored), created_at="2026-01-01T00:00:00Z")
    asked = spec(file, scored=scored)
    query = (SCORED if scored else PLAIN).format(file=file)
    connection = duckdb.connect()
    connection.sql(query).fetchall()
    result = None
    ours, bare, digests = [], [], []
    for _ in range(ALTERNATIONS):
        bare.append(seconds(lambda: connection.sql(query).fetchall()))
        spent.clear()
        start = time.perf_counter()
        result, _ = run.audit(asked, created_at="2026-01-01T00:00:00Z")
        took = time.perf_counter() - start
        ours.append(took - sum(spent))
        digests.append(sum(spent))
    assert result is not None
    assert result.data.rows_audited == pq.read_metadata(file).num_rows
    own, base = statistics.median(ours), statistics.median(bare)
    return {
        "ours": round(own, 4),
        "bare": round(base, 4),
        "ratio": round(own / base, 2),
        "digest": round(statistics.median(digests), 3),
        "estimates": len(result.estimates),
        "comparisons": len(result.comparisons),
    }


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak(file: Path) -> dict[str, Any]:
    """The most memory that one audit holds, imports and DuckDB's own included."""
    from audit.engine import run

    run.audit(spec(file, scored=False), created_at="2026-01-01T00:00:00Z")
    return {"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def fairlearn(file: Path) -> dict[str, Any]:
    """MetricFrame with eight metrics over the seven groupings: no intervals, no verdicts."""
    import warnings

    import fairlearn.metrics as fm
    from sklearn import metrics as sk

    from audit.engine import run

    warnings.simplefilter("ignore")
    frame = pq.read_table(file).to_pandas()
    asked = {
        "selection_rate": fm.selection_rate,
        "true_positive_rate": fm.true_positive_rate,
        "true_negative_rate": fm.true_negative_rate,
        "false_positive_rate": fm.false_positive_rate,
        "false_negative_rate": fm.false_negative_rate,
        "accuracy": sk.accuracy_score,
        "positive_predictive_value": sk.precision_score,
        "f1": sk.f1_score,
    }
    start = time.perf_counter()
    theirs = {}
    for names in GROUPINGS:
        made = fm.MetricFrame(
            metrics=asked,
            y_true=frame["label"],
            y_pred=frame["prediction"],
            sensitive_features=frame[list(names)],
        )
        theirs[names] = made.by_group
        made.difference()
    took = time.perf_counter() - start
    result, _ = run.audit(spec(file, scored=False), created_at="2026-01-01T00:00:00Z")
    own = {(e.metric, e.grouping, e.group): e.value for e in result.estimates}
    gaps = [
        abs(own[name, names, group if isinstance(group, tuple) else (group,)] - value)
        for names, table in theirs.items()
        for name in asked
        for group, value in table[name].items()
    ]
    return {"seconds": round(took, 2), "values": len(gaps), "largest_gap": float(f"{max(gaps):.1e}")}


AEQUITAS = """
import sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from aequitas.group import Group
frame = pd.read_parquet(sys.argv[1]).rename(columns={"label": "label_value", "prediction": "decision"})
names = [name.split("+") for name in sys.argv[2:]]
for group in names:
    column = frame[group[0]].astype(str)
    for other in group[1:]:
        column = column + " x " + frame[other].astype(str)
    frame["+".join(group) + "_"] = column
kept = ["+".join(group) + "_" for group in names]
frame = frame[["label_value", "decision", *kept]].rename(columns={"decision": "score"})
Group().get_crosstabs(frame.head(1000), attr_cols=kept)
start = time.perf_counter()
table, _ = Group().get_crosstabs(frame, attr_cols=kept)
took = time.perf_counter() - start
assert len(table) == 104, len(table)
print(took)
"""


def aequitas(file: Path) -> float | None:
    """Seconds of its crosstabs over the same seven groupings; None where it does not install."""
    names = ["+".join(grouping) for grouping in GROUPINGS]
    with tempfile.TemporaryDirectory(prefix="aequitas-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        try:
            quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run(
                [python, *quiet, "aequitas", "pyarrow"], check=True, capture_output=True, timeout=900
            )
            command = [python, "-c", AEQUITAS, str(file), *names]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        except (subprocess.SubprocessError, OSError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            last = (reason if isinstance(reason, str) else reason.decode()).strip().splitlines()[-1]
            print(f" aequitas not measured: {last[:200]}", flush=True)
            return None
    took = float(done.stdout.splitlines()[-1])
    print(f" aequitas {file.stem}: seconds {took:.2f} (crosstabs alone, no intervals)", flush=True)
    return took


CHILDREN: dict[str, Callable[[Path], dict[str, Any]]] = {
    "plain": lambda file: alternate(file, scored=False),
    "scored": lambda file: alternate(file, scored=True),
    "peak": peak,
    "fairlearn": fairlearn,
}

if __name__ == "__main__":
    main()
