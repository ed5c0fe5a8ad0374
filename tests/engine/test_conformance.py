"""Cases on which fairness libraries disagree, and what is right; each docstring says what others print."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from audit.analysis.distances import compare
from audit.result import AuditResult, Verdict
from tests.engine.make import BOTH, comparison, estimate, finding, run, selected, table, verdict

ODDS = {"id": "odds", "metric": "equalized_odds", "at_most": 0.1}
PARITY = {"id": "difference", "metric": "selection_rate", "comparison": "difference", "at_most": 0.1}
RATIO = {"id": "ratio", "metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}


def test_a_group_without_positives_has_no_true_positive_rate() -> None:
    """fairlearn: equalized odds 1.0; AIF360: 0.25; others: −1.0 or a crash."""
    rows = table(a=(50, 50, 25, 75), b=(0, 0, 50, 50))
    result = run(rows, BOTH, ODDS, attributes={"g": {"reference": "a"}})
    rate = estimate(result, "true_positive_rate", g="b")
    assert rate.value is None
    assert rate.why
    assert comparison(result, "false_positive_rate", "b").value == pytest.approx(0.25)
    missing = comparison(result, "true_positive_rate", "b")
    assert (missing.value, missing.p_pass, missing.p_violation) == (None, None, None)
    assert missing.blocked
    assert finding(result, "true_positive_rate", "b").verdict is Verdict.INCONCLUSIVE


def test_a_group_without_positives_keeps_equalized_odds_from_passing() -> None:
    """fairlearn: 1.0, a violation without evidence."""
    rows = table(a=(5000, 5000, 2500, 7500), b=(0, 0, 2500, 7500))
    result = run(rows, BOTH, ODDS, attributes={"g": {"reference": "a"}})
    assert finding(result, "false_positive_rate", "b").verdict is Verdict.PASS
    assert verdict(result, "odds").verdict is Verdict.INCONCLUSIVE
    assert result.verdict is Verdict.INCONCLUSIVE


def test_nobody_selected() -> None:
    """Ratio: fairlearn NaN; AIF360 NaN; others 0.0 or 1.0."""
    result = run(selected(a=(0, 500), b=(0, 400)), {"prediction": "p"}, PARITY, RATIO)
    ratio = comparison(result, "selection_rate", "b", rule="ratio")
    assert ratio.value is None
    assert "0/0" in str(ratio.why)
    assert comparison(result, "selection_rate", "b", rule="difference").value == 0
    assert verdict(result, "difference").verdict is Verdict.PASS
    assert verdict(result, "ratio").verdict is not Verdict.PASS


def test_a_reference_rate_of_zero() -> None:
    """fairlearn: 0.0; AIF360: inf; others: 10.0."""
    rows = selected(a=(0, 1000), b=(300, 1000))
    result = run(rows, {"prediction": "p"}, PARITY, RATIO, attributes={"g": {"reference": "a"}})
    ratio = comparison(result, "selection_rate", "b", rule="ratio")
    assert ratio.value is None
    assert ratio.why == "the reference's value is 0"
    assert comparison(result, "selection_rate", "b", rule="difference").value == pytest.approx(0.3)
    assert verdict(result, "ratio").verdict is Verdict.VIOLATION


def test_three_groups_at_one_one_and_zero() -> None:
    """fairlearn: 1.0; AIF360: −0.5, pooled; others: .667, a mean."""
    rows = selected(a=(100, 100), b=(90, 90), c=(0, 80))
    result = run(rows, {"prediction": "p"}, PARITY)
    values = {c.group[0]: c.value for c in result.comparisons}
    assert values == {"b": 0.0, "c": -1.0}
    assert finding(result, "selection_rate", "c").verdict is Verdict.VIOLATION
    assert "c against a" in verdict(result, "difference").why


def test_rows_whose_attribute_is_missing_are_a_group() -> None:
    """fairlearn: raises; AIF360: pooled as unprivileged; others: dropped but counted."""
    rows = pd.concat([selected(a=(50, 100), b=(40, 100)), selected(x=(10, 50)).assign(g=None)])
    result = run(rows, {"prediction": "p"}, PARITY)
    assert estimate(result, "selection_rate", g=None).value == 0.2
    assert estimate(result, "selection_rate").n == 250
    [attribute] = result.data.attributes
    assert attribute.values == ("a", "b", None)
    assert sum(attribute.rows) == result.data.rows_audited == 250
    assert finding(result, "selection_rate", None).reference == "a"


def test_equal_rates_of_unequal_groups_are_parity() -> None:
    """Aequitas: "statistical parity: false", since it compares shares of the selected."""
    result = run(selected(a=(5000, 10_000), b=(1000, 2000)), {"prediction": "p"}, RATIO)
    assert comparison(result, "selection_rate", "b").value == 1.0
    assert verdict(result, "ratio").verdict is Verdict.PASS
    assert estimate(result, "share_of_selected", g="a").value == pytest.approx(5 / 6)
    assert not any(c.metric == "share_of_selected" for c in result.comparisons)


def test_opposite_errors_do_not_cancel() -> None:
    """AIF360: average odds difference 0.0."""
    rows = table(a=(25, 75, 75, 25), b=(75, 25, 25, 75))
    result = run(rows, BOTH, ODDS, attributes={"g": {"reference": "a"}})
    parts = [comparison(result, m, "b").value for m in ("true_positive_rate", "false_positive_rate")]
    assert parts == [0.5, -0.5]
    assert max(abs(part or 0) for part in parts) == 0.5
    assert verdict(result, "odds").verdict is Verdict.VIOLATION


def lent() -> pd.DataFrame:
    rows = table(a=(400, 0, 100, 0), b=(300, 0, 200, 0))
    turned_down = pd.DataFrame({"g": ["a"] * 300 + ["b"] * 500, "y": None, "p": 0})
    return pd.concat([rows.astype({"y": object}), turned_down], ignore_index=True)


@pytest.mark.parametrize("metric", ["true_positive_rate", "false_positive_rate", "accuracy", "f1"])
def test_labels_only_where_selected_say_nothing_of_the_rest(metric: str) -> None:
    """Everyone: TPR = FPR = 1 in every group, hence fair."""
    result = run(lent(), BOTH, ODDS)
    for group in "ab":
        found = estimate(result, metric, g=group)
        assert found.value is None
        assert found.why == "labels only where selected"
    assert verdict(result, "odds").verdict is Verdict.INCONCLUSIVE


def test_labels_only_where_selected_still_give_the_precision() -> None:
    """Others print it too; it lives on the selected alone."""
    result = run(lent(), BOTH)
    assert estimate(result, "positive_predictive_value", g="a").value == 0.8
    coverage = {(c.group[0], c.prediction): (c.labelled, c.rows) for c in result.data.label_coverage}
    assert coverage == {("a", 0): (0, 300), ("a", 1): (500, 500), ("b", 0): (0, 500), ("b", 1): (500, 500)}


def test_conditional_disparity_takes_the_control_columns_as_strata() -> None:
    """AIF360's conditional demographic disparity at 90 % against 10 %: 0, the groups being strata."""
    rows = selected(a=(900, 1000), b=(100, 1000)).assign(office="north")
    rule = {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.1}
    result = run(rows, {"prediction": "p"}, rule, control=["office"])
    [found] = result.conditional
    assert found.difference == pytest.approx(-0.8)
    assert [stratum.stratum for stratum in found.strata] == [("north",)]
    assert result.verdict is Verdict.VIOLATION


