"""Against `overall`: the value is the group's less everyone's, whatever the metric and the weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.engine.make import BOTH, estimate, run

METRICS = [
    *(("f1", kind) for kind in ("difference", "ratio")),
    *(("balanced_accuracy", kind) for kind in ("difference", "ratio")),
    *(("brier", kind) for kind in ("difference", "ratio")),
    ("matthews_corrcoef", "difference"),
    ("fn_fp_ratio", "ratio"),
    ("fn_fp_ratio", "difference"),
    ("auc", "difference"),
    ("mean_score", "difference"),
    ("calibration_in_the_large", "difference"),
    ("log_loss", "difference"),
    ("selection_rate", "ratio"),
    ("positive_predictive_value", "difference"),
]
MIXED = {"brier", "mean_score", "calibration_in_the_large", "log_loss"}
RATES = {"selection_rate", "positive_predictive_value"}


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    g = rng.choice(["a", "b", "c"], 3000, p=[0.6, 0.3, 0.1])
    y = (rng.random(3000) < np.where(g == "a", 0.5, 0.25)).astype(int)
    s = np.clip(rng.normal(0.35 + 0.25 * y + 0.1 * (g == "b"), 0.2), 0, 1)
    w = np.where(g == "a", 3.0, 1.0) * (1 + y)
    return pd.DataFrame({"g": g, "y": y, "s": s, "p": (s > 0.5).astype(int), "w": w})


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_the_value_is_held_against_everyones_own(weighted: bool) -> None:
    columns = BOTH | {"score": "s"} | ({"weight": "w"} if weighted else {})
    bounds = {"difference": {"at_most": 0.05}, "ratio": {"at_least": 0.8}}
    rules = [{"metric": m, "comparison": kind, "id": f"{m} {kind}", **bounds[kind]} for m, kind in METRICS]
    result = run(rows(), columns, *rules, attributes={"g": {"reference": "overall"}})
    assert len(result.comparisons) == 3 * len(METRICS)
    for c in result.comparisons:
        own, everyone = (estimate(result, c.metric, **group).value for group in ({"g": c.group[0]}, {}))
        expected = own - everyone if c.comparison == "difference" else own / everyone
        assert c.value == pytest.approx(expected, abs=1e-9), (c.metric, c.comparison)
        if c.metric in MIXED | RATES:
            assert c.low - 1e-9 <= c.value <= c.high + 1e-9, (c.metric, c.comparison)
        else:
            assert c.p_pass is c.p_violation is None
            assert "mean over rows" in (c.blocked or "")
