"""Worked examples of tables before training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from audit.analysis import distances
from audit.analysis.association import cramers_v
from audit.analysis.data_audit import examine
from audit.analysis.data_figures import Options
from audit.analysis.dataset import open_dataset
from audit.analysis.overlap import overlap
from audit.spec import of_table
from tests.docs.worked import worked


def examined(frame: pd.DataFrame, metric: str, column: str | None = None, **more: Any) -> float:
    """A figure of the women of a table before training, held against the men."""
    label = "y" if "y" in frame else None
    spec = of_table(
        {
            "columns": {"label": label} if label else {},
            "attributes": {"sex": {"reference": "man"}},
            **({"positive": 1} if label else {}),
        }
    )
    with open_dataset(spec, frame=frame) as dataset:
        report = examine(dataset, options=Options(sample=100), **more)
    [found] = [m for m in report.of(metric) if m.group in ("woman", None) and m.column == column]
    assert found.value is not None, found.why
    return found.value


def people(women: float, men: float, **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"sex": ["woman"] * round(women) + ["man"] * round(men)})
    return frame.assign(**{name: [*mine, *theirs] for name, (mine, theirs) in columns.items()})


@worked("representation_gap", "32% 51%", "−0.19")
def _(share: float, population: float) -> float:
    shares = {"sex": {"woman": population, "man": 1 - population}}
    return examined(people(100 * share, 100 - 100 * share), "representation_gap", population=shares)


@worked("class_imbalance", "20,380 9,782", "0.351")
def _(men: float, women: float) -> float:
    return examined(people(women, men), "class_imbalance")


def flagged(rate: float, yes: Any, no: Any) -> list[Any]:
    """A thousand values, of which this share is yes."""
    return [yes] * round(1000 * rate) + [no] * round(1000 - 1000 * rate)


@worked("label_rate_gap", "11.4% 31.4%", "−0.200")
def _(*rates: float) -> float:
    return examined(people(1000, 1000, y=[flagged(rate, 1, 0) for rate in rates]), "label_rate_gap", "y")


@worked("missingness_gap", "8% 3%", "+0.05")
def _(*rates: float) -> float:
    rows = people(1000, 1000, income=[flagged(rate, np.nan, 20.5) for rate in rates])
    rows["income"] += np.arange(len(rows))
    return examined(rows, "missingness_gap", "income")


SHARES = ".2 .3 .5 .4 .3 .3"
OF_LEVELS = {
    **{"total_variation": "0.2 1", "js_divergence": "0.0296 0.693"},
    **{"kl_divergence": "0.1168", "hellinger": "0.1728"},
}


def of_levels(name: str, *share: float) -> Any:
    """The distance by a table of such levels; then of two distributions with nothing in common."""
    p, q = ([c for c, n in zip("xyz", part, strict=True) for _ in range(round(100 * n))]
            for part in (share[:3], share[3:]))  # fmt: skip
    apart = getattr(distances, name)(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.arange(2.0))
    found = examined(people(100, 100, level=(p, q)), name, "level")
    return (found, float(apart))[: len(OF_LEVELS[name].split())]


for _name, _shown in OF_LEVELS.items():
    worked(_name, SHARES, _shown)(lambda *given, name=_name: of_levels(name, *given))


def of_values(name: str, *values: float) -> float:
    """The distance of the first three values from the last three."""
    at = np.unique(values)
    p, q = (np.isin(at, side) / 3 for side in (values[:3], values[3:]))
    return float(getattr(distances, name)(p, q, at))


worked("ks", "1 2 3 2 3 4", "1/3")(lambda *values: of_values("ks", *values))
worked("wasserstein", "1 2 3 2 3 4", "1")(lambda *values: of_values("wasserstein", *values))


@worked("cramers_v", "100 90 100 20", "0.702")
def _(first: float, of_first: float, second: float, of_second: float) -> Any:
    return cramers_v([[of_first, of_second], [first - of_first, second - of_second]]).value


@worked("correlation_ratio", "50 1 3 1", "0.5")
def _(size: float, low: float, high: float, variance: float) -> float:
    off = np.linspace(-1, 1, round(size))
    off *= np.sqrt(variance / off.var())
    rows = people(size, size, x=(low + off, high + off))
    return examined(rows, "correlation_ratio", "x") ** 2


@worked("test_overlap", "120 3,000", "0.04")
def _(same: float, rows: float) -> float:
    train, test = (pd.DataFrame({"sex": "man", "x": np.arange(rows) + at}) for at in (0, rows - same))
    spec = of_table({"columns": {}, "attributes": {"sex": {}}})
    with open_dataset(spec, frame=train) as one_, open_dataset(spec, frame=test) as other:
        shared = overlap(one_, other)
        report = examine(other, shared=shared, options=Options(sample=100))
    [found] = [m for m in report.of("test_overlap") if m.value is not None][:1]
    return float(found.value or 0)
