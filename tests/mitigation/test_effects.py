"""On which side of a metric a remedy makes things worse."""

from __future__ import annotations

import pytest

from audit.mitigation import effects
from audit.registry import metric_named


@pytest.mark.parametrize(
    ("metric", "favourable", "adverse"),
    [
        ("selection_rate", 1.0, -1.0),
        ("true_positive_rate", 1.0, -1.0),
        ("false_negative_rate", -1.0, 1.0),
        ("true_negative_rate", -1.0, 1.0),
        ("accuracy", 1.0, 1.0),
        ("error_rate", -1.0, -1.0),
        ("positive_predictive_value", 1.0, 1.0),
    ],
)
def test_a_rise_is_good_or_bad_by_what_the_metric_counts(
    metric: str, favourable: float, adverse: float
) -> None:
    assert effects._direction(metric_named(metric), "favourable") == favourable
    assert effects._direction(metric_named(metric), "adverse") == adverse
