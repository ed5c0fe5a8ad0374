"""How often a remedy that does nothing is verified, and how often the interval of a change misses.

`python benchmarks/mitigation.py` simulates pairs of decisions whose change is known: a sham that redraws some
decisions at random, gaps that shrink, vanish or change sides, differences and ratios, small and large groups.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from audit.mitigation.paired import Decisions, gap_change
from audit.registry import metrics

SELECTED = metrics()["selection_rate"]
CASES = {
    "sham": ((0.5, 0.5), (0.7, 0.7)),
    "shrinks": ((0.5, 0.62), (0.75, 0.72)),
    "vanishes": ((0.5, 0.7), (0.7, 0.7)),
    "changes sides": ((0.5, 0.8), (0.7, 0.7)),
    "rare": ((0.05, 0.1), (0.15, 0.15)),
    "none to begin with": ((0.6, 0.6), (0.6, 0.6)),
}
"""The group's rate before and after, then the reference's."""
KEPT = 0.85
"""The share of people whose second draw is the first."""


def decisions(
    rng: np.random.Generator, rates: tuple[tuple[float, float], ...], sizes: tuple[int, int]
) -> Decisions:
    """A pair of decisions on the same people."""
    group = np.arange(sum(sizes)) < sizes[0]
    draw, again = rng.random(len(group)), rng.random(len(group))
    second = np.where(rng.random(len(group)) < KEPT, draw, again)
    before = draw < np.where(group, rates[0][0], rates[1][0])
    after = second < np.where(group, rates[0][1], rates[1][1])
    return Decisions(np.ones(len(group), dtype=np.int64), before.astype(np.int64), after.astype(np.int64))


def truth(rates: tuple[tuple[float, float], ...], comparison: str) -> float:
    """The change that the interval should hold."""
    scale = np.log if comparison == "ratio" else np.asarray
    gaps = [abs(float(scale(rates[0][at])) - float(scale(rates[1][at]))) for at in (0, 1)]
    return gaps[0] - gaps[1]


def main() -> None:
    """Print each case, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    rng, start = np.random.default_rng(0), time.perf_counter()
    worst_miss, false_verified = 0.0, 0.0
    for name, rates in CASES.items():
        for sizes in ((40, 400), (100, 100), (300, 2000)):
            for comparison in ("difference", "ratio"):
                missed = verified = counted = 0
                for _ in range(draws):
                    rows = decisions(rng, rates, sizes)
                    group = np.arange(sum(sizes)) < sizes[0]
                    found = gap_change(SELECTED, rows, group, ~group, comparison, 0.95)
                    if found.low is None or found.high is None:
                        continue
                    counted += 1
                    missed += not found.low <= truth(rates, comparison) <= found.high
                    verified += found.low > 0
                shown = f"{name:<20} {sizes!s:<12} {comparison:<11}"
                print(f"{shown} missed {missed / counted:.3f} shown better {verified / counted:.3f}")
                worst_miss = max(worst_miss, missed / counted)
                if truth(rates, comparison) <= 0:
                    false_verified = max(false_verified, verified / counted)
    seconds = time.perf_counter() - start
    print(json.dumps({"draws": draws, "worst_miss": round(worst_miss, 4),
                      "false_verified": round(false_verified, 4), "seconds": round(seconds, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
