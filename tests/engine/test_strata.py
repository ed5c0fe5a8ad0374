"""Within strata: weights, clusters and the rest, each against sums by hand or against what cannot be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.engine.stratified import MantelHaenszel, clustered_strata
from audit.result import Verdict
from tests.engine.make import run

ONLY = {"prediction": "p"}
WITHIN = {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.05}


def weighted_rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, s = rng.choice(list("abc"), 4000, p=[0.4, 0.4, 0.2]), rng.choice(["u", "v"], 4000)
    p = (rng.random(4000) < np.where(g == "a", 0.3, 0.5) + 0.2 * (s == "u")).astype(int)
    w = np.where(g == "b", 8.0, 1.0) * np.where(s == "u", 3, 1) * np.where(p == 1, 2, 1)
    return pd.DataFrame({"g": g, "s": s, "p": p, "w": w})


@pytest.mark.parametrize("reference", ["rest", "a"])
def test_pooled_and_strata_are_weighted_rates(reference: str) -> None:
    frame = weighted_rows()
    rule = {"metric": "selection_rate", "comparison": "difference", "at_most": 0.05}
    result = run(
        frame,
        ONLY | {"weight": "w"},
        rule,
        attributes={"g": {"reference": reference}},
        control=["s"],
    )

    def rate(chosen: pd.Series) -> float:
        return float(np.average(frame.p[chosen], weights=frame.w[chosen]))

    assert len(result.conditional) == (3 if reference == "rest" else 2)
    for found, plain in zip(result.conditional, result.comparisons, strict=True):
        mine = frame.g == found.group[0]
        theirs = ~mine if reference == "rest" else frame.g == reference
        assert found.pooled == pytest.approx(rate(mine) - rate(theirs), abs=1e-9)
        assert found.pooled == pytest.approx(plain.value, abs=1e-12)
        assert (found.pooled_low, found.pooled_high) == pytest.approx((plain.low, plain.high), abs=1e-9)
        for stratum in found.strata:
            here = frame.s == stratum.stratum[0]
            expected = rate(mine & here) - rate(theirs & here)
            assert stratum.difference == pytest.approx(expected, abs=1e-9)


def test_heavy_few_do_not_pass_within_strata() -> None:
    """Eight weighted rows in the numerator are too thin, over the strata as elsewhere."""
    parts = [(g, s, p) for g in "ab" for s in "uv" for p in [1] * 4 + [0] * 3000]
    frame = pd.DataFrame(parts, columns=["g", "s", "p"]).assign(w=1.0)
    plain = run(frame, ONLY, WITHIN, control=["s"])
    heavy = run(frame, ONLY | {"weight": "w"}, WITHIN, control=["s"])
    assert plain.verdict is Verdict.PASS
    assert heavy.verdict is Verdict.INCONCLUSIVE
    assert all("ten weighted rows" in (c.blocked or "") for c in heavy.comparisons)


def clinics(rng: np.random.Generator, clusters: int = 120, size: int = 25) -> pd.DataFrame:
    """Each cluster has one group, one stratum and a rate of its own; the groups do not differ."""
    parts = []
    for index in range(clusters):
        rate = np.clip(0.4 + rng.normal(0, 0.25), 0, 1)
        block = pd.DataFrame({"p": (rng.random(size) < rate).astype(int)})
        parts.append(block.assign(g="ab"[index % 2], s="uv"[index // 2 % 2], c=f"c{index}"))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "rule", [WITHIN, {"metric": "selection_rate", "comparison": "conditional_ratio", "at_least": 0.9}]
)
def test_clusters_cost_rows_within_strata_too(rule: dict[str, object]) -> None:
    frame = clinics(np.random.default_rng(0))
    plain, tied = (run(frame, columns, rule, control=["s"]) for columns in (ONLY, ONLY | {"cluster": "c"}))
    for one, other in zip(plain.comparisons, tied.comparisons, strict=True):
        assert one.stratum == other.stratum
        assert one.value == pytest.approx(other.value, abs=1e-12)
        assert other.high - other.low > 1.5 * (one.high - one.low)


def test_clusters_within_strata_can_pass_and_violate() -> None:
    rng = np.random.default_rng(1)
    frame = clinics(rng, 400, 20)
    wide = run(frame, ONLY | {"cluster": "c"}, {**WITHIN, "at_most": 0.3}, control=["s"])
    assert wide.verdict is Verdict.PASS
    apart = frame.assign(p=np.where(frame.g == "a", frame.p, frame.p * (rng.random(len(frame)) < 0.2)))
    assert run(apart, ONLY | {"cluster": "c"}, WITHIN, control=["s"]).verdict is Verdict.VIOLATION
    few = run(clinics(rng, 50), ONLY | {"cluster": "c"}, {**WITHIN, "at_most": 0.9}, control=["s"])
    assert few.verdict is Verdict.INCONCLUSIVE
    assert any("30 clusters in the stratum" in (c.blocked or "") for c in few.comparisons)


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_the_jackknife_of_the_common_estimate_is_that_of_leaving_out(kind: str) -> None:
    rng = np.random.default_rng(3)
    n1, n2 = rng.integers(1, 30, (2, 3, 12)), rng.integers(1, 30, (2, 3, 12))
    x1, x2 = rng.binomial(n1, 0.4), rng.binomial(n2, 0.5)
    deff, df = clustered_strata(x1, n1, x2, n2, kind)
    assert (df == 11).all()
    for row in range(2):
        parts = [v[row] for v in (x1, n1, x2, n2)]
        every = np.arange(12)
        left = np.array([common(parts, np.delete(every, out), kind)[0] for out in every])
        value, se = common(parts, every, kind)
        variance = 11 / 12 * ((left - value) ** 2).sum()
        assert deff[row] == pytest.approx(max(1.0, variance / se**2))


def common(parts: list[np.ndarray], kept: np.ndarray, kind: str) -> tuple[float, float]:
    sums = [part[None][:, :, kept].sum(axis=2) for part in parts]
    found = MantelHaenszel(*sums, kind)
    value = float(found.estimate[0])
    return value if kind == "difference" else float(np.log(value)), float(found.se[0])
