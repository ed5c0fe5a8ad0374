"""The documented table of oracles is what is computed, and no metric is without an entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.registry import metrics
from tests.oracles.table import BOUND, FILE, ORACLES, TASKS, ByHand, largest_difference, rounded_up

STORED = {entry["metric"]: entry for entry in json.loads(FILE.read_text(encoding="utf-8"))}
CASES = [(task, name) for task, (_, oracles, _) in TASKS.items() for name in oracles]


@pytest.mark.parametrize(("task", "metric"), CASES, ids=[name for _, name in CASES])
def test_the_metric_is_its_oracles_on_five_data_sets(task: str, metric: str) -> None:
    frames = TASKS[task][0]()
    assert len(frames) == 5
    difference, seen = largest_difference(task, metric)
    assert difference <= BOUND
    assert seen >= 5
    assert STORED[metric]["values"] == seen
    assert STORED[metric]["difference"] <= BOUND
    assert rounded_up(difference) <= max(100 * STORED[metric]["difference"], 1e-13), (
        "docs/oracles.json is old"
    )


def test_every_metric_has_an_oracle_or_a_reason() -> None:
    assert ORACLES.keys() == metrics().keys() == STORED.keys()
    missing = [name for name, entry in STORED.items() if "oracle" not in entry and "why" not in entry]
    assert missing == []


def test_what_is_checked_by_hand_is_checked_somewhere() -> None:
    root = Path(__file__).resolve().parents[2]
    where = {oracle.where for oracle in ORACLES.values() if isinstance(oracle, ByHand)}
    assert [name for name in where if not (root / name).exists()] == []
