"""Small policies, comparisons and results, with only what a verdict needs."""

from __future__ import annotations

from dataclasses import replace

from audit.engine.findings import judge
from audit.result import SCHEMA_VERSION, AuditResult, Comparison, Data, Policy, Rule, System, Waiver


def rule(name: str = "approval", **changes: object) -> Rule:
    plain = Rule(name, "selection_rate", "ratio", 0.8, 1.25, (), "interval", "major", None, (), 12)
    return replace(plain, **changes)  # type: ignore[arg-type]


def waiver(expires: str = "2027-01-01", *groups: str) -> Waiver:
    return Waiver("small population", "R. Officer", expires, groups)


def policy(*rules: Rule, **changes: object) -> Policy:
    plain = Policy(
        "audit.yaml", "ab" * 32, 0.95, 0.05, None, "policy", 30, None, "fail", None, rules or (rule(),)
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def comparison(
    group: str | None = "Female",
    p_pass: float | None = 0.9,
    p_violation: float | None = 0.9,
    **changes: object,
) -> Comparison:
    plain = Comparison(
        rule="approval",
        metric="selection_rate",
        comparison="ratio",
        grouping=("sex",),
        group=(group,),
        reference="Male",
        value=0.78,
        low=0.7,
        high=0.86,
        n=500,
        reference_n=800,
        p_pass=p_pass,
        p_violation=p_violation,
        pass_low=0.71,
        pass_high=0.85,
        violation_low=0.69,
        violation_high=0.88,
        blocked=None,
        reported_only=False,
        by_point=None,
        rows_needed=None,
        rows_needed_note=None,
        why=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def passing(group: str = "Female", **changes: object) -> Comparison:
    plain = comparison(group, 0.001, 1.0, value=0.97, low=0.93, high=1.01)
    return replace(plain, **changes)  # type: ignore[arg-type]


def violating(group: str = "Female", **changes: object) -> Comparison:
    plain = comparison(group, 1.0, 0.0001, value=0.6, low=0.55, high=0.66)
    return replace(plain, **changes)  # type: ignore[arg-type]


def result(*comparisons: Comparison, policy: Policy, system: System | None = None) -> AuditResult:
    findings, rules, verdict = judge(comparisons, policy)
    return AuditResult(
        schema_version=SCHEMA_VERSION,
        tool_version="0.1.0",
        created_at="2026-11-20T10:00:00Z",
        system=system or System("credit", "1", None, None, None, (), None, "favourable", None),
        data=Data(
            "predictions.csv", "csv", "cd" * 32, 1300, 1300, (), (), (), (), {}, {}, None, None, None, ()
        ),
        policy=policy,
        verdict=verdict,
        rules=rules,
        findings=findings,
        comparisons=comparisons,
        estimates=(),
        conditional=(),
        score_edges=(),
        score_bins=(),
        not_measured=(),
        cells=(),
        versions={},
    )