def every_number(value: object) -> list[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in every_number(item)]
    if hasattr(value, "__dataclass_fields__"):
        return [n for name in value.__dataclass_fields__ for n in every_number(getattr(value, name))]
    return []


def test_categories_that_one_group_lacks_are_a_distance() -> None:
    """smclarify: TVD, KL, JS and KS are 0.0, for it compares what both have."""
    found = compare(("total_variation", "js_divergence", "kl_divergence"), [50, 50, 0], [50, 0, 50])
    assert found["total_variation"].value == pytest.approx(0.5)
    assert found["js_divergence"].value == pytest.approx(math.log(2) / 2)
    assert found["kl_divergence"].value is None
    assert found["kl_divergence"].why


@pytest.mark.parametrize(
    "rows",
    [
        table(a=(50, 50, 25, 75), b=(0, 0, 50, 50)),
        table(a=(0, 50, 0, 75), b=(0, 10, 0, 50)),
        table(a=(1, 0, 0, 0), b=(0, 0, 0, 1)),
        table(a=(50, 0, 0, 50), b=(50, 0, 0, 50)),
        lent(),
    ],
    ids=["no positives", "no one", "one row each", "perfect", "selective"],
)
def test_the_undefined_is_never_a_number(rows: pd.DataFrame) -> None:
    """Others: 0.0, 1, NaN, 10.0, inf, or a dropped row."""
    result: AuditResult = run(rows, BOTH, ODDS, PARITY, RATIO, {"metric": "four_fifths"})
    assert all(math.isfinite(number) for number in every_number(result))
    for item in result.estimates:
        assert (item.value is None) == (item.why is not None)
    for item in result.comparisons:
        assert (item.value is None) == (item.why is not None)
