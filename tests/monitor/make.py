"""Streams to test with."""

from __future__ import annotations

from dataclasses import replace

from audit.monitor.streams import Stream
from audit.registry import Mask

ANY_LABEL = (0, 1, None)
SELECTED: Mask = frozenset((y, 1) for y in ANY_LABEL)
EVERYONE: Mask = frozenset((y, p) for y in ANY_LABEL for p in (0, 1))
TRUE_POSITIVES: Mask = frozenset({(1, 1)})
POSITIVES: Mask = frozenset({(1, 0), (1, 1)})

SELECTION = Stream(
    id="selection|sex=F|rest",
    rule="selection",
    metric="selection_rate",
    attribute="sex",
    group="F",
    reference="rest",
    comparison="difference",
    lower=-0.05,
    upper=0.05,
    fine_lower=-0.05,
    fine_upper=0.05,
    a=1,
    b=4,
    unit="rows",
    weight=1.0,
    severity="major",
    numerator=SELECTED,
    denominator=EVERYONE,
)
TPR = replace(
    SELECTION,
    id="tpr|sex=F|rest",
    metric="true_positive_rate",
    numerator=TRUE_POSITIVES,
    denominator=POSITIVES,
)
