"""The decision family: metrics of label × prediction counts, and the named comparisons on them."""

from __future__ import annotations

from audit.registry import Metric
from audit.registry.decisions import rates, summaries
from audit.registry.decisions.named import ALIASES as ALIASES

TASKS = ("binary", "score", "selection", "multiclass")
METRICS: tuple[Metric, ...] = (*rates.METRICS, *summaries.METRICS)
