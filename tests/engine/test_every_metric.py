"""Each metric that can be judged, of every task: it fires, it stays quiet, and the undefined never passes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import api, registry
from audit.result import AuditResult
from tests.engine.make import CREATED

SIZE = 4000
ROLES: dict[str, dict[str, Any]] = {
    "binary": {"label": "y", "prediction": "p", "score": "s"},
    "regression": {"label": "amount", "prediction": "offer"},
    "multiclass": {"label": "kind", "prediction": "said"},
    "ranking": {"query": "q", "rank": "rank", "relevance": "rel"},
}
UTILITY = {"tp": 3.0, "fp": 1.0, "fn": 0.5, "tn": 2.0}
CASES = [
    (task, name)
    for task in ROLES
    for name, metric in registry.metrics().items()
    if metric.comparable and task in registry.tasks_of(metric)
]


def rows(group: str, seed: int = 0) -> pd.DataFrame:
    """One group: labels and predictions of every task, the same for each group of one seed."""
    rng = np.random.default_rng(seed)
    y = (rng.random(SIZE) < 0.4).astype(int)
    s = np.clip(np.round((0.3 + 0.35 * y + rng.normal(0, 0.15, SIZE)) * 256) / 256, 1 / 256, 255 / 256)
    amount = rng.gamma(4, 0.25, SIZE)
    kind = rng.choice(["x", "y", "z"], SIZE)
    said = np.where(rng.random(SIZE) < 0.8, kind, rng.choice(["x", "y", "z"], SIZE))
    return pd.DataFrame({
        "g": group, "y": y, "s": s, "p": (s >= 0.5).astype(int),
        "amount": amount, "offer": np.maximum(amount + rng.normal(0, 0.1, SIZE), 0.01),
        "kind": kind, "said": said, "q": np.arange(SIZE) % 500, "rel": rng.integers(0, 3, SIZE),
    })  # fmt: skip


def ranked(frame: pd.DataFrame, ahead: float) -> pd.DataFrame:
    order = frame.rel + np.random.default_rng(3).normal(0, 0.5, len(frame)) + ahead * (frame.g == "a")
    return frame.assign(rank=order.groupby(frame.q).rank(ascending=False, method="first").astype(int))


@cache
def alike() -> pd.DataFrame:
    return ranked(pd.concat([rows("a"), rows("b")], ignore_index=True), 0.0)


@cache
def unlike() -> pd.DataFrame:
    """Of b, the selected are many and wrong, offers too low and wild, one class is always said."""
    b = rows("b", 1)
    rng = np.random.default_rng(2)
    wrong = rng.random(SIZE) < 0.7
    b["s"] = np.clip(
        np.round((0.95 - 0.15 * b.y + rng.normal(0, 0.25, SIZE)) * 256) / 256, 1 / 256, 255 / 256
    )
    b["p"] = np.where(b.y == 1, rng.random(SIZE) < 0.05, rng.random(SIZE) < 0.9).astype(int)
    b["amount"] = b.amount + 1
    b["offer"] = b.amount.mean() / 4 + rng.uniform(-0.4, 0.4, SIZE)
    b["said"] = np.where(wrong, "x", b.said)
    b["kind"] = np.where(rng.random(SIZE) < 0.5, "z", b.kind)
    b["y"] = np.where(rng.random(SIZE) < 0.5, 1, b.y)
    return ranked(pd.concat([rows("a"), b], ignore_index=True), 3.0)


@cache
def empty() -> pd.DataFrame:
    """Of b, no label, no relevance, and nobody near the top."""
    frame = unlike().copy()
    b = frame.g == "b"
    for name in ("y", "amount", "kind", "rel"):
        frame[name] = frame[name].astype(object).where(~b, None)
    frame.loc[b, "rank"] += 1000
    return frame.assign(
        amount=frame.amount.astype(float), rel=frame.rel.astype(float), y=frame.y.astype(float)
    )


def rule(name: str) -> dict[str, Any]:
    """By the first comparison that it may be asked in; the band is one that 4,000 rows decide."""
    kinds = registry.metric_named(name).comparisons or ("difference",)
    asked = "difference" if "difference" in kinds else kinds[0]
    tight = {
        "ndkl": 0.2,
        "calibration_in_the_large": 0.05,
        "theil_t": 0.02,
        "theil_l": 0.02,
        "generalized_entropy": 0.02,
        "atkinson": 0.01,
    }
    bound = {"at_least": 0.8} if asked == "ratio" else {"at_most": tight.get(name, 0.1)}
    loose = {"fn_fp_ratio": 0.3, "calibration_slope": 0.6, "gini": 0.04, "coefficient_of_variation": 0.04}
    if name in loose:
        bound = {"at_most": loose[name]}
    if name == "skew_at_k":
        bound = {"at_least": -0.2, "at_most": 0.2}
    return {"id": name, "metric": name, "comparison": asked, **bound}


@cache
def judged(task: str, which: str) -> AuditResult:
    frame = {"alike": alike, "unlike": unlike, "empty": empty}[which]()
    rules = [rule(name) for of_task, name in CASES if of_task == task]
    more = {"top": 5} if task == "ranking" else {}
    return api.audit(
        frame, sensitive={"g": {"reference": "a"}}, task=task, rules=rules, utility=UTILITY, family="rule",
        created_at=CREATED, **ROLES[task], **more,
    ).result  # fmt: skip


def said(task: str, which: str, name: str) -> str:
    return next(item.verdict.value for item in judged(task, which).rules if item.rule == name)


@pytest.mark.parametrize(("task", "name"), CASES, ids=lambda value: value)
def test_it_fires_and_it_stays_quiet(task: str, name: str) -> None:
    assert said(task, "alike", name) == "pass"
    assert said(task, "unlike", name) == "violation"


@pytest.mark.parametrize(("task", "name"), CASES, ids=lambda value: value)
def test_the_undefined_has_its_reason_and_never_passes(task: str, name: str) -> None:
    needs = set(registry.metric_named(name).needs)
    result = judged(task, "empty")
    found = [item for item in result.comparisons if item.rule == name and item.group == ("b",)]
    assert found
    if needs & {"label", "relevance"} or name == "skew_at_k":
        assert all(item.value is None and item.why and item.p_pass is None for item in found)
        assert said(task, "empty", name) != "pass"
    else:
        assert all(item.value is not None for item in found)
