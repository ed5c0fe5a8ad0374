"""The words for what was found: numbers, bounds, groups and the sentence behind each verdict."""

from __future__ import annotations

from functools import lru_cache

from audit.registry import split_class
from audit.result import Comparison, Finding, Policy, Rule, Verdict, group_name

BY_POINT = "by point, no error rate"
NAME_LIMIT = 80
"""Characters of a group's name in a sentence; the whole of it stands beside, as the finding's group."""


@lru_cache(maxsize=256)
def bound_words(lower: float | None, upper: float | None) -> str:
    """The allowed band in words.

    >>> bound_words(-0.05, 0.05), bound_words(0.8, None), bound_words(0.8, 1.25)
    ('±0.05', '≥ 0.8', '0.8 to 1.25')
    """
    if lower is None and upper is None:
        return "no bound"
    if lower is None:
        return f"≤ {number(upper)}"
    if upper is None:
        return f"≥ {number(lower)}"
    if lower == -upper:
        return f"±{number(upper)}"
    return f"{number(lower)} to {number(upper)}"


def number(value: float | None) -> str:
    """A figure as pages and tables print it: three decimals, more where it is small.

    >>> number(0.74121), number(-0.0004), number(12345.0), number(None)
    ('0.741', '-0.0004', '12,345', 'undefined')
    """
    if value is None:
        return "undefined"
    if value == 0 or abs(value) < 1e-12:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def subject(finding: Finding | Comparison) -> str:
    """Whom a finding is about, as `Female against Male` or `Female × White alone`."""
    name = _short(group_name(finding.group))
    alone = finding.comparison == "worst_group" or finding.reference == "parity"
    text = f"{name} alone" if alone else f"{name} against {_short(finding.reference)}"
    return text if finding.stratum is None else f"{text} in {_short(group_name(finding.stratum))}"


def _short(name: str) -> str:
    return name if len(name) <= NAME_LIMIT else name[: NAME_LIMIT - 1] + "…"


_ABBREVIATED = {"auc": "AUC", "f1": "F1", "mae": "MAE", "rmse": "RMSE", "r2": "R²"}


def metric_words(metric: str, comparison: str) -> str:
    """The compared quantity in words.

    >>> metric_words("selection_rate", "ratio"), metric_words("auc", "worst_group")
    ('selection rate ratio', 'AUC')
    """
    base, of_class = split_class(metric)
    name = _ABBREVIATED.get(base, base.replace("_", " "))
    name = name if of_class is None else f"{name} of {_short(of_class)}"
    return {
        "difference": f"{name} difference",
        "ratio": f"{name} ratio",
        "conditional_difference": f"conditional {name} difference",
        "conditional_ratio": f"conditional {name} ratio",
        "pairs": f"{name} between pairs",
    }.get(comparison, name)


def sentence(c: Comparison, rule: Rule, policy: Policy, verdict: Verdict, adjusted: float | None) -> str:
    """Why a comparison came to its verdict: the measured value, the bound, the evidence, what is missing."""
    words = metric_words(c.metric, c.comparison)
    text = f"{words[0].upper()}{words[1:]}, {subject(c)}: {_measured(c, policy)}"
    bound = bound_words(rule.lower, rule.upper)
    if rule.judge == "estimate":
        return f"{text}, {_point(c, verdict)} the bound {bound} {BY_POINT}{_blocked(c)}."
    if verdict is Verdict.VIOLATION:
        return f"{text}, outside the bound {bound}; adjusted p {p_words(adjusted)}."
    if verdict is Verdict.PASS:
        return f"{text}, inside the bound {bound}; p {p_words(c.p_pass)}."
    open_ = alone(c, rule, policy, adjusted) or f"neither inside nor outside the bound {bound} is shown"
    return f"{text}; {open_}{_blocked(c)}{_needed(c)}."


def alone(c: Comparison, rule: Rule, policy: Policy, adjusted: float | None) -> str | None:
    """Why an interval that lies outside the bound decides nothing; None where that is not so.

    The interval is that of one comparison. A violation is shown among all that were looked at.
    """
    if rule.judge == "estimate" or adjusted is None or adjusted <= policy.alpha:
        return None
    below = rule.lower is not None and c.high is not None and c.high < rule.lower
    above = rule.upper is not None and c.low is not None and c.low > rule.upper
    if not below and not above:
        return None
    bound = bound_words(rule.lower, rule.upper)
    return (
        f"taken alone it lies outside the bound {bound}; "
        f"among all comparisons that is not shown (adjusted p {p_words(adjusted)})"
    )


def _measured(c: Comparison, policy: Policy) -> str:
    if policy.suppress_below is not None and 0 < min(c.n, c.reference_n or c.n) < policy.suppress_below:
        return f"withheld (fewer than {policy.suppress_below} rows)"
    if c.value is None:
        return f"undefined ({c.why or 'no reason given'})"
    if c.low is None or c.high is None:
        return number(c.value)
    return f"{number(c.value)} ({100 * policy.confidence:g} % interval {number(c.low)} to {number(c.high)})"


def _point(c: Comparison, verdict: Verdict) -> str:
    if verdict is Verdict.VIOLATION:
        return "outside"
    return "inside" if c.by_point == Verdict.PASS else "not to be held against"


def _blocked(c: Comparison) -> str:
    return f"; it cannot pass: {c.blocked}" if c.blocked else ""


def _needed(c: Comparison) -> str:
    if c.rows_needed is None:
        return f"; more rows: {c.rows_needed_note}" if c.rows_needed_note else ""
    note = f" ({c.rows_needed_note})" if c.rows_needed_note else ""
    return f"; about {c.rows_needed:,} more rows would decide it{note}"


def p_words(p: float | None) -> str:
    """A p value in a sentence, to two digits.

    >>> p_words(0.0312), p_words(8.4e-51), p_words(None)
    ('0.031', 'below 0.0001', 'unknown')
    """
    if p is None:
        return "unknown"
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"
