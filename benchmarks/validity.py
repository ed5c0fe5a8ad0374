"""How often the verdicts are wrong where they may be: at the bound itself.

One-sided errors of differences and ratios by enumeration, then whole policies by simulation (2, 5
and 20 groups, 1 and 10 rules, weights, clusters), beside a percentile bootstrap as fairlearn's
MetricFrame makes it; then areas, calibration, mean scores, mean absolute errors and distances
(`score_validity.py`). Ends with one line of JSON.

    python benchmarks/validity.py [--quick]
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import score_validity
from scipy import stats

from audit.engine.evidence import TwoRates
from audit.engine.sampling import clustered_rates, effective

Array = npt.NDArray[np.float64]

ALPHA = 0.05
LEVELS = (ALPHA, ALPHA / 10, ALPHA / 19)
SIZES = (
    (30, 30), (30, 45), (30, 100), (100, 30), (30, 1000), (30, 100_000), (50, 50), (60, 100_000),
    (100, 100), (100, 1000), (1000, 100), (300, 300), (300, 1000), (300, 100_000),
)  # fmt: skip
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99)
DIFFERENCES = (-0.2, -0.1, -0.05, 0.05, 0.1, 0.2)
RATIOS = (0.5, 0.8, 0.9, 1.25)
REPLICATES = 200
WHOLE_TABLE = 110_000
"""Tables up to this size are evaluated once for all rates."""


def say(*words: object) -> None:
    """Print a detail line at once, so that a long run shows where it is."""
    print(*words, flush=True)


def window(n: int, p: float, cells: int) -> tuple[Array, Array]:
    """The counts that Binomial(n, p) can show, and their probabilities; long runs are binned to `cells`."""
    low, high = stats.binom.ppf(1e-7, n, p), stats.binom.isf(1e-7, n, p)
    x = np.arange(max(0.0, low), min(float(n), high) + 1)
    chance = stats.binom.pmf(x, n, p)
    step = -(-len(x) // cells)
    if step == 1:
        return x, chance
    keep = len(x) // step * step
    return x[:keep].reshape(-1, step).mean(axis=1).round(), chance[:keep].reshape(-1, step).sum(axis=1)


def enumerated(
    n1: int, n2: int, kind: str, bound: float, rates: tuple[float, ...]
) -> Iterator[tuple[float, str]]:
    """Error over alpha on both sides, at all levels and reference rates, the truth lying on the bound."""
    every = np.arange(n1 + 1.0), np.arange(n2 + 1.0)
    whole = (n1 + 1) * (n2 + 1) <= WHOLE_TABLE
    sides = both_sides(*every, n1, n2, kind, bound) if whole else None
    for p2 in rates:
        p1 = p2 + bound if kind == "difference" else p2 * bound
        if not 0 <= p1 <= 1:
            continue
        if sides is None:
            (x1, chance1), (x2, chance2) = window(n1, p1, 400), window(n2, p2, 400)
            found = both_sides(x1, x2, n1, n2, kind, bound)
        else:
            chance1, chance2, found = (
                stats.binom.pmf(every[0], n1, p1),
                stats.binom.pmf(every[1], n2, p2),
                sides,
            )
        for side, p in found.items():
            for level in LEVELS:
                error = float(chance1 @ (p <= level) @ chance2)
                yield error / level, f"{kind} {bound}, {side}, level {level:.4f}, rates {p1:.3f} and {p2}"


def both_sides(x1: Array, x2: Array, n1: int, n2: int, kind: str, bound: float) -> dict[str, Array]:
    """The p values of every pair of counts, for `above the bound` and `below the bound`."""
    evidence = TwoRates(x1[:, None], n1, x2, n2, kind)
    return {"above": evidence.p_pass(bound, None), "below": evidence.p_pass(None, bound)}


def one_sided(quick: bool) -> float:
    """The largest one-sided error over alpha, over sizes, rates and bounds."""
    worst = 0.0
    for n1, n2 in ((30, 30), (50, 50)) if quick else SIZES:
        found = []
        for kind, bounds in (("difference", DIFFERENCES), ("ratio", RATIOS)):
            for bound in bounds[1::2] if quick else bounds:
                found += enumerated(n1, n2, kind, bound, RATES[::4] if quick else RATES)
        ratio, where = max(found)
        say(f"one-sided error, {n1} against {n2}: at most {ratio:.3f} alpha ({where})")
        worst = max(worst, ratio)
    return worst


def judged(
    x1: Array, n1: int, x2: Array, n2: int, kind: str, band: tuple[float, float]
) -> tuple[Array, Array]:
    """p_pass and p_violation of many draws; equal tables are evaluated once."""
    tables, back = np.unique(x1 * (n2 + 1) + x2, return_inverse=True)
    evidence = TwoRates(tables // (n2 + 1), n1, tables % (n2 + 1), n2, kind)
    return evidence.p_pass(*band)[back], evidence.p_violation(*band)[back]


def policy(
    rng: np.random.Generator, groups: int, rules: int, kind: str, draws: int, *, at_bound: str
) -> tuple[float, float]:
    """Shares of draws that pass and that violate; every group, or one of them, lies on the bound.

    Rules are independent metrics over groups of unequal size against the largest; a policy passes
    where every p_pass is at most alpha, and violates where m·min p_violation is (Holm's first step
    decides whether anything is rejected).
    """
    band = (-0.1, 0.1) if kind == "difference" else (0.8, 1.25)
    sizes = np.exp(rng.uniform(np.log(100), np.log(1000), groups - 1)).astype(int)
    if at_bound == "one":
        sizes[1:] *= 10
    largest = int(max(3000, 10 * sizes.max()))
    worst_pass, least_violation = np.zeros(draws), np.ones(draws)
    for rule in range(rules):
        p2 = float(rng.uniform(0.25, 0.6))
        x2 = rng.binomial(largest, p2, draws).astype(float)
        for group, n1 in enumerate(sizes):
            on_bound = at_bound == "all" or (group == 0 and rule == 0)
            edge = band[(group + rule) % 2] if on_bound else (0.0 if kind == "difference" else 1.0)
            p1 = p2 + edge if kind == "difference" else p2 * edge
            x1 = rng.binomial(int(n1), p1, draws).astype(float)
            p_pass, p_violation = judged(x1, int(n1), x2, largest, kind, band)
            worst_pass = np.maximum(worst_pass, p_pass)
            least_violation = np.minimum(least_violation, p_violation)
    m = rules * (groups - 1)
    return float((worst_pass <= ALPHA).mean()), float((least_violation * m <= ALPHA).mean())


def policies(quick: bool) -> tuple[float, float]:
    """The largest share of false passes and of false violations over whole policies."""
    draws = 1_000 if quick else 20_000
    passes, violations = 0.0, 0.0
    for groups, rules in ((2, 1), (5, 1), (20, 1), (2, 10), (5, 10), (20, 10)):
        if quick and groups * rules > 50:
            continue
        for kind in ("difference", "ratio"):
            rng = np.random.default_rng(groups * 100 + rules)
            _, violation = policy(rng, groups, rules, kind, draws, at_bound="all")
            passed, _ = policy(rng, groups, rules, kind, draws, at_bound="one")
            say(
                f"policy, {groups} groups, {rules} rules, {kind}: "
                f"false violations {violation:.4f}, passes {passed:.4f}"
            )
            passes, violations = max(passes, passed), max(violations, violation)
    return passes, violations


def weighted(
    rng: np.random.Generator, groups: int, draws: int, kind: str, *, one: bool
) -> tuple[float, float]:
    """As `policy`, for rows sampled by outcome: positives kept at 20 %, each with weight 5."""
    band = (-0.1, 0.1) if kind == "difference" else (0.8, 1.25)
    worst_pass, least_violation = np.zeros(draws), np.ones(draws)

    def drawn(n: int, p: float) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
        population = rng.binomial(n, p, draws)
        kept = rng.binomial(population, 0.2).astype(float)
        rest = (n - population).astype(float)
        rate, size, thin = effective(5 * kept, 5 * kept + rest, 25 * kept, rest, kept + rest, kept)
        return rate * size, size, thin

    p2 = 0.4
    x2, n2, thin2 = drawn(20_000, p2)
    for group in range(groups - 1):
        edge = band[group % 2] if not one or group == 0 else (0.0 if kind == "difference" else 1.0)
        p1 = p2 + edge if kind == "difference" else p2 * edge
        x1, n1, thin1 = drawn(10_000 if one and group else 700 + 100 * group, p1)
        evidence = TwoRates(x1, n1, x2, n2, kind)
        p_pass = np.where(thin1 | thin2, 1.0, evidence.p_pass(*band))
        worst_pass = np.maximum(worst_pass, p_pass)
        least_violation = np.minimum(least_violation, evidence.p_violation(*band))
    return float((worst_pass <= ALPHA).mean()), float((least_violation * (groups - 1) <= ALPHA).mean())


def clustered(
    rng: np.random.Generator, clusters: int, draws: int, kind: str, edge: float
) -> tuple[float, float]:
    """As `policy` for two groups whose rows share clusters (a clinic serves both), hashed to 100 groups."""
    band = (-0.1, 0.1) if kind == "difference" else (0.8, 1.25)
    p2 = 0.4
    p1 = p2 + edge if kind == "difference" else p2 * edge
    where = rng.integers(0, 100, clusters)
    size1, size2 = rng.integers(2, 20, clusters), rng.integers(5, 30, clusters)
    shock = rng.normal(0.0, 0.07, (draws, clusters)).clip(-0.2, 0.2)
    own = rng.normal(0.0, 0.05, (draws, clusters)).clip(-0.1, 0.1)
    y1, y2 = rng.binomial(size1, p1 + shock * p1 / p2 + own), rng.binomial(size2, p2 + shock)
    member = np.eye(100)[where]
    sums = [y1 @ member, np.broadcast_to(size1 @ member, (draws, 100)), y2 @ member]
    sums.append(np.broadcast_to(size2 @ member, (draws, 100)))
    deff, df, occupied = clustered_rates(*sums, kind)
    evidence = TwoRates(*(part.sum(axis=1) for part in sums), kind, deff, df)
    p_pass = np.where(occupied < 30, 1.0, evidence.p_pass(*band))
    return float((p_pass <= ALPHA).mean()), float((evidence.p_violation(*band) <= ALPHA).mean())


def not_simple(quick: bool) -> tuple[float, float]:
    """The largest shares of false passes and violations under weights and under clusters."""
    draws = 1_000 if quick else 20_000
    passes, violations = 0.0, 0.0
    for kind in ("difference", "ratio"):
        for groups in (2, 5, 20):
            rng = np.random.default_rng(groups)
            _, violation = weighted(rng, groups, draws, kind, one=False)
            passed, _ = weighted(rng, groups, draws, kind, one=True)
            say(
                f"weights by outcome, {groups} groups, {kind}: "
                f"false violations {violation:.4f}, passes {passed:.4f}"
            )
            passes, violations = max(passes, passed), max(violations, violation)
        for clusters in (60, 300):
            for edge in (-0.1, 0.1) if kind == "difference" else (0.8, 1.25):
                rng = np.random.default_rng(clusters)
                found = [
                    clustered(rng, clusters, min(draws, 5_000), kind, edge) for _ in range(1 if quick else 4)
                ]
                passed, violation = (float(v) for v in np.mean(found, axis=0))
                say(
                    f"{clusters} shared clusters, {kind} at {edge}: "
                    f"false violations {violation:.4f}, passes {passed:.4f}"
                )
                passes, violations = max(passes, passed), max(violations, violation)
    return passes, violations


def bootstrap(quick: bool) -> float:
    """The percentile bootstrap's largest one-sided error over alpha, on draws that are judged here too.

    MetricFrame draws whole rows anew and takes quantiles of its difference (largest rate minus
    smallest) and ratio (smallest over largest). Drawing rows anew is a multinomial draw over the
    four counts of the table, which is what allows thousands of draws; the real MetricFrame is run
    on a few of them to show that the quantiles are the same.
    """
    draws = 300 if quick else 3_000
    worst = 0.0
    cases = (
        (30, 100, "difference", 0.2, 0.1),
        (30, 1000, "difference", 0.2, 0.02),
        (50, 50, "difference", 0.2, 0.5),
        (30, 100, "ratio", 0.8, 0.9),
        (30, 1000, "ratio", 0.5, 0.1),
        (100, 100, "ratio", 0.8, 0.3),
        (300, 300, "ratio", 0.8, 0.5),
    )
    for n1, n2, kind, bound, p2 in cases:
        rng = np.random.default_rng(n1 + n2)
        p1 = p2 + bound if kind == "difference" else p2 * bound
        x1, x2 = rng.binomial(n1, p1, draws), rng.binomial(n2, p2, draws)
        low, high = resampled(rng, np.stack([x1, n1 - x1, x2, n2 - x2], axis=1), kind)
        ours = TwoRates(x1, n1, x2, n2, kind)
        pairs = (
            ("above", (low > bound).mean(), (ours.p_pass(bound, None) <= ALPHA).mean()),
            ("below", (high < bound).mean(), (ours.p_pass(None, bound) <= ALPHA).mean()),
        )
        for side, theirs, here in pairs:
            say(
                f"percentile bootstrap, {n1} against {n2}, {kind} {bound} of {p2}, {side}: "
                f"{theirs / ALPHA:.2f} alpha, here on the same draws {here / ALPHA:.2f}"
            )
            worst = max(worst, float(theirs) / ALPHA)
    against_fairlearn(1 if quick else 12)
    return worst


def resampled(rng: np.random.Generator, counts: npt.NDArray[np.int64], kind: str) -> tuple[Array, Array]:
    """The 5 % and 95 % quantiles of the bootstrapped difference or ratio, per draw."""
    n = int(counts[0].sum())
    drawn = rng.multinomial(n, (counts / n)[:, None, :], size=(len(counts), REPLICATES)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = drawn[..., 0] / (drawn[..., 0] + drawn[..., 1])
        b = drawn[..., 2] / (drawn[..., 2] + drawn[..., 3])
        value = np.abs(a - b) if kind == "difference" else np.minimum(a, b) / np.maximum(a, b)
    low, high = np.nanquantile(value, [ALPHA, 1 - ALPHA], axis=1)
    return low, high


def against_fairlearn(draws: int) -> None:
    """How far the real MetricFrame's quantiles lie from ours, on a few draws."""
    try:
        from fairlearn.metrics import MetricFrame, selection_rate
    except ImportError:
        say("fairlearn is not installed: its own MetricFrame was not run")
        return
    rng = np.random.default_rng(7)
    n1, n2, gaps = 50, 150, []
    group = np.repeat(["a", "b"], [n1, n2])
    for seed in range(draws):
        x1, x2 = int(rng.binomial(n1, 0.5)), int(rng.binomial(n2, 0.3))
        predicted = np.r_[np.arange(n1) < x1, np.arange(n2) < x2].astype(int)
        frame = MetricFrame(
            metrics=selection_rate, y_true=predicted, y_pred=predicted, sensitive_features=group,
            n_boot=REPLICATES, ci_quantiles=[ALPHA, 1 - ALPHA], random_state=seed,
        )  # fmt: skip
        theirs = np.array(frame.difference_ci(method="between_groups"), dtype=float)
        low, high = resampled(rng, np.array([[x1, n1 - x1, x2, n2 - x2]]), "difference")
        gaps.append(theirs - [low[0], high[0]])
    mean, largest = np.mean(gaps, axis=0), np.abs(gaps).max()
    say(
        f"fairlearn's own MetricFrame on {draws} draws: its quantiles less those above, "
        f"mean {mean[0]:+.4f} and {mean[1]:+.4f}, largest {largest:.4f}"
    )


def main() -> None:
    """Run everything and print the figures."""
    quick = "--quick" in sys.argv[1:]
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    error = one_sided(quick)
    passes, violations = policies(quick)
    more_passes, more_violations = not_simple(quick)
    theirs = bootstrap(quick)
    beyond_rates = score_validity.figures(quick)
    say(f"{time.perf_counter() - start:.0f} s")
    figures = {
        "one_sided_error_over_alpha_max": round(error, 3),
        "false_violation_max": round(max(violations, more_violations), 4),
        "false_pass_max": round(max(passes, more_passes), 4),
        "fairlearn_bootstrap_one_sided_error_over_alpha_max": round(theirs, 3),
        **beyond_rates,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
