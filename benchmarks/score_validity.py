"""One-sided errors of the score family and of regression, by simulation: `validity.py` runs it.

Areas and their differences up to .99, calibration_in_the_large, mean scores with rare far ones among them
and the mean absolute error are judged, and so must err at most 1.25 α on each side for 100 rows a group and
more. Distances describe: what matters is that the lower limit at level α does not find more than α's share
of what is not there. Scores have a finite support, so that the truth is exact.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from audit.engine.auc import Auc, AucDifference
from audit.engine.entries import BUILDERS
from audit.engine.evidence import FromZero
from audit.engine.metrics import regression, score_distances, scores
from audit.engine.scored import Scored
from audit.registry import metrics

Array = npt.NDArray[np.float64]
Found = Iterator[tuple[float, str]]
ALPHA = 0.05
SUPPORT = 120
CHUNK = 1000
AREAS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
CLASSES = ((30, 70), (50, 50), (100, 100), (300, 700))
PAIRS = ((0.5, 0.6), (0.8, 0.9), (0.9, 0.8), (0.95, 0.9), (0.97, 0.97), (0.99, 0.97))


def figures(quick: bool = False) -> dict[str, float]:
    """The largest error over alpha of each kind."""
    draws = 1000 if quick else 20_000
    rng = np.random.default_rng(20)
    kinds = {
        "auc_one_sided_error_over_alpha_max": single_areas(rng, draws),
        "auc_difference_one_sided_error_over_alpha_max": area_differences(rng, draws),
        "calibration_one_sided_error_over_alpha_max": calibration(rng, draws),
        "mean_score_one_sided_error_over_alpha_max": mean_scores(rng, draws),
        "mae_one_sided_error_over_alpha_max": absolute_errors(rng, draws),
        "distance_lower_limit_error_over_alpha_max": distances(rng, max(1000, draws // 10)),
    }
    made = {}
    for name, found in kinds.items():
        worst, where = max(found)
        print(f"{name.replace('_', ' ')}: {worst:.3f} ({where})", flush=True)
        made[name] = round(worst, 3)
    return made


def binormal(area: float) -> tuple[Array, Array]:
    """Shares of positives and negatives over the support, whose area is near `area`."""
    shift = np.sqrt(2) * special.ndtri(area)
    edges = np.r_[-np.inf, np.linspace(-3.5, shift + 3.5, SUPPORT - 1), np.inf]
    return np.diff(special.ndtr(edges - shift)), np.diff(special.ndtr(edges))


def true_area(positive: Array, negative: Array) -> float:
    """P(positive above negative), ties half."""
    return float((positive * (np.cumsum(negative) - negative / 2)).sum())


def scored(positives: Array, negatives: Array) -> Scored:
    """Counts by draw and point of the support as the engine tabulates them, one draw a group."""
    n = np.stack([negatives, positives, np.zeros_like(positives)], axis=-1).astype(float)
    at = np.linspace(0, 1, SUPPORT)[None, :, None]
    sums = [np.einsum("gbl,gbl->gl", n, np.broadcast_to(at**power, n.shape)) for power in (1, 2)]
    seen = n > 0
    low, high = np.where(seen, at, np.inf), np.where(seen, at, -np.inf)
    tenth = np.minimum((np.linspace(0, 1, SUPPORT) * 10).astype(int), 9)
    rows = n[..., 0] + n[..., 1]
    starts = np.searchsorted(tenth, np.arange(10))
    parts = (rows, n[..., 1], rows * at[..., 0])
    tenths = np.stack([np.add.reduceat(part, starts, axis=1) for part in parts], axis=-1)
    return Scored(((),) * len(n), n, n, n, sums[0], sums[1], sums[0], sums[1], low, high, tenths, True)


def area(rng: np.random.Generator, shape: float, n1: int, n0: int, draws: int) -> Auc:
    """Evidence on the area in each draw."""
    positive, negative = binormal(shape)
    parts = [
        scores._auc(scored(rng.multinomial(n1, positive, CHUNK), rng.multinomial(n0, negative, CHUNK))).parts
        for _ in range(draws // CHUNK)
    ]
    return Auc(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def errors(evidence: Any, truth: float, words: str) -> Found:
    """Error over alpha on both sides, from the limits."""
    level = np.array(ALPHA)
    yield float(np.mean(evidence.low_limit(level) > truth)) / ALPHA, f"{words}, lower limit"
    yield float(np.mean(evidence.high_limit(level) < truth)) / ALPHA, f"{words}, upper limit"


def single_areas(rng: np.random.Generator, draws: int) -> Found:
    """One area, over sizes of the classes."""
    for n1, n0 in CLASSES:
        for shape in AREAS:
            truth = true_area(*binormal(shape))
            yield from errors(area(rng, shape, n1, n0, draws), truth, f"{n1} and {n0} rows, {truth:.3f}")


def area_differences(rng: np.random.Generator, draws: int) -> Found:
    """Two areas, of groups of like and unlike size."""
    for first, second in ((CLASSES[1], CLASSES[1]), (CLASSES[0], CLASSES[3]), (CLASSES[2], CLASSES[3])):
        for one, other in PAIRS:
            truth = true_area(*binormal(one)) - true_area(*binormal(other))
            pair = area(rng, one, *first, draws), area(rng, other, *second, draws)
            yield from errors(AucDifference(*pair), truth, f"{first} against {second}, {one} and {other}")


def calibration(rng: np.random.Generator, draws: int) -> Found:
    """Mean score minus base rate, alone and between groups; rare outcomes among them."""
    metric = metrics()["calibration_in_the_large"]
    for n1, n2 in ((100, 100), (100, 1000), (300, 300)):
        for power, off in ((1.0, 0.0), (1.0, 0.1), (0.3, 0.05), (3.0, 0.0)):
            groups = []
            for n, shift in ((n1, off), (n2, 0.0)):
                at = np.linspace(0, 1, SUPPORT)
                share = special.expit(4 * at - 2) ** power
                share /= share.sum()
                chance = np.clip(at**power - shift, 0, 1)
                truth = float((share * (at - chance)).sum())
                counts = rng.multinomial(n, share, draws)
                positives = rng.binomial(counts, chance)
                groups.append((scores.measure(metric, scored(positives, counts - positives)), truth))
            (mine, first), (reference, second) = groups
            words = f"{n1} against {n2} rows, power {power}, off by {off}"
            key, args = mine.alone()
            yield from errors(BUILDERS[key](*args), first, f"{words}, alone")
            key, args = mine.versus(reference, np.zeros(draws), "difference")
            yield from errors(BUILDERS[key](*args), first - second, words)


def mean_scores(rng: np.random.Generator, draws: int) -> Found:
    """Mean scores alone and against 20,000 rows; most are near one value, and few far from it."""
    metric = metrics()["balance_for_positive_class"]
    at, none = np.linspace(0, 1, SUPPORT), np.zeros((CHUNK, SUPPORT))
    for share in (0.01, 0.02, 0.05):
        for name, most, few in (
            ("one value", at == at[12], at == at[107]),
            ("two values", (at == at[12]) | (at == at[24]), at == at[107]),
            ("zeros", at == 0, at**4 * (1 - at)),
            ("all values", at * (1 - at) ** 4, at == 1),
        ):
            shape = (1 - share) * most / most.sum() + share * few / few.sum()
            for n in (100, 200, 500):
                own, gap = [], []
                for _ in range(draws // CHUNK):
                    mine, theirs = (
                        scores.measure(metric, scored(rng.multinomial(rows, shape, CHUNK), none))
                        for rows in (n, 20_000)
                    )
                    for made, (key, args) in (
                        (own, mine.alone()),
                        (gap, mine.versus(theirs, np.zeros(CHUNK), "difference")),
                    ):
                        made.append(BUILDERS[key](*args).interval(2 * ALPHA))
                words = f"{n} rows, {name}, {share:.0%} far"
                for made, truth in ((own, float(shape @ at)), (gap, 0.0)):
                    low, high = np.concatenate(made, axis=1)
                    yield float(np.mean(low > truth + 1e-9)) / ALPHA, f"{words}, lower limit"
                    yield float(np.mean(high < truth - 1e-9)) / ALPHA, f"{words}, upper limit"


class Residuals:
    """Sums of the absolute residual's powers, one draw a group, as the regression family reads them."""

    buckets = None

    def __init__(self, size: Array) -> None:
        self._n = np.full(len(size), float(size.shape[1]))
        powers = {"abs1": 1, "r2": 2, "abs3": 3, "r4": 4}
        self._sums = {name: (np.abs(size) ** power).sum(axis=1) for name, power in powers.items()}
        self._sums[regression.ONE] = self._n

    def rows(self, *, of_all: bool = False) -> Array:
        """Rows of each draw."""
        return self._n

    def sum(self, name: str, *, of_all: bool = False) -> Array:
        """A sum of each draw; without weights the same as that under squared weights."""
        return self._sums[name]

    squares = sum

    def __len__(self) -> int:
        return len(self._n)


