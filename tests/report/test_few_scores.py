"""A score of few values: each point of its plots and figures is a score that occurs, read where it stands."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import audit
from audit.report.profiles.counting import moments, width
from audit.report.scores import sweep
from audit.result import AuditResult

DECILES = np.arange(1, 11)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = rng.choice(["a", "b"], 2000)
    s = np.clip(np.round(rng.normal(5 + (g == "a"), 2)), 1, 10)
    return pd.DataFrame({"g": g, "s": s, "y": (rng.random(2000) < s / 12).astype(int)})


def audited(frame: pd.DataFrame, **options: Any) -> Any:
    return audit.audit(
        frame, label="y", score="s", sensitive=["g"], created_at="2026-01-01T00:00:00Z", **options
    )


def page_of(found: Any) -> str:
    return found.files()["report.html"].decode()


def of(result: AuditResult, group: str) -> Any:
    return next(b for b in result.score_bins if b.group == (group,))


def test_a_sweep_gives_the_rates_of_each_score_as_the_threshold(frame):
    result = audited(frame, threshold=5).result
    assert result.score_spans == tuple((float(s), float(s)) for s in DECILES)
    for group, part in frame.groupby("g"):
        points = sweep(of(result, str(group)), result.score_edges, result.score_spans)
        assert [p.threshold for p in points] == list(map(float, DECILES[1:]))
        for p in points:
            assert p.selected == pytest.approx((part.s >= p.threshold).mean(), abs=1e-12)
            assert p.tpr == pytest.approx((part.s >= p.threshold)[part.y == 1].mean(), abs=1e-12)


def test_the_page_draws_steps_and_says_how_to_read_them(frame):
    said = "a threshold between two of them decides as the upper one does"
    assert said in page_of(audited(frame, threshold=5))
    many = frame.assign(s=frame.s / 10 - np.arange(2000) / 1e6)
    found = audited(many, threshold=0.5)
    assert said not in page_of(found)
    spans, edges = found.result.score_spans, found.result.score_edges
    assert sum(low < high for low, high in spans) > 10
    assert all(edges[i] - 1e-12 <= low and high < edges[i + 1] + 1e-12 for i, (low, high) in enumerate(spans))
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_means_of_a_profile_are_those_of_the_scores(frame):
    gaps = frame.assign(y=frame.y.where(frame.s != 3).astype("Float64"))
    result = audited(gaps, threshold=5).result
    assert width(result) == 0.0
    for group, part in frame.groupby("g"):
        assert moments(result, ("g",), (str(group),)) == pytest.approx((part.s.mean(), part.s.std(ddof=0)))
