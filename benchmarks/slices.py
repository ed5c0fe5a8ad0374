"""Slices against DivExplorer and sliceline: speed, memory, and the same answers; validity on request.

    python benchmarks/slices.py --data adult.csv     # UCI Adult, or any CSV with its columns
    python benchmarks/slices.py                      # a generated set of the same shape
    python benchmarks/slices.py --validity           # simulated sets without and with a planted slice

The peers run in their own virtual environment, made in a temporary folder unless --peers names the
python of one. Every contender gets the same discretised table, runs in its own process, and is timed
without its imports. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

LABEL = "income-per-year"
POSITIVE = ">50K"
NOT_FEATURES = (LABEL, "race-sex")
RANK_BINS = 10
SUPPORT = 0.01
WEIGHT = 0.95
TOP = 10
PEER_LEVELS = 3


def main() -> int:
    """Parse the command line, run, print; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="a CSV with UCI Adult's columns; default: a generated set")
    parser.add_argument("--peers", type=Path, help="the python of an environment that has both peers")
    parser.add_argument("--validity", action="store_true", help="simulate instead of comparing")
    parser.add_argument("--sets", type=int, default=500, help="simulated sets (with --validity)")
    parser.add_argument("--contender", choices=sorted(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        CONTENDERS[options.contender](options.folder)
        return 0
    if options.validity:
        print(json.dumps(validity(options.sets)))
        return 0
    if options.data is not None and not options.data.is_file():
        parser.error(f"no such file: {options.data}")
    with tempfile.TemporaryDirectory(prefix="slices-") as name:
        print(json.dumps(compare(options.data, options.peers, Path(name))))
    return 0


def compare(data: Path | None, peers: Path | None, folder: Path) -> dict[str, Any]:
    """Run the three contenders on one table and compare what they found."""
    rows = prepare(data, folder)
    print(f"{rows:,} rows, {len(features(folder))} features, support {SUPPORT:g}, all levels", flush=True)
    python = peers or make_environment(folder / "venv")
    ours = run(Path(sys.executable), "ours", folder)
    divexplorer = run(python, "divexplorer", folder)
    sliceline = run(python, "sliceline", folder)
    mine, theirs = (json.loads((folder / f"{name}.patterns").read_text()) for name in ("ours", "divexplorer"))
    wrong = [key for key in mine.keys() | theirs.keys() if not same(mine.get(key), theirs.get(key))]
    top_ours = ours["top_3_levels"]
    top_equal = same_top(top_ours, sliceline["top"])
    print(f"patterns: {len(mine):,} here, {len(theirs):,} by DivExplorer, {len(wrong)} differ")
    print(f"top {TOP} of {PEER_LEVELS} levels equal to sliceline's: {top_equal}")
    return {
        "rows": rows,
        "patterns": len(mine),
        "seconds": round(ours["listing_seconds"], 3),
        "top_seconds": round(ours["top_seconds"], 3),
        "megabytes": round(ours["megabytes"]),
        "divexplorer_seconds": round(divexplorer["seconds"], 2),
        "sliceline_seconds": round(sliceline["seconds"], 2),
        "sliceline_megabytes": round(sliceline["megabytes"]),
        "patterns_equal": not wrong,
        "top10_same_at_all_levels": same_top(ours["top"], sliceline["top"]),
        "divexplorer_speedup": round(divexplorer["seconds"] / ours["listing_seconds"], 1),
        "sliceline_speedup": round(
            sliceline["seconds"] / max(ours["top_seconds"], ours["listing_seconds"]), 1
        ),
        "memory_ratio": round(ours["megabytes"] / sliceline["megabytes"], 3),
        "top10_equal": top_equal,
    }


def same(one: list[float] | None, other: list[float] | None) -> bool:
    """The same rows, and the same rate to twelve digits."""
    if one is None or other is None:
        return False
    return one[0] == other[0] and abs(one[1] - other[1]) <= 1e-12


def same_top(one: list[list[Any]], other: list[list[Any]]) -> bool:
    """The same scores in order, and the same slices, those that tie with the last apart."""
    scores = [[score for _, score in side[:TOP]] for side in (one, other)]
    if len(scores[0]) != len(scores[1]) or not scores[0]:
        return False
    if max(abs(a - b) for a, b in zip(*scores, strict=True)) > 1e-9:
        return False
    names = [{name for name, score in side if score > scores[0][-1] + 1e-9} for side in (one, other)]
    return names[0] == names[1]


def run(python: Path, contender: str, folder: Path) -> dict[str, Any]:
    """One contender in its own process, its own account of time and memory read back."""
    command = [str(python), __file__, "--contender", contender, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{contender} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shown = {key: round(value, 3) for key, value in result.items() if isinstance(value, float)}
    print(f"{contender}: {shown}", flush=True)
    return result


def make_environment(folder: Path) -> Path:
    """A virtual environment with the peers."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", "divexplorer", "sliceline"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the peers could not be installed; name an environment by --peers:\n{done.stderr[-1000:]}")
    return python


def prepare(data: Path | None, folder: Path) -> int:
    """Write the discretised table with a column `error`, 0 or 1, of a model's cross-validated errors."""
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import OrdinalEncoder

    frame = generated() if data is None else pd.read_csv(data)
    label = (frame[LABEL] == POSITIVE).to_numpy()
    table = frame.drop(columns=[name for name in NOT_FEATURES if name in frame])
    numbers = table.select_dtypes("number").columns
    encoded = table.copy()
    texts = [name for name in table if name not in numbers]
    encoded[texts] = OrdinalEncoder().fit_transform(table[texts])
    model = HistGradientBoostingClassifier(max_iter=100, random_state=0)
    wrong = cross_val_predict(model, encoded.to_numpy(), label, cv=2) != label
    for name in numbers:
        if table[name].nunique() > RANK_BINS:
            edges = np.unique(np.quantile(table[name], np.linspace(0, 1, RANK_BINS + 1)[1:-1]))
            table[name] = np.searchsorted(edges, table[name])
    table = table.loc[:, table.nunique() > 1].astype(str)
    table["error"] = wrong.astype(int)
    table.to_csv(folder / "table.csv", index=False)
    return len(table)


def generated(rows: int = 30_162, seed: int = 0) -> Any:
    """A table with as many rows, features and values as UCI Adult, and some of its dependence."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 3))
    sizes = {
        "workclass": 7,
        "education": 16,
        "marital-status": 7,
        "occupation": 14,
        "relationship": 6,
        "race": 5,
        "sex": 2,
        "native-country": 41,
    }
    table = {}
    for at, (name, size) in enumerate(sizes.items()):
        skew = np.log(1 / np.arange(1, size + 1) ** (1.2 if size < 20 else 3.5))
        pull = rng.normal(size=(3, size)) * (0.3 if size > 20 else 0.8)
        table[name] = np.argmax(skew + hidden @ pull + rng.gumbel(size=(rows, size)), axis=1)
        table[name] = np.char.add(f"v{at}-", table[name].astype(str))
    table["education-num"] = np.clip(np.round(10 + 2.5 * hidden[:, 0] + rng.normal(size=rows)), 1, 16)
    table["age"] = np.clip(np.round(38 + 12 * hidden[:, 1] + 4 * rng.normal(size=rows)), 17, 90)
    table["hours-per-week"] = np.where(
        rng.random(rows) < 0.5, 40, np.clip(np.round(40 + 12 * hidden[:, 2]), 1, 99)
    )
    table["capital-gain"] = np.where(rng.random(rows) < 0.08, np.round(np.exp(8 + hidden[:, 0])), 0)
    table["capital-loss"] = np.where(rng.random(rows) < 0.05, np.round(1800 + 300 * hidden[:, 1]), 0)
    odds = -1.6 + hidden @ np.array([1.0, 0.6, 0.5]) + 1.5 * (table["capital-gain"] > 6000)
    table[LABEL] = np.where(rng.random(rows) < 1 / (1 + np.exp(-odds)), POSITIVE, "<=50K")
    return pd.DataFrame(table)


def features(folder: Path) -> list[str]:
    """The features of the prepared table."""
    with (folder / "table.csv").open() as stream:
        return [name for name in stream.readline().strip().split(",") if name != "error"]


def timed(action: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest of several runs, and the last one's result."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - start)
    return best, result


def megabytes() -> float:
    """The most memory this process ever held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(folder: Path) -> Any:
    """The prepared table as every contender gets it."""
    import pandas as pd

    return pd.read_csv(folder / "table.csv", dtype=dict.fromkeys(features(folder), str))


def run_ours(folder: Path) -> None:
    """This project: from the frame to every slice, and to the worst ten."""
    import math

    from audit.analysis import search
    from audit.analysis.binning import compress, plan_bins
    from audit.analysis.rates import Rate
    from audit.analysis.tables import as_table

    frame = read(folder)
    names, min_rows = tuple(features(folder)), math.ceil(SUPPORT * len(frame))

    def cells() -> Any:
        table = Rate("share", numerator="error").apply(as_table(frame), name="bad")
        bins, _ = plan_bins(table, names, reserved=frozenset(), min_rows=min_rows, fold=False)
        return compress(table, bins, table["bad"])

    listing_seconds, listing = timed(lambda: search.listing(cells(), min_rows), 3)
    top_seconds, top = timed(lambda: search.worst(cells(), min_rows, k=TOP, weight=WEIGHT), 3)
    peak = megabytes()
    shallow = search.worst(cells(), min_rows, k=TOP, weight=WEIGHT, max_depth=PEER_LEVELS)

    def named(found: Any) -> str:
        table = listing.cells
        return " & ".join(
            sorted(f"{table.features[at]}={table.levels[at][code]}" for at, code in found.conditions)
        )

    patterns = {}
    for row, rate in enumerate(listing.rate):
        patterns[named(listing.found(row))] = [int(listing.n[row]), float(rate)]
    (folder / "ours.patterns").write_text(json.dumps(patterns))
    report = {"listing_seconds": listing_seconds, "top_seconds": top_seconds, "megabytes": peak}
    tops = {"top": top, "top_3_levels": shallow}
    print(json.dumps(report | {key: [[named(one), one.score] for one in side] for key, side in tops.items()}))


def run_divexplorer(folder: Path) -> None:
    """DivExplorer: every slice, by its own default algorithm."""
    from divexplorer import DivergenceExplorer

    frame = read(folder)

    def search() -> Any:
        return DivergenceExplorer(frame).get_pattern_divergence(
            min_support=SUPPORT, boolean_outcomes=["error"]
        )

    seconds, found = timed(search, 2)
    patterns = {}
    for items, support, rate in zip(found["itemset"], found["support"], found["error"], strict=True):
        if len(items):
            patterns[" & ".join(sorted(items))] = [round(support * len(frame)), rate]
    (folder / "divexplorer.patterns").write_text(json.dumps(patterns))
    print(json.dumps({"seconds": seconds, "megabytes": megabytes()}))


def run_sliceline(folder: Path) -> None:
    """Sliceline: the worst ten slices of up to three conditions."""
    import math

    from sliceline.slicefinder import Slicefinder

    frame = read(folder)
    names = features(folder)
    finder = Slicefinder(
        alpha=WEIGHT,
        k=TOP,
        max_l=PEER_LEVELS,
        min_sup=math.ceil(SUPPORT * len(frame)),
        verbose=False,
    )
    seconds, _ = timed(lambda: finder.fit(frame[names].to_numpy(), frame["error"].to_numpy()), 1)
    top = []
    for row, statistics in zip(finder.top_slices_, finder.top_slices_statistics_, strict=True):
        name = " & ".join(sorted(f"{n}={v}" for n, v in zip(names, row, strict=True) if v is not None))
        top.append([name, float(statistics["slice_score"])])
    print(json.dumps({"seconds": seconds, "megabytes": megabytes(), "top": top}))


CONTENDERS = {"ours": run_ours, "divexplorer": run_divexplorer, "sliceline": run_sliceline}


def validity(sets: int) -> dict[str, Any]:
    """How often a report names a confirmed slice where there is none, and finds the one that is there."""
    planted = max(20, sets // 10)
    plain = share_of(sets, lambda seed: bool(confirmed(*no_signal(seed))))
    repeated = share_of(sets, lambda seed: bool(confirmed(*no_signal(seed, rows_each=4), person="person")))
    found = share_of(planted, lambda seed: finds_planted(*with_slice(seed)))
    # The limit that the truth 0.05 passes in 99.9 of 100 simulations.
    limit = 0.05 + 3.1 * (0.05 * 0.95 / sets) ** 0.5
    return {
        "sets": sets,
        "false_confirmed": plain,
        "false_confirmed_repeated_people": repeated,
        "limit": round(limit, 4),
        "valid": plain <= limit and repeated <= limit,
        "planted_sets": planted,
        "planted_found": found,
    }


PLANTED = ("f0=a", "f2=b", "f4=a")
"""The slice that `with_slice` makes worse."""


def share_of(sets: int, hit: Callable[[int], bool]) -> float:
    """Of so many simulated sets, the share for which `hit` is true."""
    return round(sum(hit(seed) for seed in range(sets)) / sets, 4)


def confirmed(frame: Any, names: tuple[str, ...], person: str | None = None) -> Any:
    """The confirmed slices of a simulated set."""
    from audit.analysis.rates import Rate
    from audit.analysis.slices import find_slices

    rate = Rate("share", numerator="error")
    return find_slices(frame, rate, features=names, person=person, min_support=0.02).confirmed


def finds_planted(frame: Any, names: tuple[str, ...]) -> bool:
    """Whether a confirmed slice shares at least half of the rows of either with the planted one."""
    import numpy as np

    planted = rows_of(frame, PLANTED)
    for one in confirmed(frame, names):
        rows = rows_of(frame, tuple(f"{part.feature}={part.level}" for part in one.conditions))
        if np.sum(rows & planted) >= 0.5 * np.sum(rows | planted):
            return True
    return False


def rows_of(frame: Any, conditions: tuple[str, ...]) -> Any:
    """(rows,) which rows meet conditions like `f0=a`."""
    import numpy as np

    parts = [part.partition("=") for part in conditions]
    return np.all([(frame[name] == level).to_numpy() for name, _, level in parts], axis=0)


def no_signal(seed: int, rows_each: int = 1, rows: int = 2_000) -> tuple[Any, tuple[str, ...]]:
    """Errors that have nothing to do with the features; each person may stand in several rows.

    A person's features stay the same over the rows, and so does the chance of an error, which
    differs between people: that alone makes a few people look like a slice.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    people = rows // rows_each
    person = np.repeat(np.arange(people), rows_each)
    names = tuple(f"f{at}" for at in range(6))
    table = {name: rng.choice(list("abcd"), people, p=[0.4, 0.3, 0.2, 0.1])[person] for name in names}
    chance = rng.beta(0.3, 1.2, people) if rows_each > 1 else np.full(people, 0.2)
    frame = pd.DataFrame(table).assign(person=person, error=rng.random(rows) < chance[person])
    return frame, names


def with_slice(seed: int, rows: int = 12_000) -> tuple[Any, tuple[str, ...]]:
    """The same with one slice of three conditions whose error rate is 0.45 instead of 0.2."""
    import numpy as np

    frame, names = no_signal(seed, rows=rows)
    inside = rows_of(frame, PLANTED)
    worse = np.random.default_rng(seed + 10_000).random(rows) < 0.45
    return frame.assign(error=np.where(inside, worse, frame["error"])), names


if __name__ == "__main__":
    sys.exit(main())
