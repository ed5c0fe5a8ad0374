"""A small lender: people of three groups, a proxy, labels that were marked down, and a policy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.mitigation.problem import Problem, make_problem
from audit.spec import AuditSpec, from_dict

FEATURES = ("skill", "area", "kind")
SPEC = """\
system: {name: small, outcome: favourable}
data:
  source: rows.csv
  columns: {id: person, label: good, prediction: said}
  positive: 1
  attributes: {race: {reference: a}, sex: {}}
policy:
  rules:
    - {id: opportunity, metric: equal_opportunity, at_most: 0.05}
    - {id: accuracy-of-yes, metric: positive_predictive_value, comparison: difference, at_most: 0.1}
"""


def people(rows: int = 900, seed: int = 0, *, marked: bool = False) -> pd.DataFrame:
    """`marked` writes half of group b's good labels as bad, as a history did."""
    rng = np.random.default_rng(seed)
    race = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    skill = rng.normal(size=rows)
    good = (rng.random(rows) < 1 / (1 + np.exp(-1.5 * skill - 0.8))).astype(int)
    area = (race == "b") * 2.0 + rng.normal(size=rows) * 0.5
    if marked:
        good = np.where((race == "b") & (rng.random(rows) < 0.5), 0, good)
    return pd.DataFrame(
        {
            "person": np.arange(rows) + 10_000 * seed,
            "race": race,
            "sex": rng.choice(["f", "m"], rows),
            "skill": skill.round(3),
            "area": area.round(3),
            "kind": rng.choice(["x", "y"], rows),
            "good": good,
            "said": (skill - 0.9 * (race == "b") + 0.4 > 0).astype(int),
        }
    )


def model() -> object:
    return make_pipeline(StandardScaler(), LogisticRegression())


def project(folder: Path, frame: pd.DataFrame | None = None) -> Path:
    """The policy file beside its rows."""
    (people() if frame is None else frame).to_csv(folder / "rows.csv", index=False)
    (folder / "audit.yaml").write_text(SPEC, encoding="utf-8")
    return folder / "audit.yaml"


def problem(frame: pd.DataFrame | None = None, **options: object) -> Problem:
    """The problem of these rows; numbers alone as features, where nothing else is said."""
    text = load_spec()
    given = {"features": ("skill", "area"), "folds": 3, "estimator": model(), **options}
    return make_problem(text, people() if frame is None else frame, **given)  # type: ignore[arg-type]


def load_spec() -> AuditSpec:
    from ruamel.yaml import YAML

    return from_dict(YAML(typ="safe").load(SPEC))
