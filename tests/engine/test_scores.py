"""The score family: scikit-learn and scipy where each score has a bin, else bounds, and hand-made tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from sklearn import metrics as sk

from audit.engine.metrics.score_distances import area_between
from audit.engine.tables import Tables
from audit.errors import DataError
from audit.result import Estimate
from tests.engine.make import audited, comparison, estimate, run, spec

SCORED = {"label": "y", "score": "s"}
EXACT = 1e-10
HALF_BIN = 0.5 * 2 * np.log(1e6) / 998
"""Half a bin's width in logits, the most by which one row's loss can be off."""


def rows(seed: int, size: int, *, steps: int | None = None) -> pd.DataFrame:
    """Three groups whose scores differ; with `steps`, multiples of 1/steps."""
    rng = np.random.default_rng(seed)
    g = rng.choice(["a", "b", "c"], size, p=[0.5, 0.3, 0.2])
    s = special.expit(rng.normal(-0.3, 1.3, size) + 0.4 * (g == "b"))
    if steps:
        s = np.clip(np.round(s * steps), 1, steps - 1) / steps
    y = (rng.random(size) < special.expit(0.8 * special.logit(s) + 0.2 * (g == "c"))).astype(int)
    return pd.DataFrame({"g": g, "s": s, "y": y, "w": rng.integers(1, 2048, size) / 1024})


def slope(y: Any, s: Any, w: Any) -> float:
    """By a general minimiser, from the definition."""
    x, weight = special.logit(s), np.ones(len(s)) if w is None else w

    def loss(beta: Any) -> float:
        eta = beta[0] + beta[1] * x
        return float((weight * (np.logaddexp(0, eta) - y * eta)).sum())

    def slopes(beta: Any) -> Any:
        miss = weight * (special.expit(beta[0] + beta[1] * x) - y)
        return np.array([miss.sum(), (miss * x).sum()])

    found = optimize.root(slopes, optimize.minimize(loss, [0.0, 1.0], jac=slopes).x, tol=1e-14)
    return float(found.x[1])


OWN: dict[str, Callable[[Any, Any, Any], float]] = {
    "mean_score": lambda y, s, w: np.average(s, weights=w),
    "log_loss": lambda y, s, w: sk.log_loss(y, s, sample_weight=w),
    "brier": lambda y, s, w: sk.brier_score_loss(y, s, sample_weight=w),
    "auc": lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w),
    "average_precision": lambda y, s, w: sk.average_precision_score(y, s, sample_weight=w),
    "calibration_slope": slope,
    "balance_for_positive_class": lambda y, s, w: np.average(
        s[y == 1], weights=None if w is None else w[y == 1]
    ),
    "balance_for_negative_class": lambda y, s, w: np.average(
        s[y == 0], weights=None if w is None else w[y == 0]
    ),
}
AGAINST_OTHERS: dict[str, Callable[..., float]] = {
    "score_ks": lambda s1, s0, w1, w0: weighted_ks(s1, s0, w1, w0),
    "score_wasserstein": lambda s1, s0, w1, w0: stats.wasserstein_distance(s1, s0, w1, w0),
}


def weighted_ks(s1: Any, s0: Any, w1: Any, w0: Any) -> float:
    if w1 is None:
        return float(stats.ks_2samp(s1, s0).statistic)
    at = np.unique(np.concatenate([s1, s0]))
    below = [[w[s <= t].sum() / w.sum() for t in at] for s, w in ((s1, w1), (s0, w0))]
    return float(np.abs(np.subtract(*below)).max())


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize(("seed", "size", "steps"), [(1, 3000, 900), (2, 300, 256), (3, 120, None)])
def test_no_more_scores_than_bins_are_exact(seed: int, size: int, steps: int | None, weighted: bool) -> None:
    frame = rows(seed, size, steps=steps)
    result = run(frame, SCORED | ({"weight": "w"} if weighted else {}))
    for g, part in frame.groupby("g"):
        other = frame[frame.g != g]
        y, s, w = (part[name].to_numpy() for name in ("y", "s", "w"))
        for name, oracle in OWN.items():
            found = estimate(result, name, g=str(g)).value
            assert found == pytest.approx(
                oracle(y, s, w if weighted else None), abs=1e-9 if weighted else EXACT
            ), name
        for name, between in AGAINST_OTHERS.items():
            weights = (w, other.w.to_numpy()) if weighted else (None, None)
            expected = between(s, other.s.to_numpy(), *weights)
            assert estimate(result, name, g=str(g)).value == pytest.approx(expected, abs=EXACT), name


@pytest.mark.parametrize(("seed", "size"), [(4, 5000), (5, 1500)])
def test_scores_that_share_bins_lie_within_the_stated_bounds(seed: int, size: int) -> None:
    frame = rows(seed, size)
    made = spec(SCORED)
    tables = Tables(audited(made, frame)[1], 2)
    precision, ks, wasserstein = (
        tables.sample(name, ("g",)) for name in ("average_precision", "score_ks", "score_wasserstein")
    )
    losses, slopes = tables.sample("log_loss", ("g",)), tables.sample("calibration_slope", ("g",))
    for index, (g, part) in enumerate(frame.groupby("g")):
        y, s = part.y.to_numpy(), part.s.to_numpy()
        other = frame[frame.g != g].s.to_numpy()
        for sample, exact in (
            (precision, sk.average_precision_score(y, s)),
            (ks, stats.ks_2samp(s, other).statistic),
            (wasserstein, stats.wasserstein_distance(s, other)),
        ):
            assert sample.least[index] - 1e-12 <= exact <= sample.most[index] + 1e-12
            assert sample.least[index] <= sample.value[index] <= sample.most[index]
            assert sample.most[index] - sample.least[index] < 0.04
        assert abs(losses.value[index] - sk.log_loss(y, s)) <= HALF_BIN
        assert slopes.value[index] == pytest.approx(slope(y, s, None), abs=2e-3)


def curve(y: Any, s: Any, at: Any) -> Any:
    fpr, tpr, _ = sk.roc_curve(y, s, drop_intermediate=False)
    return np.interp(at, fpr, tpr)


def test_the_area_between_curves_by_hand() -> None:
    """Perfect against chance 0.5; curves that cross once in the middle; equal curves 0."""
    perfect = [("a", 0.75, 1), ("a", 0.25, 0)]
    chance = [("b", 0.5, 1), ("b", 0.5, 0)]
    frame = pd.DataFrame(perfect * 3 + chance * 5, columns=["g", "s", "y"])
    result = run(frame, SCORED)
    assert estimate(result, "abroca", g="a").value == pytest.approx(0.5, abs=1e-12)
    assert estimate(result, "abroca", g="b").value == pytest.approx(0.5, abs=1e-12)
    # a: half the positives first, then all negatives, then the other half: ROC flat at ½.
    # b: half the negatives first, then all positives, then the rest: a step from 0 to 1 at ½.
    # |½ − 0| to the left and |½ − 1| to the right: area ½, although both areas are ½ and ΔAUC is 0.
    outer, inner = (0.9, 0.1), (0.5, 0.5)
    a = [("a", s, 1) for s in outer] + [("a", s, 0) for s in inner]
    b = [("b", s, 0) for s in outer] + [("b", s, 1) for s in inner]
    crossing = pd.DataFrame([*a, *b], columns=["g", "s", "y"])
    result = run(crossing, SCORED)
    assert [estimate(result, "auc", g=g).value for g in "ab"] == [0.5, 0.5]
    assert estimate(result, "abroca", g="a").value == pytest.approx(0.5, abs=1e-12)
    same = pd.DataFrame(
        [(g, s, y) for g in "ab" for s, y in ((0.8, 1), (0.6, 0), (0.4, 1))], columns=["g", "s", "y"]
    )
    assert estimate(run(same, SCORED), "abroca", g="a").value == 0.0


def test_the_area_between_curves_is_that_of_fine_slices() -> None:
    frame = rows(6, 800, steps=128)
    result = run(frame, SCORED)
    at = (np.arange(200_000) + 0.5) / 200_000
    for g, part in frame.groupby("g"):
        other = frame[frame.g != g]
        sliced = np.abs(curve(part.y, part.s, at) - curve(other.y, other.s, at)).mean()
        assert estimate(result, "abroca", g=str(g)).value == pytest.approx(sliced, abs=1e-5)


def test_straight_pieces_that_cross_between_their_ends() -> None:
    points = (np.array(v) for v in ([0.0, 1.0], [0.0, 1.0], [0.0, 0.25, 0.75, 1.0], [0.0, 0.5, 0.5, 1.0]))
    assert area_between(*points) == pytest.approx(0.125, abs=1e-15)


def undefined(result: Any, metric: str, g: str) -> str:
    found: Estimate = estimate(result, metric, g=g)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.why is not None
    return found.why


def test_what_cannot_be_said_has_its_reason() -> None:
    frame = pd.DataFrame(
        [("one class", s, 1) for s in (0.2, 0.4)]
        + [("certain", 1.0, 0), ("certain", 0.5, 1)]
        + [("apart", s, int(s > 0.5)) for s in (0.1, 0.2, 0.8, 0.9)]
        + [("flat", 0.5, y) for y in (0, 1)],
        columns=["g", "s", "y"],
    )
    result = run(frame, SCORED)
    for name in ("auc", "average_precision", "calibration_slope"):
        assert undefined(result, name, "one class") == "needs rows of both labels"
    assert undefined(result, "abroca", "one class") == "needs rows of both labels, here and elsewhere"
    assert (
        undefined(result, "balance_for_negative_class", "one class") == "no row with negative label and score"
    )
    assert (
        undefined(result, "log_loss", "certain") == "a score of 0 or 1 was wrong, and its loss has no bound"
    )
    assert undefined(result, "calibration_slope", "certain") == "a score of 0 or 1 has no logit"
    assert undefined(result, "calibration_slope", "apart") == "the score tells the labels apart without error"
    assert undefined(result, "calibration_slope", "flat") == "the score does not vary"
    assert estimate(result, "average_precision", g="apart").value == 1.0
    alone = run(frame[frame.g == "flat"], SCORED)
    for name in ("score_ks", "score_wasserstein"):
        assert undefined(alone, name, "flat") == "there is no other group to hold it against"


def test_scores_outside_the_unit_range_keep_what_needs_order_alone() -> None:
    frame = rows(7, 400, steps=128).assign(s=lambda f: f.s * 700 - 100)
    result = run(frame, SCORED)
    for name in ("mean_score", "log_loss", "calibration_slope", "balance_for_positive_class"):
        assert undefined(result, name, "a") == "scores lie outside [0, 1]"
    mine, others = (frame[frame.g == "a"].s, frame[frame.g != "a"].s)
    assert estimate(result, "score_ks", g="a").value == pytest.approx(
        stats.ks_2samp(mine, others).statistic, abs=EXACT
    )
    exact = stats.wasserstein_distance(mine, others)
    assert estimate(result, "score_wasserstein", g="a").value == pytest.approx(exact, abs=1e-9)


def test_disjoint_scores_are_as_far_apart_as_can_be() -> None:
    frame = pd.DataFrame({"g": ["a"] * 50 + ["b"] * 50, "s": [0.25] * 50 + [0.75] * 50, "y": [0, 1] * 50})
    result = run(frame, SCORED)
    assert estimate(result, "score_ks", g="a").value == 1.0
    assert estimate(result, "score_wasserstein", g="a").value == pytest.approx(0.5, abs=1e-12)


def test_a_distance_that_chance_explains_reaches_down_to_zero() -> None:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {"g": rng.choice(["a", "b"], 400), "s": rng.random(400), "y": rng.integers(0, 2, 400)}
    )
    result = run(frame, SCORED)
    for name in ("score_ks", "score_wasserstein", "abroca", "expected_calibration_error"):
        found = estimate(result, name, g="a")
        assert 0 <= found.low <= found.value <= found.high  # type: ignore[operator]
    assert estimate(result, "score_ks", g="a").low == 0.0


def test_late_scores_outside_the_probe_are_seen() -> None:
    """The probe's rows lie in [0, 1], and one row far below them does not."""
    frame = pd.concat([rows(9, 21_000, steps=128)] * 2, ignore_index=True)
    frame.loc[len(frame) - 1, "s"] = 7.5
    result = run(frame, SCORED)
    g = str(frame.g.iloc[-1])
    assert undefined(result, "mean_score", g) == "scores lie outside [0, 1]"
    part = frame[frame.g == g]
    assert estimate(result, "auc", g=g).value == pytest.approx(sk.roc_auc_score(part.y, part.s), abs=1e-3)


