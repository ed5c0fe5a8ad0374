"""The checks that answer a question from the audit's result; each is asked only where there is one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from audit.governance import ll144
from audit.governance.evidence import MISSING, NO, UNCLEAR, YES, Evidence
from audit.governance.situation import Situation
from audit.result import AuditResult, group_name

RELEASE_EVIDENCE_DAYS = 90
"""Evidence for a release is at most this old."""

OfResult = Callable[[AuditResult, Situation], Evidence]


def _says(
    says: str, words: str, situation: Situation, value: float | None = None, n: float | None = None
) -> Evidence:
    return Evidence(says, words, value=value, n=n, bundle=situation.bundle_id)


def limits_set(result: AuditResult, situation: Situation) -> Evidence:
    deciding = [rule for rule in result.policy.rules if rule.severity != "minor"]
    if not deciding:
        return _says(NO, "the policy has no rule that decides", situation)
    if result.policy.digest is None:
        return _says(MISSING, "the policy came from no file, so its hash binds nothing", situation)
    look = f"; look {result.policy.look} at these data" if result.policy.look else ""
    return _says(
        YES, f"{len(deciding)} limits, policy {result.policy.digest[:12]}{look}", situation, len(deciding)
    )


def group_sizes(result: AuditResult, situation: Situation) -> Evidence:
    sizes = [
        (rows, f"{attribute.name} {value}")
        for attribute in result.data.attributes
        for value, rows in zip(attribute.values, attribute.rows, strict=True)
        if value is not None
    ]
    if not sizes:
        return _says(MISSING, "the result names no groups", situation)
    least, name = min(sizes)
    floor = result.policy.min_group
    says = YES if least >= floor else NO
    return _says(
        says, f"smallest group: {name}, {least} rows; at least {floor} are asked for", situation, least, least
    )


def missing_counted(result: AuditResult, situation: Situation) -> Evidence:
    shares = [
        (rows / result.data.rows_audited, attribute.name)
        for attribute in result.data.attributes
        for value, rows in zip(attribute.values, attribute.rows, strict=True)
        if value is None and result.data.rows_audited
    ]
    if not result.data.attributes:
        return _says(MISSING, "the result names no attributes", situation)
    share, name = max(shares, default=(0.0, result.data.attributes[0].name))
    return _says(
        YES, f"at most {share:.2%} have no value ({name}); they are a group of their own", situation, share
    )


def base_rates(result: AuditResult, situation: Situation) -> Evidence:
    rates = [
        e
        for e in result.estimates
        if e.metric == "base_rate" and len(e.grouping) == 1 and e.value is not None
    ]
    by_attribute: dict[str, list[float]] = {}
    for estimate in rates:
        if estimate.value is not None:
            by_attribute.setdefault(estimate.grouping[0], []).append(estimate.value)
    gaps = [(max(values) - min(values), name) for name, values in by_attribute.items() if len(values) > 1]
    if not gaps:
        return _says(MISSING, "no base rates of two groups: are there labels?", situation)
    gap, name = max(gaps)
    return _says(YES, f"largest difference in base rate: {gap:.4g} ({name})", situation, gap)


def intersection_sizes(result: AuditResult, situation: Situation) -> Evidence:
    sizes = _intersections(result)
    if not sizes:
        one = len(result.data.attributes) < 2
        says, words = (
            (YES, "one attribute, no combinations") if one else (MISSING, "no combinations were counted")
        )
        return _says(says, words, situation)
    enough = sum(rows >= result.policy.min_group for rows in sizes.values())
    floor = result.policy.min_group
    words = f"{enough} of {len(sizes)} combinations have {floor} rows or more; the report names the rest"
    return _says(YES, words, situation, enough / len(sizes), len(sizes))


def _intersections(result: AuditResult) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for cell in result.cells:
        if len(cell.grouping) > 1:
            name = f"{'×'.join(cell.grouping)}: {group_name(cell.group)}"
            sizes[name] = sizes.get(name, 0) + cell.n
    return sizes


def data_identified(result: AuditResult, situation: Situation) -> Evidence:
    if result.data.digest is None:
        return _says(MISSING, "the data have no digest (they came from memory)", situation)
    words = f"{result.data.source}, {result.data.digest[:12]}, audited {result.created_at[:10]}"
    return _says(YES, words, situation, n=result.data.rows_audited)


def attributes_covered(result: AuditResult, situation: Situation) -> Evidence:
    names = [attribute.name for attribute in result.data.attributes]
    judged = {f.grouping[0] for f in result.findings if len(f.grouping) == 1}
    left = [name for name in names if name not in judged]
    if not names:
        return _says(MISSING, "the result names no attributes", situation)
    if left:
        return _says(
            NO, f"no rule judged: {', '.join(left)}", situation, 1 - len(left) / len(names), len(names)
        )
    return _says(YES, f"judged: {', '.join(names)}", situation, 1.0, len(names))


def intersections_computed(result: AuditResult, situation: Situation) -> Evidence:
    many = sum(len(estimate.grouping) > 1 for estimate in result.estimates)
    if many:
        return _says(YES, f"{many} estimates for combinations of attributes", situation, many)
    if len(result.data.attributes) == 1:
        return _says(YES, "one attribute, no combinations", situation)
    return _says(NO, "combinations of attributes were not measured", situation)


def tests_reported(result: AuditResult, situation: Situation) -> Evidence:
    compared = [c for c in result.comparisons if c.value is not None]
    if not compared:
        return _says(MISSING, "nothing was compared", situation)
    bare = [c for c in compared if c.low is None or c.high is None]
    if bare:
        return _says(NO, f"{len(bare)} of {len(compared)} comparisons have no interval", situation, len(bare))
    policy = result.policy
    words = f"{len(compared)} intervals at {policy.confidence:g}, tests adjusted over the {policy.family}"
    return _says(YES, words, situation, len(compared))


def not_measured_listed(result: AuditResult, situation: Situation) -> Evidence:
    count = len(result.not_measured)
    return _says(YES, f"the result lists {count} things that it did not measure", situation, count)


def reproducible(result: AuditResult, situation: Situation) -> Evidence:
    lacking = [name for name in ("model", "data", "policy") if situation.hashes()[name] is None]
    if lacking:
        return _says(MISSING, f"no digest of: {', '.join(lacking)}", situation)
    return _says(YES, f"dated {result.created_at[:10]}; model, data and policy named by digest", situation)


def evidence_current(result: AuditResult, situation: Situation) -> Evidence:
    named = reproducible(result, situation)
    if named.says != YES:
        return named
    made = _day(result)
    if made is None or made > situation.as_of:
        return _says(UNCLEAR, f"the result's date, {result.created_at[:10]}, cannot be right", situation)
    days = (situation.as_of - made).days
    says = YES if days <= RELEASE_EVIDENCE_DAYS else NO
    return _says(says, f"{days} days old; at most {RELEASE_EVIDENCE_DAYS} for a release", situation, days)


def audit_within_a_year(result: AuditResult, situation: Situation) -> Evidence:
    made = _day(result)
    if made is None:
        return _says(UNCLEAR, f"the result's date, {result.created_at[:20]!r}, cannot be read", situation)
    says = YES if ll144.within_a_year(made, situation.as_of) else NO
    return _says(says, f"audited {made}, asked on {situation.as_of}", situation)


def ll144_tables(result: AuditResult, situation: Situation) -> Evidence:
    kinds = _kinds(result)
    lacking = [kind for kind in ("sex", "race_ethnicity") if kind not in kinds]
    if lacking:
        return _says(MISSING, f"no attribute is read as: {', '.join(lacking)}", situation)
    groupings = {e.grouping for e in result.estimates if e.metric == "selection_rate"}
    sex, race = kinds["sex"], kinds["race_ethnicity"]
    both = (sex, race) in groupings or (race, sex) in groupings
    if (sex,) not in groupings or (race,) not in groupings or not both:
        return _says(MISSING, "one of the three tables is not there", situation)
    return _says(YES, f"selection rates by {sex}, by {race}, by both", situation)


def unknown_counted(result: AuditResult, situation: Situation) -> Evidence:
    kinds = _kinds(result)
    names = [kinds[kind] for kind in ("sex", "race_ethnicity") if kind in kinds]
    if not names:
        return _says(MISSING, "no attribute is read as sex or race_ethnicity", situation)
    counts = {
        attribute.name: sum(r for v, r in zip(attribute.values, attribute.rows, strict=True) if v is None)
        for attribute in result.data.attributes
        if attribute.name in names
    }
    words = ", ".join(f"{count} without {name}" for name, count in counts.items())
    return _says(YES, words, situation, max(counts.values()))


def ll144_facts(result: AuditResult, situation: Situation) -> Evidence:
    facts = situation.facts
    lacking = [
        name
        for name, value in (
            ("distribution_date", facts.distribution_date),
            ("data_source", facts.data_source),
            ("auditor", facts.auditor),
        )
        if value is None
    ]
    if lacking:
        return _says(MISSING, f"facts.yaml lacks: {', '.join(lacking)}", situation)
    return _says(YES, f"audited {result.created_at[:10]}, first used {facts.distribution_date}", situation)


def sex_and_race_measured(result: AuditResult, situation: Situation) -> Evidence:
    return _measured(("sex", "race_ethnicity"), result, situation)


def age_measured(result: AuditResult, situation: Situation) -> Evidence:
    return _measured(("age",), result, situation)


def _measured(wanted: tuple[str, ...], result: AuditResult, situation: Situation) -> Evidence:
    kinds = _kinds(result)
    groupings = {e.grouping for e in result.estimates if e.metric == "selection_rate"}
    lacking = [kind for kind in wanted if kind not in kinds or (kinds[kind],) not in groupings]
    if lacking:
        return _says(MISSING, f"selection rates not given by: {', '.join(lacking)}", situation)
    return _says(YES, f"selection rates by {', '.join(kinds[kind] for kind in wanted)}", situation)


def _kinds(result: AuditResult) -> dict[str, str]:
    return {attribute.kind: attribute.name for attribute in result.data.attributes if attribute.kind}


def _day(result: AuditResult) -> date | None:
    try:
        return date.fromisoformat(result.created_at[:10])
    except ValueError:
        return None


RESULT_CHECKS: tuple[OfResult, ...] = (
    limits_set,
    group_sizes,
    missing_counted,
    base_rates,
    intersection_sizes,
    data_identified,
    attributes_covered,
    intersections_computed,
    tests_reported,
    not_measured_listed,
    reproducible,
    evidence_current,
    audit_within_a_year,
    ll144_tables,
    unknown_counted,
    ll144_facts,
    sex_and_race_measured,
    age_measured,
)
