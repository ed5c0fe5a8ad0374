"""Ways in which other gates have approved what they should not have, each shown to be impossible here."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest

from audit.codec import dumps, loads
from audit.errors import AuditError, SpecError
from audit.gate import decide
from audit.result import AuditResult, Comparison, Policy, Verdict
from tests.engine.make import (
    BOTH,
    comparison,
    estimate,
    finding,
    random_rows,
    run,
    selected,
    spec,
    table,
    verdict,
)

TODAY = date(2026, 1, 2)
ODDS = {"id": "odds", "metric": "equalized_odds", "at_most": 0.1}
RATIO = {"id": "ratio", "metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "selecton_rate", "comparison": "ratio", "at_least": 0.8},
        {**RATIO, "attributes": ["sexx"]},
        {**RATIO, "comparision": "ratio"},
        {
            **RATIO,
            "waivers": [{"reason": "r", "approver": "a", "expires": "2027-01-01", "groups": ["nobody"]}],
        },
    ],
    ids=["metric", "attribute", "key", "waived group"],
)
def test_a_misspelt_name_is_an_error_and_approves_nothing(rule: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        run(selected(a=(5000, 10_000), b=(5000, 10_000)), {"prediction": "p"}, rule)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("comparison_", ["ratio", "conditional_ratio"])
def test_a_misspelt_reference_is_an_error(comparison_: str) -> None:
    rule = {**RATIO, "comparison": comparison_}
    rows = selected(a=(500, 1000), b=(500, 1000)).assign(office="x")
    with pytest.raises(SpecError, match="no group of g is called 'A1'"):
        run(rows, {"prediction": "p"}, rule, attributes={"g": {"reference": "A1"}}, control=["office"])


@pytest.mark.parametrize("floor", [math.nan, math.inf, 0, -1, "30", 2.5, True])
def test_a_minimum_group_that_is_no_number_of_rows_is_refused(floor: Any) -> None:
    with pytest.raises(SpecError):
        spec(None, RATIO, policy={"min_group": floor})


@pytest.mark.parametrize("bound", [math.nan, math.inf, None, "0.8", 2.0, -0.1, 1.0])
def test_a_bound_that_cannot_be_missed_is_refused(bound: Any) -> None:
    with pytest.raises(SpecError):
        spec(None, {"metric": "selection_rate", "comparison": "difference", "at_most": bound})


def test_a_rule_without_a_verdict_does_not_pass() -> None:
    result = run(selected(a=(500, 1000)), {"prediction": "p"}, RATIO)
    assert [c.value for c in result.comparisons] == [None]
    assert result.verdict is Verdict.INCONCLUSIVE
    without = replace(result, rules=(), findings=(), comparisons=())
    for document in (result, without):
        decision = decide(document, today=TODAY)
        assert decision.verdict is not Verdict.PASS
        assert decision.exit_code == 3


def test_no_rules_do_not_pass() -> None:
    result = run(selected(a=(500, 1000), b=(500, 1000)), {"prediction": "p"})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert decide(result, today=TODAY).exit_code == 3


@pytest.mark.parametrize("kind", [str, int, float, bool])
def test_text_one_and_zero_are_decisions(kind: type) -> None:
    rows = selected(a=(800, 1000), b=(200, 1000))
    result = run(rows.assign(p=rows.p.map(kind)), {"prediction": "p"}, RATIO)
    assert comparison(result, "selection_rate", "b").value == pytest.approx(0.25)
    assert result.verdict is Verdict.VIOLATION


def test_a_positive_value_that_does_not_occur_is_refused() -> None:
    rows = selected(a=(800, 1000), b=(200, 1000))
    rows = rows.assign(p=rows.p.map({1: "granted", 0: "refused"}))
    with pytest.raises(SpecError, match="'grant' does not occur"):
        run(rows, {"prediction": "p"}, RATIO, positive="grant")


def test_a_rate_is_not_certified_on_one_positive() -> None:
    rows = table(a=(5000, 0, 100, 5000), b=(1, 0, 100, 5000))
    rule = {"metric": "true_positive_rate", "comparison": "worst_group", "at_least": 0.1}
    result = run(rows, BOTH, rule)
    assert finding(result, "true_positive_rate", "a").verdict is Verdict.PASS
    small = finding(result, "true_positive_rate", "b")
    assert small.verdict is Verdict.INCONCLUSIVE
    assert "under min_group 30" in small.why
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "rule",
    [ODDS, RATIO, {"metric": "four_fifths"}, {"metric": "differential_fairness", "at_most": 1.0}],
    ids=str,
)
@pytest.mark.parametrize("reference", ["largest", "rest", "overall", "best"])
def test_one_group_is_compared_with_nobody_and_passes_nothing(rule: dict[str, Any], reference: str) -> None:
    result = run(table(a=(500, 500, 500, 500)), BOTH, rule, attributes={"g": {"reference": reference}})
    assert {c.value for c in result.comparisons} == {None}
    assert result.verdict is Verdict.INCONCLUSIVE


def test_the_document_is_standard_json() -> None:
    rows = table(a=(50, 0, 0, 75), b=(0, 0, 0, 50), c=(1, 0, 0, 0))
    result = run(rows, BOTH, ODDS, RATIO, {"metric": "four_fifths"})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(dumps(result), parse_constant=refuse)
    assert loads(AuditResult, dumps(result), where="here") == result


def test_a_missing_value_is_no_group_called_nan() -> None:
    rows = selected(a=(500, 1000), b=(500, 1000))
    rows.loc[rows.index[::3], "g"] = float("nan")
    result = run(rows, {"prediction": "p"}, RATIO)
    [attribute] = result.data.attributes
    assert attribute.values == ("a", "b", None)
    named = run(rows.assign(g=rows.g.fillna("nan")), {"prediction": "p"}, RATIO)
    assert named.data.attributes[0].values == ("a", "b", "nan")


def test_a_missing_group_blocks_a_pass() -> None:
    rows = pd.concat([selected(a=(50_000, 100_000), b=(50_000, 100_000)), selected(x=(5, 10)).assign(g=None)])
    result = run(rows, {"prediction": "p"}, RATIO)
    assert finding(result, "selection_rate", "b").verdict is Verdict.PASS
    assert finding(result, "selection_rate", None).verdict is Verdict.INCONCLUSIVE
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("own", "expected"), [(9000, Verdict.VIOLATION), (1000, Verdict.VIOLATION), (5000, Verdict.PASS)]
)
def test_a_ratio_above_its_band_is_as_bad_as_one_below(own: int, expected: Verdict) -> None:
    rows = selected(a=(5000, 10_001), b=(own, 10_000))
    assert run(rows, {"prediction": "p"}, RATIO).verdict is expected


def test_a_low_ratio_is_never_graded_as_the_better_one() -> None:
    rows = selected(a=(5000, 10_001), b=(1000, 10_000))
    one_sided = {**RATIO, "one_sided": True}
    assert run(rows, {"prediction": "p"}, one_sided).verdict is Verdict.VIOLATION
    flipped = selected(a=(1000, 10_001), b=(5000, 10_000))
    assert run(flipped, {"prediction": "p"}, one_sided).verdict is Verdict.PASS


def test_point_and_interval_never_give_two_verdicts() -> None:
    rows = selected(a=(60, 100), b=(45, 100))
    result = run(rows, {"prediction": "p"}, RATIO, {"metric": "four_fifths"})
    judged, law = (comparison(result, "selection_rate", "b", rule=r) for r in ("ratio", "four_fifths"))
    assert judged.value == law.value == 0.75
    assert judged.by_point is None
    assert verdict(result, "ratio").verdict is Verdict.INCONCLUSIVE
    assert law.by_point == "violation"
    assert verdict(result, "four_fifths").verdict is Verdict.VIOLATION
    assert "by point, no error rate" in verdict(result, "four_fifths").why


def agrees(c: Comparison, policy: Policy, result: AuditResult) -> bool:
    rule = next(rule for rule in policy.rules if rule.id == c.rule)
    low = -math.inf if rule.lower is None else rule.lower
    high = math.inf if rule.upper is None else rule.upper
    if c.p_pass is None or c.pass_low is None:
        return True
    inside = low <= c.pass_low and (c.pass_high if c.pass_high is not None else math.inf) <= high
    return inside == (c.p_pass <= policy.alpha)


@pytest.mark.parametrize("seed", range(4))
def test_the_printed_interval_of_a_pass_agrees_with_its_p_value(seed: int) -> None:
    rows = random_rows(100 + seed, 4000, groups=6)
    result = run(
        rows,
        BOTH,
        {**ODDS, "at_most": 0.15},
        RATIO,
        {"metric": "accuracy", "comparison": "difference", "at_most": 0.08},
    )
    assert {f.verdict for f in result.findings} >= {Verdict.PASS, Verdict.INCONCLUSIVE}
    assert all(agrees(c, result.policy, result) for c in result.comparisons)


@pytest.mark.parametrize("seed", range(3))
def test_the_gate_says_what_the_audit_says(seed: int) -> None:
    rows = random_rows(200 + seed, 3000)
    result = run(rows, BOTH, ODDS, RATIO, {"metric": "four_fifths"})
    again = loads(AuditResult, dumps(result), where="here")
    for document in (result, again):
        decision = decide(document, today=TODAY)
        assert decision.verdict is result.verdict
        assert not [reason for reason in decision.reasons if reason.kind == "mismatch"]


def test_a_group_that_vanishes_leaves_no_certain_zero() -> None:
    rows = table(a=(500, 500, 500, 500), b=(0, 0, 0, 0))
    result = run(rows, BOTH, ODDS)
    assert [c.value for c in result.comparisons if c.value == 0] == []
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_group_of_equal_rates_has_an_interval_of_some_width() -> None:
    rows = table(a=(40, 0, 0, 40), b=(40, 0, 0, 40))
    result = run(rows, BOTH, {**ODDS, "at_most": 0.05})
    for c in result.comparisons:
        assert c.value == 0
        assert c.low is not None
        assert c.high is not None
        assert c.low < -0.05 < 0.05 < c.high
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_threshold_of_zero_is_zero() -> None:
    rows = random_rows(7, 300)
    rows["s"] -= 0.5
    result = run(rows, {"label": "y", "score": "s"}, threshold=0)
    assert result.data.threshold == 0
    for group, own in rows.groupby("g"):
        assert estimate(result, "selection_rate", g=str(group)).value == pytest.approx((own.s >= 0).mean())


@pytest.mark.parametrize("suppressed", [0, -5])
def test_a_floor_for_printing_is_a_number_of_rows(suppressed: int) -> None:
    with pytest.raises(AuditError):
        spec(None, RATIO, policy={"suppress_below": suppressed})