def test_clusters_widen_means_and_block_what_needs_the_bins() -> None:
    frame = rows(10, 600, steps=128)
    doubled = pd.concat([frame.assign(c=np.arange(len(frame)))] * 4, ignore_index=True)
    rules = [
        {"metric": name, "comparison": "difference", "at_most": 0.5} for name in ("mean_score", "log_loss")
    ]
    plain, clustered = run(doubled, SCORED, *rules), run(doubled, SCORED | {"cluster": "c"}, *rules)
    narrow, wide = (comparison(result, "mean_score", "b") for result in (plain, clustered))
    assert narrow.value == pytest.approx(wide.value)
    assert wide.high - wide.low > 1.6 * (narrow.high - narrow.low)  # type: ignore[operator]
    assert "independent" in str(comparison(clustered, "log_loss", "b").blocked)


def test_parts_that_were_binned_by_ranges_of_their_own_cannot_be_added() -> None:
    frame = rows(11, 4000).assign(s=lambda f: f.s * 100)
    made = spec(SCORED)
    first, second = (audited(made, part)[1] for part in (frame.head(2000), frame.tail(2000)))
    with pytest.raises(DataError, match="the score bins differ") as caught:
        first + second
    assert "outside [0, 1]" in str(caught.value.hint)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.1, 3.0])
