"""Small audits in a line: a spec from its parts, a run with a fixed clock, and figures found by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.result import AuditResult, Comparison, Estimate, Finding, RuleVerdict
from audit.spec import from_dict
from audit.spec.load import AuditSpec

CREATED = "2026-01-01T00:00:00Z"
BOTH = {"label": "y", "prediction": "p"}


def spec(
    columns: dict[str, str] | None = None,
    *rules: dict[str, Any],
    attributes: Any = None,
    policy: dict[str, Any] | None = None,
    outcome: str = "favourable",
    base: Path | None = None,
    **data: Any,
) -> AuditSpec:
    return from_dict(
        {
            "system": {"name": "test", "outcome": outcome},
            "data": {"columns": columns or BOTH, "attributes": attributes or {"g": {}}, **data},
            "policy": {"rules": list(rules), **(policy or {})},
        },
        base=base,
    )


def audited(made: AuditSpec, frame: Any = None, counts: Counts | None = None) -> tuple[AuditResult, Counts]:
    return audit(made, frame=frame, counts=counts, created_at=CREATED)


def run(
    frame: Any, columns: dict[str, str] | None = None, *rules: dict[str, Any], **more: Any
) -> AuditResult:
    return audited(spec(columns, *rules, **more), frame)[0]


def estimate(result: AuditResult, metric: str, **group: str | None) -> Estimate:
    found = [
        item
        for item in result.estimates
        if item.metric == metric and dict(zip(item.grouping, item.group, strict=True)) == group
    ]
    assert len(found) == 1, f"{len(found)} estimates of {metric} for {group}"
    return found[0]


def comparison(result: AuditResult, metric: str, group: str | None, rule: str | None = None) -> Comparison:
    found = [
        item
        for item in result.comparisons
        if item.metric == metric
        and item.group == (group,)
        and item.stratum is None
        and rule in (None, item.rule)
    ]
    assert len(found) == 1, f"{len(found)} comparisons of {metric} for {group}"
    return found[0]


def finding(result: AuditResult, metric: str, group: str | None) -> Finding:
    found = [f for f in result.findings if f.metric == metric and f.group == (group,) and f.stratum is None]
    assert len(found) == 1, f"{len(found)} findings of {metric} for {group}"
    return found[0]


def verdict(result: AuditResult, rule: str) -> RuleVerdict:
    return next(item for item in result.rules if item.rule == rule)


def table(**groups: tuple[int, int, int, int]) -> pd.DataFrame:
    """Rows by group from its counts (TP, FN, FP, TN)."""
    parts = [
        pd.DataFrame({"g": name, "y": y, "p": p}, index=range(n))
        for name, counts in groups.items()
        for n, (y, p) in zip(counts, ((1, 1), (1, 0), (0, 1), (0, 0)), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def selected(**groups: tuple[int, int]) -> pd.DataFrame:
    """Rows by group from how many of how many were predicted positive; no labels."""
    return pd.concat(
        [
            pd.DataFrame({"g": name, "p": [1] * chosen + [0] * (size - chosen)})
            for name, (chosen, size) in groups.items()
        ],
        ignore_index=True,
    )


def random_rows(seed: int, rows: int, groups: int = 3) -> pd.DataFrame:
    """Labels, predictions and scores that depend on the group; weights are multiples of 2⁻¹⁰."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, groups, rows)
    y = (rng.random(rows) < 0.3 + 0.1 * g).astype(int)
    score = np.clip(rng.normal(0.35 + 0.25 * y + 0.05 * g, 0.2), 0, 1)
    return pd.DataFrame(
        {
            "g": np.array(list("abcdefgh"))[g],
            "h": rng.choice(["u", "v"], rows),
            "y": y,
            "p": (score >= 0.5).astype(int),
            "s": score,
            "w": rng.integers(1, 4096, rows) / 1024,
        }
    )