def absolute_errors(rng: np.random.Generator, draws: int) -> Found:
    """Mean absolute errors of normal, Laplace and log-normal residuals."""
    kinds: tuple[tuple[str, Any, float], ...] = (
        ("normal", rng.standard_normal, float(np.sqrt(2 / np.pi))),
        ("Laplace", lambda size: rng.laplace(size=size), 1.0),
        ("log-normal", lambda size: rng.lognormal(0, 0.7, size), float(np.exp(0.245))),
    )
    for n1, n2 in ((100, 100), (100, 1000), (300, 300)):
        for name, draw, truth in kinds:
            size = min(draws, 5000)
            pair = [regression._mean(Residuals(draw((size, n))), "mae") for n in (n1, n2)]  # type: ignore[arg-type]
            words = f"{name}, {n1} against {n2} rows"
            key, args = pair[0].alone()
            yield from errors(BUILDERS[key](*args), truth, f"{words}, alone")
            key, args = pair[0].versus(pair[1], np.zeros(size), "difference")
            yield from errors(BUILDERS[key](*args), 0.0, words)


def distances(rng: np.random.Generator, draws: int) -> Found:
    """How often the lower limit lies above the true distance, where there is none and where there is."""
    for n1, n2 in ((100, 100), (100, 1000), (1000, 1000)):
        for off in (0.0, 0.3):
            shapes = [binormal(0.75), binormal(special.ndtr(special.ndtri(0.75) + off))]
            drawn = []
            for (positive, negative), n in zip(shapes, (n1, n2), strict=True):
                ones, zeros = (
                    rng.multinomial(n // 3, positive, draws),
                    rng.multinomial(n - n // 3, negative, draws),
                )
                drawn.append((ones, zeros))
            mine, others = (scored(*part) for part in drawn)
            for name in score_distances.NAMES:
                measured = score_distances.measure(metrics()[name], mine, others)
                truth = true_distance(name, shapes, (n1, n2))
                low, _ = FromZero(*measured.alone()[1]).interval(ALPHA)
                yield (
                    float(np.mean(low > truth)) / ALPHA,
                    f"{name}, {n1} against {n2} rows, truly {truth:.3f}",
                )
    yield from calibration_error(rng, draws)


def true_distance(name: str, shapes: list[tuple[Array, Array]], sizes: tuple[int, int]) -> float:
    """The same distance of the shares themselves, by the engine's own formula on expected counts."""
    whole = [
        scored(positive[None] * (n // 3), negative[None] * (n - n // 3))
        for (positive, negative), n in zip(shapes, sizes, strict=True)
    ]
    return float(score_distances.measure(metrics()[name], *whole).value[0])


def calibration_error(rng: np.random.Generator, draws: int) -> Found:
    """The expected calibration error of scores that are calibrated, and of some that are not."""
    at = np.linspace(0, 1, SUPPORT)
    for n in (100, 300, 1000):
        for power in (1.0, 1.5):
            counts = rng.multinomial(n, np.full(SUPPORT, 1 / SUPPORT), draws)
            positives = rng.binomial(counts, at**power)
            measured = scores._ece(scored(positives, counts - positives))
            expected = np.full((1, SUPPORT), 1 / SUPPORT)
            truth = float(scores._ece(scored(expected * at**power, expected * (1 - at**power))).value[0])
            low, _ = FromZero(*measured.alone()[1]).interval(ALPHA)
            words = f"expected calibration error, {n} rows, truly {truth:.3f}"
            yield float(np.mean(low > truth)) / ALPHA, words


if __name__ == "__main__":
    print(json.dumps(figures("--quick" in sys.argv[1:])))
