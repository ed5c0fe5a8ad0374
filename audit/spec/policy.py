"""What `policy:` in `audit.yaml` may say: the rules, and how sure the evidence must be."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    PrivateAttr,
)

from audit.spec.values import Confidence, Day, Flag, Number, Scalar, Section, Text, Whole


class WaiverSpec(Section):
    """A named person's decision that a finding does not block, until a date."""

    reason: Text = Field(description="Why the finding does not block.")
    approver: Text = Field(description="Who decided so.")
    expires: Day = Field(description="The last day on which it counts, as 2027-03-31.")
    groups: tuple[Text, ...] = Field((), description="The groups it is limited to; all where left out.")


class RuleSpec(Section):
    """One thing that must hold: a metric, how groups are compared by it, and the bound."""

    id: Text | None = Field(None, description="The rule's name; the metric's where left out.")
    metric: Text = Field(description="A metric or named comparison; `harm-audit metrics` lists all.")
    class_: Scalar | None = Field(
        None,
        alias="class",
        description="Multiclass: the class that is held against the rest; all if left out.",
    )
    comparison: Text | None = Field(
        None,
        description="How groups are compared: difference, ratio, worst_group, distance, "
        "conditional_difference, conditional_ratio; for a named comparison its own where left out.",
    )
    at_least: Number | None = Field(
        None, description="The lower bound; for a ratio 0.8 means from 0.8 to 1/0.8, unless one_sided."
    )
    at_most: Number | None = Field(
        None, description="The upper bound; for a difference 0.05 means from −0.05 to 0.05, unless one_sided."
    )
    attributes: tuple[Text, ...] = Field(
        (), description="The attributes it is limited to; all where left out."
    )
    one_sided: Flag = Field(False, description="Bound the stated side alone.")
    judge: Literal["interval", "estimate"] | None = Field(
        None,
        description="interval (the default) asks for evidence; estimate compares points, as some laws do.",
    )
    severity: Literal["blocker", "major", "minor"] = Field(
        "major", description="blocker and major decide the verdict; minor is reported."
    )
    owner: Text | None = Field(None, description="Who answers for this rule.")
    waivers: tuple[WaiverSpec, ...] = Field(
        (), description="Findings that were accepted, by whom and until when."
    )
    _line: int | None = PrivateAttr(None)

    @property
    def line(self) -> int | None:
        """The rule's line in the file; None where it came from Python."""
        return self._line


class Policy(Section):
    """What must hold for the system to pass, and how sure the evidence must be."""

    confidence: Confidence = Field(0.95, description="How sure a verdict must be, between 0.5 and 1.")
    min_group: Whole = Field(
        30, description="The smallest denominator with which a group can pass; smaller ones are inconclusive."
    )
    family: Literal["policy", "rule"] = Field(
        "policy", description="Over what violations are adjusted for their number: the policy, or each rule."
    )
    small_groups: Literal["inconclusive", "report"] | None = Field(
        None,
        description="Groups under min_group: inconclusive blocks a pass, report lists them; where left out, "
        "inconclusive for single attributes and report for intersections.",
    )
    on_inconclusive: Literal["fail", "warn", "pass"] = Field(
        "fail", description="What an inconclusive audit does to the gate."
    )
    suppress_below: Whole | None = Field(
        None, description="Counts below it are not shown, to protect the people in them."
    )
    rules: tuple[RuleSpec, ...] = Field((), description="The rules; without any the verdict is inconclusive.")
