"""A spec that is right in every part, and a way to write one to a file."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = """\
system: {name: credit-approval, version: "2026.11", outcome: favourable, use: credit, jurisdictions: [EU]}
data:
  source: predictions.parquet            # path, glob, or URL; a table or query with `table:` / `sql:`
  columns: {label: repaid, prediction: approved, score: p_repay, id: application_id}
  positive: 1                            # or {label: ">50K", prediction: 1}
  attributes:
    sex: {as: sex}                       # `as: sex | race_ethnicity | age`
    race: {reference: White}             # a value, or largest | rest | overall | best
    age: {bins: [25, 40, 60]}            # left-closed
  intersections: 2
  control: [department]
  join: {table: applicants, on: application_id}
policy:
  confidence: 0.95
  min_group: 30
  rules:
    - {id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8}
    - {id: opportunity, metric: true_positive_rate, comparison: difference, at_most: 0.05, severity: blocker}
    - {metric: four_fifths}
"""


@pytest.fixture
def example() -> str:
    return EXAMPLE


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "audit.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return _write


@pytest.fixture
def minimal() -> dict:
    return {
        "system": {"name": "credit"},
        "data": {"columns": {"label": "y", "prediction": "p"}, "attributes": {"sex": {}, "race": {}}},
    }
