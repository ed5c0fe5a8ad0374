"""A small file of decisions with its policy, and bundles that need no engine."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import bundle, codec
from audit.result import AuditResult
from tests.gate.factory import comparison, passing, policy, result, violating

SPEC = """\
system: {name: credit, version: "1"}
data:
  source: rows.csv
  columns: {label: repaid, prediction: approved, score: p_repay}
  attributes:
    sex: {as: sex}
  intersections: 1
policy:
  rules:
    - {id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8}
    - {id: opportunity, metric: true_positive_rate, comparison: difference, at_most: 0.1}
"""


def rows(n: int = 1200, gap: float = 0.0) -> list[list[object]]:
    """Decisions about two sexes; `gap` is how much lower the approval of women is."""
    chance = random.Random(5)
    made: list[list[object]] = []
    for _ in range(n):
        sex = chance.choice(["Female", "Male"])
        score = min(0.99, max(0.01, chance.gauss(0.55 - (gap if sex == "Female" else 0), 0.15)))
        made.append([sex, int(chance.random() < score), int(score > 0.5), round(score, 3)])
    return made


def write_rows(path: Path, data: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["sex", "repaid", "approved", "p_repay"])
        writer.writerows(data)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with audit.yaml and rows.csv in which women fare much worse."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "audit.yaml").write_text(SPEC, encoding="utf-8")
    write_rows(tmp_path / "rows.csv", rows(gap=0.2))
    return tmp_path


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a result as a bundle and gives its folder."""

    def write(given: AuditResult, name: str = "evidence") -> Path:
        bundle.write(tmp_path / name, {"audit.json": codec.dumps(given), "report.html": b"<p>"})
        return tmp_path / name

    return write


@pytest.fixture
def green(save: Callable[..., Path]) -> Path:
    return save(result(passing(), policy=policy()), "green")


@pytest.fixture
def red(save: Callable[..., Path]) -> Path:
    return save(result(violating(), policy=policy()), "red")


@pytest.fixture
def grey(save: Callable[..., Path]) -> Path:
    return save(result(comparison(rows_needed=700), policy=policy()), "grey")
