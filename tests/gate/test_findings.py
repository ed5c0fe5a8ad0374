"""Verdicts from p values: Holm against closed testing, and each way in which a rule must not pass."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.engine.findings import holm_adjusted, judge, look_alpha, ranked, violation_level
from audit.engine.wording import bound_words
from audit.result import Verdict
from tests.gate.factory import comparison, passing, policy, rule, violating, waiver

P = st.floats(0, 1, allow_subnormal=False)


def closed_testing(p: list[float], alpha: float) -> list[bool]:
    """Reject i where Bonferroni rejects every set of hypotheses that contains it."""
    every = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    return [all(min(len(s) * p[j] for j in s) <= alpha for s in every if i in s) for i in range(len(p))]


@given(st.lists(P, min_size=1, max_size=7), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm_rejects_what_closed_testing_rejects(p: list[float], alpha: float) -> None:
    assert [value <= alpha for value in holm_adjusted(p)] == closed_testing(p, alpha)


def test_holm_by_hand() -> None:
    assert holm_adjusted([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm_adjusted([]) == []


@given(st.lists(P, min_size=1, max_size=12), st.randoms())
def test_the_order_of_comparisons_changes_no_verdict(p: list[float], chance: random.Random) -> None:
    rows = [comparison(f"g{i}", 1.0, value) for i, value in enumerate(p)]
    mixed = chance.sample(rows, len(rows))
    straight = {f.group: f.verdict for f in judge(rows, policy())[0]}
    assert straight == {f.group: f.verdict for f in judge(mixed, policy())[0]}


@given(st.lists(P, min_size=1, max_size=12))
def test_the_violation_interval_has_the_level_at_which_holm_decided(p: list[float]) -> None:
    rows = [comparison(f"g{i}", 1.0, value) for i, value in enumerate(p)]
    verdicts = [finding.verdict for finding in judge(rows, policy())[0]]
    for index, rank, rejected, m in ranked(rows, policy()):
        one_sided = (1 - violation_level(rank, rejected, m, 0.05)) / 2
        decided = p[index] <= one_sided * (1 + 1e-12)
        assert decided == (verdicts[index] is Verdict.VIOLATION)


def test_a_hair_under_and_over_the_level() -> None:
    one = policy()
    assert judge([comparison(p_pass=0.05)], one)[2] is Verdict.PASS
    assert judge([comparison(p_pass=0.0501)], one)[2] is Verdict.INCONCLUSIVE
    assert judge([comparison(p_violation=0.05)], one)[2] is Verdict.VIOLATION
    assert judge([comparison(p_violation=0.0501)], one)[2] is Verdict.INCONCLUSIVE
    two = [comparison("a", 1, 0.03), comparison("b", 1, 0.9)]
    assert judge(two, one)[2] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "outside"),
    [(-0.4, -0.11, True), (0.11, 0.4, True), (-0.4, -0.09, False), (-0.4, -0.1, False), (None, None, False)],
)
def test_an_interval_outside_the_bound_that_decides_nothing_is_explained(low, high, outside) -> None:
    """Whatever the p value of one comparison: what is said is of the interval that stands beside it."""
    shown = replace(comparison("a", 1, 0.03), low=low, high=high)
    asked = policy(replace(rule("approval"), lower=-0.1, upper=0.1))
    (first, _), *_ = judge([shown, comparison("b", 1, 0.9)], asked)
    assert ("; taken alone it lies outside the bound" in first.why) == outside
    assert ("among all comparisons that is not shown (adjusted p 0.06)" in first.why) == outside
    assert ("neither inside nor outside" in first.why) != outside


def test_the_family_is_the_policy_or_the_rule() -> None:
    rules = (rule("approval"), rule("second"))
    rows = [comparison("a", 1, 0.04), comparison("a", 1, 0.9, rule="second")]
    assert judge(rows, policy(*rules))[2] is Verdict.INCONCLUSIVE
    assert judge(rows, policy(*rules, family="rule"))[2] is Verdict.VIOLATION


def test_what_cannot_be_tested_is_not_counted() -> None:
    rows = [comparison("a", 1, 0.04), comparison("b", None, None, value=None, why="no rows")]
    findings, _, verdict = judge(rows, policy())
    assert verdict is Verdict.VIOLATION
    assert findings[1].verdict is Verdict.INCONCLUSIVE
    assert [row[3] for row in ranked(rows, policy())] == [1]


def test_two_groups_against_the_rest_are_one_hypothesis() -> None:
    rows = [comparison("a", 1, 0.04, reference="rest"), comparison("b", 1, 0.04, reference="rest")]
    assert judge(rows, policy())[2] is Verdict.VIOLATION
    assert [row[1:] for row in ranked(rows, policy())] == [(1, 1, 1), (1, 1, 1)]
    three = [*rows, comparison("c", 1, 0.9, reference="rest")]
    assert judge(three, policy())[2] is Verdict.INCONCLUSIVE
    named = [replace(row, reference="c") for row in rows]
    assert judge(named, policy())[2] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("kind", "band"),
    [
        ("difference", (None, 0.0)),
        ("difference", (-0.05, 0.2)),
        ("ratio", (0.8, None)),
        ("ratio", (0.8, 1.5)),
        ("conditional_ratio", (0.8, None)),
    ],
)
def test_a_band_that_two_groups_do_not_share_makes_two_hypotheses(
    kind: str, band: tuple[float | None, float | None]
) -> None:
    rows = [
        replace(comparison(name, 1, p, reference="rest"), comparison=kind)
        for name, p in (("a", 0.04), ("b", 0.9))
    ]
    [rule] = policy().rules
    uneven = replace(policy(), rules=(replace(rule, comparison=kind, lower=band[0], upper=band[1]),))
    findings, _, verdict = judge(rows, uneven)
    assert [row[3] for row in ranked(rows, uneven)] == [2, 2]
    assert verdict is Verdict.INCONCLUSIVE
    assert findings[1].verdict is Verdict.INCONCLUSIVE


def test_blocked_never_passes_and_never_excuses() -> None:
    small = "25 rows are fewer than 30"
    assert judge([passing(blocked=small)], policy())[2] is Verdict.INCONCLUSIVE
    assert judge([violating(blocked=small)], policy())[2] is Verdict.VIOLATION
    findings, _, _ = judge([passing(blocked=small)], policy())
    assert small in findings[0].why


def test_reported_only_blocks_no_pass_but_can_violate() -> None:
    small = comparison("tiny", 0.9, 0.9, reported_only=True, blocked="few")
    findings, rules, verdict = judge([passing(), small], policy())
    assert verdict is Verdict.PASS
    assert (rules[0].comparisons, rules[0].reported_only, rules[0].inconclusive) == (2, 1, 0)
    assert findings[1].verdict is Verdict.INCONCLUSIVE
    assert judge([passing(), violating("tiny", reported_only=True)], policy())[2] is Verdict.VIOLATION
    assert judge([small], policy())[2] is Verdict.INCONCLUSIVE
    assert judge([passing("tiny", reported_only=True)], policy())[2] is Verdict.INCONCLUSIVE


def test_no_comparison_and_no_rule_are_inconclusive() -> None:
    _, rules, verdict = judge([], policy())
    assert verdict is Verdict.INCONCLUSIVE
    assert rules[0].verdict is Verdict.INCONCLUSIVE
    assert judge([], policy(rules=()))[2] is Verdict.INCONCLUSIVE


def test_minor_is_reported_and_decides_nothing() -> None:
    rules = (rule("approval"), rule("style", severity="minor"))
    rows = [passing(), violating(rule="style")]
    _, verdicts, verdict = judge(rows, policy(*rules))
    assert verdict is Verdict.PASS
    assert verdicts[1].verdict is Verdict.VIOLATION
    assert judge([passing(rule="style")], policy(rules[1]))[2] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("by_point", "blocked", "expected"),
    [
        ("pass", None, Verdict.PASS),
        ("pass", "too few", Verdict.INCONCLUSIVE),
        ("violation", None, Verdict.VIOLATION),
        ("violation", "too few", Verdict.VIOLATION),
        ("inconclusive", None, Verdict.INCONCLUSIVE),
        (None, None, Verdict.INCONCLUSIVE),
    ],
)
def test_a_rule_judged_by_its_point(by_point: str | None, blocked: str | None, expected: Verdict) -> None:
    point = rule(judge="estimate", upper=None)
    row = comparison(p_pass=0.001, p_violation=0.0001, by_point=by_point, blocked=blocked)
    findings, _, verdict = judge([row], policy(point))
    assert verdict is expected
    assert "by point, no error rate" in findings[0].why


def test_every_reason_is_a_sentence_with_numbers() -> None:
    rows = [
        violating("a"),
        passing("b"),
        comparison("c", rows_needed=1234),
        comparison("d", None, None, value=None, low=None, high=None, why="no one selected"),
    ]
    findings, rules, _ = judge(rows, policy())
    assert findings[0].why == (
        "Selection rate ratio, a against Male: 0.6 (95 % interval 0.55 to 0.66), "
        "outside the bound 0.8 to 1.25; adjusted p 0.0003."
    )
    assert "inside the bound" in findings[1].why
    assert "about 1,234 more rows would decide it" in findings[2].why
    assert findings[2].rows_needed == 1234
    assert "undefined (no one selected)" in findings[3].why
    assert rules[0].why.startswith("1 of 4 comparisons show a violation. Selection rate ratio, a against")


def test_a_rule_is_told_by_its_strongest_evidence_not_by_its_widest_guess() -> None:
    sure = violating("sure", p_violation=1e-9, value=0.7)
    wild = violating("wild", p_violation=1e-3, value=0.2, low=0.01, high=0.6)
    assert "sure against Male: 0.7" in judge([wild, sure], policy())[1][0].why
    by_point = policy(rule(judge="estimate"))
    rows = [replace(row, by_point="violation") for row in (sure, wild)]
    assert "wild against Male: 0.2" in judge(rows, by_point)[1][0].why
    level = [replace(sure, group=("near",), value=0.75), sure, replace(sure, value=None, why="none")]
    assert "sure against Male" in judge(level, policy())[1][0].why


def test_a_waiver_is_noted_beside_the_verdict_and_changes_none() -> None:
    covered = rule(waivers=(waiver("2026-12-31", "a"), waiver("2027-01-01", "a")))
    findings, rules, verdict = judge([violating("a"), violating("b"), passing("c")], policy(covered))
    assert findings[0].waived == waiver("2027-01-01", "a")
    assert findings[1].waived is None
    assert findings[2].waived is None
    assert rules[0].verdict is verdict is Verdict.VIOLATION


def test_a_stranger_rule_is_an_error() -> None:
    with pytest.raises(ValueError, match="'other'"):
        judge([passing(rule="other")], policy())


def test_looks_spend_no_more_than_alpha() -> None:
    assert sum(look_alpha(0.05, j) for j in range(1, 10_000)) < 0.05
    assert look_alpha(0.05, None) == 0.05


@pytest.mark.parametrize(
    ("band", "words"),
    [
        ((-0.05, 0.05), "±0.05"),
        ((0.8, 1.25), "0.8 to 1.25"),
        ((None, 0.1), "≤ 0.1"),
        ((0.8, None), "≥ 0.8"),
        ((None, None), "no bound"),
        ((0.0, None), "≥ 0"),
        ((-0.001, 0.001), "±0.001"),
    ],
)
def test_bounds_in_words(band: tuple[float | None, float | None], words: str) -> None:
    assert bound_words(*band) == words
