"""Builds a plausible AuditResult without the engine: credit approvals by race and sex, with a known gap."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

from audit.engine.findings import judge, look_alpha, ranked, violation_level
from audit.result import (
    SCHEMA_VERSION,
    Attribute,
    AuditResult,
    Cell,
    Comparison,
    Conditional,
    Coverage,
    Data,
    Estimate,
    Exclusion,
    Group,
    Model,
    NotMeasured,
    Policy,
    Rule,
    ScoreBins,
    Stratum,
    System,
    Waiver,
    group_name,
)

NAMES = ("White", "Black", "Asian", "Hispanic", "Native American", "Pacific Islander")
HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\"quoted\" & 'single' {{ 7*7 }} {% raw %}",
    "line\nbreak\r\nand\ttab",
    "control\x00\x07\x1b[31m\u2028\u202ename\x9b\ud800",
    "👩🏽‍🚀 emoji 中文 العربية",
    "long " * 200_000,
    "</svg></style><img src=http://example.invalid/x onerror=alert(1)>",
    "| pipe `tick` [link](http://example.invalid)",
    "",
    "${jndi:ldap://example.invalid}",
)
NORMAL = NormalDist()

Counts = dict[tuple[int, int], int]
"""Rows by (label, prediction)."""

MASKS: dict[str, tuple[Callable[[int, int], bool], Callable[[int, int], bool]]] = {
    "base_rate": (lambda y, p: y == 1, lambda y, p: True),
    "selection_rate": (lambda y, p: p == 1, lambda y, p: True),
    "true_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 1),
    "false_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 0),
    "positive_predictive_value": (lambda y, p: y == 1, lambda y, p: p == 1),
    "accuracy": (lambda y, p: y == p, lambda y, p: True),
}

RULES = (
    Rule("approval", "selection_rate", "ratio", 0.8, 1.25, (), "interval", "major", "credit risk", (), 22),
    Rule(
        "opportunity",
        "true_positive_rate",
        "difference",
        -0.05,
        0.05,
        (),
        "interval",
        "blocker",
        None,
        (),
        23,
    ),
    Rule("four-fifths", "four_fifths", "ratio", 0.8, None, (), "estimate", "minor", None, (), 24),
)


def race_names(groups: int, hostile: bool) -> list[str | None]:
    """`groups` names, the last of them missing where there are four or more."""
    known: tuple[str, ...] = HOSTILE if hostile else NAMES
    names: list[str | None] = [known[i] if i < len(known) else f"Group {i + 1:05d}" for i in range(groups)]
    if groups >= 4 and not hostile:
        names[-1] = None
    return names


def counts_of(race: int, sex: int) -> Counts:
    """Rows of one race and sex: later races are smaller, approval of Black and of women is lower."""
    total = max(12, int(6000 / (1 + race) ** 1.15)) + 7 * ((race * 13) % 11)
    total = int(total * (0.58 if sex == 0 else 0.42))
    base = 0.62 - 0.04 * ((race * 7) % 3)
    tpr = 0.86 - 0.05 * sex - (0.17 if race == 1 else 0.02 * ((race * 5) % 4))
    fpr = 0.24 - 0.06 * sex - (0.09 if race == 1 else 0.0)
    positives = round(total * base)
    negatives = total - positives
    return {
        (1, 1): round(positives * tpr),
        (1, 0): positives - round(positives * tpr),
        (0, 1): round(negatives * fpr),
        (0, 0): negatives - round(negatives * fpr),
    }


def proportion(counts: Counts, metric: str) -> tuple[int, int]:
    top, bottom = MASKS[metric]
    n = sum(rows for (y, p), rows in counts.items() if bottom(y, p))
    k = sum(rows for (y, p), rows in counts.items() if bottom(y, p) and top(y, p))
    return k, n


def wilson(k: float, n: float, z: float = 1.96) -> tuple[float, float]:
    p = k / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def tables(names: list[str | None], intersections: bool) -> dict[tuple[str, ...], dict[Group, Counts]]:
    """Counts of every group of every grouping, the whole population under the empty grouping."""
    found: dict[tuple[str, ...], dict[Group, Counts]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    for race, name in enumerate(names):
        for sex, word in enumerate(("Male", "Female")):
            for cell, rows in counts_of(race, sex).items():
                places: list[tuple[tuple[str, ...], Group]] = [
                    ((), ()),
                    (("sex",), (word,)),
                    (("race",), (name,)),
                ]
                if intersections:
                    places.append((("sex", "race"), (word, name)))
                for grouping, group in places:
                    found[grouping][group][cell] += rows
    return found


def estimate(metric: str, grouping: tuple[str, ...], group: Group, counts: Counts) -> Estimate:
    k, n = proportion(counts, metric)
    if n == 0:
        return Estimate(metric, grouping, group, None, None, None, 0, 0, "no rows in the denominator")
    low, high = wilson(k, n)
    return Estimate(metric, grouping, group, k / n, low, high, k, n, None, min(1.0, 2.8 / math.sqrt(n)))


def interval(
    rule: Rule, a: tuple[int, int], b: tuple[int, int], z: float
) -> tuple[float, float, float, float]:
    """Value, its limits at z, and its standard error on the scale it is tested on."""
    (ka, na), (kb, nb) = a, b
    pa, pb = ka / na, kb / nb
    if rule.comparison == "ratio":
        error = math.sqrt((1 - pa) / max(ka, 0.5) + (1 - pb) / max(kb, 0.5)) + 1e-9
        value = pa / pb
        return value, value * math.exp(-z * error), value * math.exp(z * error), error
    error = math.sqrt(pa * (1 - pa) / na + pb * (1 - pb) / nb) + 1e-9
    return pa - pb, pa - pb - z * error, pa - pb + z * error, error


def tails(rule: Rule, value: float, error: float) -> tuple[float, float]:
    """(p_pass, p_violation) by the normal approximation."""
    shift = (lambda x: math.log(x)) if rule.comparison == "ratio" else (lambda x: x)
    if rule.comparison == "ratio" and value <= 0:
        return 1.0, 0.0001
    below = 0.0 if rule.lower is None else 1 - NORMAL.cdf((shift(value) - shift(rule.lower)) / error)
    above = 0.0 if rule.upper is None else 1 - NORMAL.cdf((shift(rule.upper) - shift(value)) / error)
    inside = (rule.lower is None or value >= rule.lower) and (rule.upper is None or value <= rule.upper)
    return max(below, above), 1.0 if inside else 1 - max(below, above)


def compare(
    rule: Rule,
    metric: str,
    grouping: tuple[str, ...],
    group: Group,
    reference: Group,
    a: Counts,
    b: Counts,
    min_group: int,
) -> Comparison:
    x, y = proportion(a, metric), proportion(b, metric)
    by_point = None
    if x[1] == 0 or y[1] == 0 or (rule.comparison == "ratio" and y[0] == 0):
        return Comparison(
            rule.id,
            metric,
            rule.comparison,
            grouping,
            group,
            group_name(reference),
            None,
            None,
            None,
            x[1],
            y[1],
            None,
            None,
            None,
            None,
            None,
            None,
            "undefined",
            False,
            "inconclusive" if rule.judge == "estimate" else None,
            None,
            None,
            "no one selected in the reference",
        )
    value, low, high, error = interval(rule, x, y, 1.96)
    _, pass_low, pass_high, _ = interval(rule, x, y, 1.645)
    _, violation_low, violation_high, _ = interval(rule, x, y, 2.7)
    p_pass, p_violation = tails(rule, value, error)
    if rule.judge == "estimate":
        by_point = "pass" if (rule.lower is None or value >= rule.lower) else "violation"
    small = x[1] < min_group
    undecided = p_pass > 0.05
    return Comparison(
        rule.id,
        metric,
        rule.comparison,
        grouping,
        group,
        group_name(reference),
        value,
        low,
        high,
        x[1],
        y[1],
        p_pass,
        p_violation,
        pass_low,
        pass_high,
        violation_low,
        violation_high,
        f"{x[1]:,} rows are fewer than the policy's minimum of {min_group}" if small else None,
        small and len(grouping) > 1,
        by_point,
        int(x[1] * 1.7) + 40 if undecided else None,
        None,
        None,
    )


def with_violation_intervals(comparisons: list[Comparison], policy: Policy) -> list[Comparison]:
    """The comparisons with the interval that agrees with the Holm-adjusted test."""
    found = list(comparisons)
    for index, rank, rejected, m in ranked(comparisons, policy):
        row = found[index]
        z = NORMAL.inv_cdf((1 + violation_level(rank, rejected, m, policy.alpha)) / 2)
        if row.value is None or row.pass_low is None or (row.value <= 0 and row.comparison == "ratio"):
            continue
        if row.comparison == "ratio":
            error = math.log(row.value / row.pass_low) / 1.645
            low, high = row.value * math.exp(-z * error), row.value * math.exp(z * error)
        else:
            error = (row.value - row.pass_low) / 1.645
            low, high = row.value - z * error, row.value + z * error
        found[index] = replace(row, violation_low=low, violation_high=high)
    return found


def conditionals() -> tuple[Conditional, ...]:
    """Admissions by department: women fare worse pooled, better within."""
    strata = tuple(
        Stratum((f"Department {letter}",), k, n, reference_k, reference_n, k / n - reference_k / reference_n)
        for letter, k, n, reference_k, reference_n in (
            ("A", 89, 108, 512, 825),
            ("B", 17, 25, 353, 560),
            ("C", 202, 593, 120, 325),
            ("D", 131, 375, 138, 417),
            ("E", 94, 393, 53, 191),
            ("F", 24, 341, 22, 373),
        )
    )
    return (
        Conditional(
            "selection_rate",
            ("sex",),
            ("Female",),
            "Male",
            ("department",),
            -0.142,
            -0.17,
            -0.113,
            0.031,
            0.003,
            0.059,
            1.09,
            1.01,
            1.18,
            strata,
            "reversal",
            None,
        ),
    )


def score_bins(
    found: dict[tuple[str, ...], dict[Group, Counts]],
) -> tuple[tuple[float, ...], tuple[ScoreBins, ...]]:
    bins = 40
    edges = tuple(i / bins for i in range(bins + 1))
    made = []
    for grouping in ((), ("sex",), ("race",)):
        for place, (group, counts) in enumerate(found[grouping].items()):
            labelled = {y: counts[y, 0] + counts[y, 1] for y in (0, 1)}
            shift = 0.06 * (place % 3)
            weight = {
                y: [
                    math.exp(-(((i + 0.5) / bins - (0.66 if y else 0.36) + shift) ** 2) / 0.05)
                    for i in range(bins)
                ]
                for y in (0, 1)
            }
            held = {
                y: tuple(float(round(labelled[y] * w / sum(weight[y]))) for w in weight[y]) for y in (0, 1)
            }
            means = tuple((i + 0.5) / bins if held[0][i] + held[1][i] else None for i in range(bins))
            made.append(ScoreBins(grouping, group, held[1], held[0], (0.0,) * bins, means))
    return edges, tuple(made)


def data_of(names: list[str | None], found: dict[tuple[str, ...], dict[Group, Counts]]) -> Data:
    audited = sum(found[()][()].values())
    size = {
        grouping: {group[0]: sum(counts.values()) for group, counts in found[grouping].items()}
        for grouping in (("sex",), ("race",))
    }
    excluded = (
        Exclusion("filtered by `year >= 2025`", 412),
        Exclusion("rejected lines", 3, (17, 4051, 9020)),
    )
    coverage = tuple(
        Coverage(
            ("sex",),
            (sex,),
            p,
            rows := sum(found["sex",][sex,][y, p] for y in (0, 1)),
            rows if p else int(rows * 0.97),
        )
        for sex in ("Male", "Female")
        for p in (0, 1)
    )
    return Data(
        source="predictions.parquet",
        kind="parquet",
        digest="9f" * 32,
        rows_read=audited + 415,
        rows_audited=audited,
        excluded=excluded,
        label_coverage=coverage,
        attributes=(
            Attribute("sex", "sex", "largest", ("Male", "Female"), tuple(size["sex",].values())),
            Attribute("race", "race_ethnicity", "largest", tuple(names), tuple(size["race",].values())),
        ),
        control=("department",),
        roles={"label": "repaid", "prediction": "approved", "score": "p_repay"},
        positive={"label": "1", "prediction": "1"},
        threshold=0.5,
        weights=None,
        clusters=None,
        warnings=("The column `notes` was not read.",),
    )


def sample_result(
    groups: int = 3,
    *,
    rules: tuple[Rule, ...] = RULES,
    intersections: bool = True,
    scores: bool = True,
    hostile: bool = False,
    suppress_below: int | None = None,
    look: int | None = 1,
    outcome: str = "favourable",
    waivers: tuple[Waiver, ...] = (),
) -> AuditResult:
    """A result with two sexes and `groups` races; the same arguments give an equal result."""
    names = race_names(groups, hostile)
    found = tables(names, intersections)
    rules = tuple(
        Rule(*[getattr(rule, name) for name in Rule.__slots__[:9]], rule.waivers + waivers, rule.line)
        for rule in rules
    )
    estimates = [
        estimate(metric, grouping, group, counts)
        for metric in MASKS
        for grouping, table in found.items()
        for group, counts in table.items()
    ]
    comparisons: list[Comparison] = []
    for rule in rules:
        metrics = {
            "four_fifths": ("selection_rate",),
            "equalized_odds": ("true_positive_rate", "false_positive_rate"),
        }.get(rule.metric, (rule.metric,))
        mine = []
        for metric in metrics:
            for grouping, table in found.items():
                if not grouping or (rule.attributes and not set(grouping) <= set(rule.attributes)):
                    continue
                largest = max(table, key=lambda group: sum(table[group].values()))
                mine += [
                    compare(rule, metric, grouping, group, largest, counts, table[largest], 30)
                    for group, counts in table.items()
                    if group != largest
                ]
        comparisons += mine
    policy = Policy(
        "audit.yaml",
        "cd" * 32,
        0.95,
        look_alpha(0.05, look),
        look,
        "policy",
        30,
        None,
        "fail",
        suppress_below,
        rules,
    )
    comparisons = with_violation_intervals(comparisons, policy)
    findings, verdicts, verdict = judge(comparisons, policy)
    edges, bins = score_bins(found) if scores else ((), ())
    cells = tuple(
        Cell(("sex", "race"), group, (), y, p, rows)
        for group, counts in (found[("sex", "race")] if intersections else {}).items()
        for (y, p), rows in counts.items()
    )
    return AuditResult(
        schema_version=SCHEMA_VERSION,
        tool_version="0.1.0",
        created_at="2026-11-22T10:00:00Z",
        system=System(
            "credit-approval",
            "2026.11",
            "Credit risk, retail",
            "credit",
            "approve or refuse a loan",
            ("EU", "US"),
            1,
            outcome,
            Model("model.joblib", "ab" * 32),
        ),
        data=data_of(names, found),
        policy=policy,
        verdict=verdict,
        rules=verdicts,
        findings=findings,
        comparisons=tuple(comparisons),
        estimates=tuple(estimates),
        conditional=conditionals(),
        score_edges=edges,
        score_bins=bins,
        not_measured=(NotMeasured("auc by intersection", "too few rows of one class in 2 groups"),),
        cells=cells,
        versions={
            "duckdb": "1.4.2",
            "ibis": "12.0.0",
            "numpy": "2.3.5",
            "python": "3.11.2",
            "scipy": "1.16.3",
        },
    )