@pytest.mark.parametrize("spread", [0.3, 4.0])
def test_the_calibration_slope_is_the_most_likely_one_wherever_it_lies(slope: float, spread: float) -> None:
    """Whole Newton steps from slope 1 swung for ever where scores say little: 1.0, as if calibrated."""
    rng = np.random.default_rng(3)
    logits = np.round(rng.normal(1.5, spread, 3000) * 8).clip(-40, 40) / 8
    y = (rng.random(3000) < special.expit(0.8 + slope * logits)).astype(int)
    frame = pd.DataFrame({"g": "a", "s": special.expit(logits), "y": y})

    def unlikely(beta: Any) -> float:
        eta = beta[0] + beta[1] * logits
        return float((np.logaddexp(0, eta) - y * eta).sum())

    best = optimize.minimize(unlikely, [0.0, 0.0], method="BFGS", options={"gtol": 1e-8}).x[1]
    result = run(frame, {"label": "y", "score": "s"})
    found = estimate(result, "calibration_slope", g="a")
    assert found.value == pytest.approx(best, abs=0.02 * max(1.0, abs(best)))
    assert found.low is not None
    assert found.low < best < found.high


def test_scores_of_any_size_overflow_nowhere() -> None:
    frame = pd.DataFrame(
        {"g": ["a", "b"] * 40, "s": [1e300, -1e300, 5e299, 0.0] * 20, "y": [0, 1, 1, 0] * 20}
    )
    result = run(frame, SCORED)
    for g, part in frame.groupby("g"):
        assert estimate(result, "auc", g=str(g)).value == sk.roc_auc_score(
            part.y, part.s.rank(method="dense")
        )
        assert estimate(result, "brier", g=str(g)).value is None
