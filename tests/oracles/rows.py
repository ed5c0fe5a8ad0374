"""Five data sets a task: real ones, ties, rare positives, a small group, weights that no one asked for."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.engine.make import random_rows

Frames = dict[str, pd.DataFrame]


def _thirds(values: np.ndarray) -> np.ndarray:
    return np.array(["low", "middle", "high"])[np.digitize(values, np.quantile(values, [1 / 3, 2 / 3]))]


@cache
def decided() -> Frames:
    """Label, prediction and a score in 128ths, so that every score has a bin of its own and sums exactly."""
    features, label = datasets.load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(features[:200, :4], label[:200])
    score = model.predict_proba(features[:, :4])[:, 1]
    frames = {
        "breast cancer (scikit-learn)": pd.DataFrame({"g": _thirds(features[:, 9]), "y": label, "s": score}),
        "3,000 drawn rows": random_rows(1, 3000)[["g", "y", "s"]],
        "150 drawn rows": random_rows(2, 150)[["g", "y", "s"]],
    }
    draw = np.random.default_rng(3)
    rare = (draw.random(5000) < 0.05).astype(int)
    spread = draw.beta(1 + 3 * rare, 6)
    frames["rare positives"] = pd.DataFrame({"g": draw.choice(["a", "b"], 5000), "y": rare, "s": spread})
    y = draw.integers(0, 2, 1000)
    frames["ties and a small group"] = pd.DataFrame(
        {
            "g": np.where(np.arange(1000) < 60, "few", "many"),
            "y": y,
            "s": (y + draw.integers(0, 4, 1000)) / 5 + 0.1,
        }
    )
    for frame in frames.values():
        frame["s"] = (frame.s * 128).round().clip(1, 127) / 128
        frame["p"] = (frame.s >= frame.s.median()).astype(int)
    return frames


@cache
def measured() -> Frames:
    """A number and its prediction, to a few digits, so that every prediction has a bin of its own."""
    features, label = datasets.load_diabetes(return_X_y=True)
    guess = LinearRegression().fit(features[:200], label[:200]).predict(features)
    frames = {
        "diabetes (scikit-learn)": pd.DataFrame(
            {"g": _thirds(features[:, 0]), "y": label, "p": guess.round()}
        )
    }
    draw = np.random.default_rng(4)
    for name, rows, shift in (
        ("amounts", 4000, 0.0),
        ("150 amounts", 150, 0.0),
        ("debts and savings", 2000, 120.0),
    ):
        y = draw.gamma(2.0, 50.0, rows).round(2) - shift
        p = (0.9 * y + draw.normal(0, 12, rows)).round()
        p = p if shift else np.maximum(p, 1)
        frames[name] = pd.DataFrame({"g": draw.choice(["a", "b", "c"], rows), "y": y, "p": p})
    y = draw.poisson(2, 1000).astype(float)
    frames["counts with a small group"] = pd.DataFrame(
        {"g": np.where(np.arange(1000) < 50, "few", "many"), "y": y, "p": draw.poisson(2, 1000) + 1.0}
    )
    return frames


@cache
def classed() -> Frames:
    """One of several classes."""
    frames = {}
    for name, load in (("iris", datasets.load_iris), ("wine", datasets.load_wine)):
        features, label = load(return_X_y=True)
        model = LogisticRegression(max_iter=5000).fit(features[:, :1], label)
        frames[f"{name} (scikit-learn)"] = pd.DataFrame(
            {"g": _thirds(features[:, 1]), "y": label, "p": model.predict(features[:, :1])}
        )
    draw = np.random.default_rng(5)
    for name, rows, classes in (
        ("six classes", 4000, 6),
        ("ninety classes", 3000, 90),
        ("150 drawn rows", 150, 3),
    ):
        y = draw.integers(0, classes, rows)
        p = np.where(draw.random(rows) < 0.7, y, draw.integers(0, classes, rows))
        frames[name] = pd.DataFrame({"g": draw.choice(["a", "b"], rows), "y": y, "p": p})
    return frames
