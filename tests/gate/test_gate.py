"""The gate: precedence, exit codes, waivers, and every way in which a green result must not open it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from audit.errors import UsageError
from audit.gate import Reason, decide
from audit.result import AuditResult, Comparison, Model, Rule, System, Verdict, Waiver
from tests.gate.factory import comparison, passing, policy, result, rule, violating, waiver

TODAY = date(2026, 11, 22)
MODEL = "12" * 32


def bound_to(model: str | None = MODEL) -> AuditResult:
    named = Model("model.pkl", model) if model else None
    system = System("credit", "1", None, None, None, (), None, "favourable", named)
    return result(passing(), policy=policy(), system=system)


def test_pass() -> None:
    decision = decide(result(passing(), policy=policy()), today=TODAY)
    assert (decision.verdict, decision.exit_code, decision.reasons) == (Verdict.PASS, 0, ())


def test_violation() -> None:
    decision = decide(result(violating(), policy=policy(rule(owner="risk"))), today=TODAY)
    assert (decision.verdict, decision.exit_code) == (Verdict.VIOLATION, 1)
    (reason,) = decision.reasons
    assert reason.id == "approval"
    assert "0.6" in reason.text
    assert reason.next_step.startswith("risk: ")


@pytest.mark.parametrize(("on_inconclusive", "code"), [("fail", 3), ("warn", 0), ("pass", 0)])
def test_inconclusive_follows_the_policy_and_the_option(on_inconclusive: str, code: int) -> None:
    undecided = comparison(rows_needed=900)
    by_option = decide(result(undecided, policy=policy()), today=TODAY, on_inconclusive=on_inconclusive)
    by_policy = decide(result(undecided, policy=policy(on_inconclusive=on_inconclusive)), today=TODAY)
    assert by_option.verdict is by_policy.verdict is Verdict.INCONCLUSIVE
    assert by_option.exit_code == by_policy.exit_code == code
    assert "900 more rows" in by_option.reasons[0].next_step


def test_an_unknown_word_for_inconclusive_is_refused() -> None:
    with pytest.raises(UsageError, match="ignore"):
        decide(result(passing(), policy=policy()), today=TODAY, on_inconclusive="ignore")


def test_violation_beats_inconclusive_beats_pass() -> None:
    rules = (rule("approval"), rule("b"), rule("c"))
    rows = [passing(), comparison(rule="b"), violating(rule="c")]
    decision = decide(result(*rows, policy=policy(*rules)), today=TODAY, on_inconclusive="pass")
    assert decision.exit_code == 1
    assert [reason.id for reason in decision.reasons] == ["c", "b"]


def test_no_rules_never_pass() -> None:
    assert decide(result(policy=policy(rules=())), today=TODAY).exit_code == 3
    minor = policy(rule(severity="minor"))
    assert decide(result(passing(), policy=minor), today=TODAY).exit_code == 3


@pytest.mark.parametrize("on_inconclusive", ["warn", "pass"])
@pytest.mark.parametrize("rules", [(), (rule(severity="minor"),)])
def test_no_setting_opens_a_gate_that_asks_nothing(on_inconclusive: str, rules: tuple[Rule, ...]) -> None:
    rows = [passing()] if rules else []
    asked = result(*rows, policy=policy(*rules) if rules else policy(rules=()))
    assert decide(asked, today=TODAY, on_inconclusive=on_inconclusive).exit_code == 3


def test_minor_is_no_reason() -> None:
    rules = (rule("approval"), rule("minor", severity="minor"))
    decision = decide(result(passing(), violating(rule="minor"), policy=policy(*rules)), today=TODAY)
    assert (decision.exit_code, decision.reasons) == (0, ())


def test_a_rule_that_compared_nothing_does_not_pass() -> None:
    rules = (rule("approval"), rule("empty"))
    decision = decide(result(passing(), policy=policy(*rules)), today=TODAY)
    assert decision.exit_code == 3
    assert decision.reasons[0].id == "empty"


class TestWaivers:
    def decide(self, *given: Waiver, rows: tuple[Comparison, ...] = (violating(),), **options: bool):  # type: ignore[no-untyped-def]
        return decide(result(*rows, policy=policy(rule(waivers=given))), today=TODAY, **options)

    def test_in_force(self) -> None:
        decision = self.decide(waiver())
        assert (decision.verdict, decision.exit_code) == (Verdict.PASS, 0)
        assert decision.rests_on_waivers
        assert "R. Officer" in decision.waived[0]

    def test_the_last_day_counts_and_the_next_does_not(self) -> None:
        assert self.decide(waiver("2026-11-22")).exit_code == 0
        late = self.decide(waiver("2026-11-21"))
        assert late.exit_code == 1
        assert "2026-11-21" in late.reasons[0].text

    def test_a_date_that_cannot_be_read_is_past(self) -> None:
        assert self.decide(waiver("soon")).exit_code == 1

    def test_no_waivers(self) -> None:
        decision = self.decide(waiver(), no_waivers=True)
        assert (decision.exit_code, decision.rests_on_waivers, decision.waived) == (1, False, ())

    def test_one_group_is_not_another(self) -> None:
        rows = (violating("Female"), violating("Diverse"))
        decision = self.decide(waiver("2027-01-01", "Female"), rows=rows)
        assert decision.exit_code == 1
        assert "Diverse" in decision.reasons[0].text
        assert not decision.rests_on_waivers

    def test_what_is_left_must_pass_by_itself(self) -> None:
        only = waiver("2027-01-01", "Female")
        assert self.decide(only, rows=(violating(), passing("Diverse"))).exit_code == 0
        assert self.decide(only, rows=(violating(), comparison("Diverse"))).exit_code == 3

    def test_small_groups_that_decide_nothing_are_no_pass_once_one_is_waived(self) -> None:
        only = waiver("2027-01-01", "Female")
        small = {"reported_only": True, "blocked": "few"}
        rows = (replace(violating(), **small), replace(passing("Diverse"), **small))
        assert self.decide(only, rows=rows[1:]).exit_code == 3
        assert self.decide(only, rows=rows).exit_code == 3
        assert self.decide(only, rows=(*rows, passing("Other"))).exit_code == 0

    def test_a_passing_rule_needs_none(self) -> None:
        decision = self.decide(waiver(), rows=(passing(),))
        assert (decision.waived, decision.rests_on_waivers) == ((), False)


class TestMismatch:
    def test_another_policy(self) -> None:
        green = result(passing(), policy=policy())
        assert decide(green, today=TODAY, spec_digest="ab" * 32).exit_code == 0
        other = decide(green, today=TODAY, spec_digest="ff" * 32)
        assert (other.exit_code, other.reasons[0].kind) == (3, "mismatch")

    @pytest.mark.parametrize(("in_result", "given"), [(MODEL, None), (MODEL, "34" * 32), (None, MODEL)])
    def test_another_model(self, in_result: str | None, given: str | None) -> None:
        decision = decide(bound_to(in_result), today=TODAY, model_sha256=given)
        assert (decision.exit_code, decision.reasons[0].kind) == (3, "mismatch")

    def test_the_same_model(self) -> None:
        assert decide(bound_to(), today=TODAY, model_sha256=MODEL.upper()).exit_code == 0

    @pytest.mark.parametrize(("days", "code"), [(2, 0), (1, 3)])
    def test_age(self, days: int, code: int) -> None:
        decision = decide(result(passing(), policy=policy()), today=TODAY, max_age_days=days)
        assert decision.exit_code == code

    @pytest.mark.parametrize("created_at", ["2031-01-01T00:00:00Z", "yesterday", ""])
    def test_a_date_that_says_nothing(self, created_at: str) -> None:
        green = replace(result(passing(), policy=policy()), created_at=created_at)
        assert decide(green, today=TODAY, max_age_days=30).exit_code == 3

    @pytest.mark.parametrize("max_age_days", [None, 30])
    def test_a_result_of_a_later_day(self, max_age_days: int | None) -> None:
        later = replace(result(passing(), policy=policy()), created_at="2026-11-24T00:00:00Z")
        decision = decide(later, today=TODAY, max_age_days=max_age_days, on_inconclusive="pass")
        assert (decision.exit_code, [reason.kind for reason in decision.reasons]) == (3, ["stale"])

    @pytest.mark.parametrize("on_inconclusive", ["warn", "pass"])
    def test_no_setting_waves_a_mismatch_through(self, on_inconclusive: str) -> None:
        for options in ({"spec_digest": "ff" * 32}, {"model_sha256": MODEL}, {"max_age_days": 0}):
            green = result(passing(), policy=policy())
            decision = decide(green, today=TODAY, on_inconclusive=on_inconclusive, **options)  # type: ignore[arg-type]
            assert decision.exit_code == 3


class TestEvidenceIsJudgedAnew:
    """A document whose verdicts do not follow from its own p values is no evidence."""

    def broken(self, green: AuditResult, **changes: object) -> None:
        assert decide(green, today=TODAY).exit_code != 3
        decision = decide(replace(green, **changes), today=TODAY, on_inconclusive="pass")  # type: ignore[arg-type]
        assert decision.exit_code in (1, 3)
        assert "mismatch" in [reason.kind for reason in decision.reasons]

    def test_verdict_painted_over(self) -> None:
        red = result(violating(), policy=policy())
        self.broken(red, verdict=Verdict.PASS)

    def test_rule_painted_over(self) -> None:
        red = result(violating(), policy=policy())
        self.broken(red, rules=(replace(red.rules[0], verdict=Verdict.PASS),))

    def test_finding_painted_over(self) -> None:
        red = result(violating(), policy=policy())
        self.broken(red, findings=(replace(red.findings[0], verdict=Verdict.PASS),))

    def test_comparison_left_out(self) -> None:
        red = result(violating(), passing("b"), policy=policy())
        self.broken(red, comparisons=red.comparisons[1:])

    def test_rule_left_out(self) -> None:
        self.broken(result(passing(), policy=policy()), rules=())

    def test_policy_lacks_the_rule(self) -> None:
        self.broken(result(passing(), policy=policy()), policy=policy(rule("other")))

    def test_level_widened(self) -> None:
        self.broken(result(passing(), policy=policy()), policy=policy(alpha=0.5))
        self.broken(result(passing(), policy=policy()), policy=policy(look=3))

    def test_another_schema(self) -> None:
        self.broken(result(passing(), policy=policy()), schema_version="2.0")


def test_reasons_from_elsewhere_count() -> None:
    open_item = Reason("governance", "sign-off", "Nobody signed.", "Sign it.", Verdict.INCONCLUSIVE)
    decision = decide(result(passing(), policy=policy()), today=TODAY, extra=(open_item,))
    assert (decision.exit_code, decision.reasons) == (3, (open_item,))
    lax = decide(result(passing(), policy=policy()), today=TODAY, extra=(open_item,), on_inconclusive="pass")
    assert lax.exit_code == 3
    denied = replace(open_item, verdict=Verdict.VIOLATION)
    assert decide(result(passing(), policy=policy()), today=TODAY, extra=(denied,)).exit_code == 1
