"""New York City Local Law 144: the figures of a bias audit's summary, and whether anything is lacking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from audit.governance import adverse_impact, ll144
from audit.governance.ll144 import Count, Row
from audit.report.profiles import categories
from audit.report.profiles.counting import attribute_of, selected
from audit.report.profiles.frame import Case, Document, page

TITLE = "Bias audit summary, New York City Local Law 144"
CITES = (
    "NYC-LL144 20-871(a)(1)",
    "NYC-LL144 5-301(b)(1)-(3)",
    "NYC-LL144 5-301(c)(1)-(4)",
    "NYC-LL144 5-301(b)(5)",
    "NYC-LL144 5-301(d)",
    "NYC-LL144 5-302",
    "NYC-LL144 5-303(a)",
    "US-UGESP 1607.4D",
)
Cells = Mapping[tuple[str, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table, and whether its ratio lies below four fifths, which this law does not ask."""

    row: Row
    below: bool


@dataclass(frozen=True, slots=True)
class TableView:
    """One table of the summary."""

    title: str
    first: str
    lines: tuple[Line, ...]
    total: int
    chosen: int
    highest: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The three tables for selections, or for scores above the median."""

    anchor: str
    title: str
    about: str
    chosen: str
    rate: str
    tables: tuple[TableView, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a summary must have or hold; `ok` None is for a reader to weigh."""

    text: str
    ok: bool | None


def html(case: Case) -> Document:
    """The summary as a page."""
    result, facts = case.result, case.situation.facts
    fields = (
        case.fact("distribution_date", "Distribution date", "the day on which the employer began to use it"),
        case.fact("data_source", "Data", "where the data come from, and why these"),
        case.fact("auditor", "Auditor", "who audited"),
        case.fact(
            "auditor_independent", "Independent", "yes or no: had no part in using, making or selling it"
        ),
        case.fact("auditor_basis", "Basis", "why the auditor is independent, or is not"),
    )
    sex, race = attribute_of(result, "sex"), attribute_of(result, "race_ethnicity")
    checks = [
        Check("Sex is audited" if sex else "No attribute is read `as: sex`", sex is not None),
        Check(
            "Race or ethnicity is audited" if race else "No attribute is read `as: race_ethnicity`",
            race is not None,
        ),
    ]
    parts: tuple[Part, ...] = ()
    if sex and race:
        parts = tuple(part for part in (_selection(case, sex, race), _scoring(case, sex, race)) if part)
        checks += _of_tables(case, parts, sex, race)
    checks += _of_dates(case)
    if facts.auditor_independent == "no":
        checks.append(Check("The auditor is not independent", False))
    faults = tuple(check.text for check in checks if check.ok is False)
    return page(
        case,
        "ll144.html",
        title=TITLE,
        fields=fields,
        cites=CITES,
        faults=faults,
        parts=parts,
        checks=checks,
    )


FORMATS: dict[str, Callable[[Case], Document]] = {"html": html}


def _selection(case: Case, sex: str, race: str) -> Part | None:
    counted = selected(case.result, (sex, race))
    if not counted.by_group:
        return None
    cells = {(key[0], key[1]): value for key, value in counted.by_group.items()}
    about = "The selection rate is the share of a category that was selected."
    return Part(
        "selection",
        "Selection",
        about,
        "Selected",
        "Selection rate",
        _tables(case, cells),
        counted.unknown,
    )


def _scoring(case: Case, sex: str, race: str) -> Part | None:
    """Scores above the median of everybody, known group or not, from the audit's scoring rates."""
    cells: dict[tuple[str, str], tuple[int, int]] = {}
    unknown = 0
    for e in case.result.estimates:
        if e.metric == "scoring_rate" and set(e.grouping) == {sex, race} and len(e.grouping) == 2:
            values = dict(zip(e.grouping, e.group, strict=True))
            one, other = values[sex], values[race]
            if one is None or other is None:
                unknown += round(e.n)
            elif e.k is not None:
                cells[one, other] = (round(e.n), round(e.k))
    if not cells:
        return None
    about = (
        "The scoring rate is the share of a category that scored strictly above the median of the full "
        "sample, people of no known category included."
    )
    return Part(
        "scores",
        "Scores",
        about,
        "Above the median",
        "Scoring rate",
        _tables(case, dict(sorted(cells.items()))),
        unknown,
    )


def _tables(case: Case, cells: Cells) -> tuple[TableView, ...]:
    sexes, races = ll144.margins(cells)
    both = [Count(f"{one} × {other}", n, k) for (one, other), (n, k) in cells.items()]
    excluded = case.situation.facts.left_out
    return (
        _table("By sex", "Sex", sexes, excluded),
        _table("By race or ethnicity", "Race or ethnicity", races, excluded),
        _table("By sex and race or ethnicity", "Category", both, excluded),
    )


def _table(title: str, first: str, counts: Sequence[Count], excluded: Mapping[str, str]) -> TableView:
    mine = {name: why for name, why in excluded.items() if any(c.category == name for c in counts)}
    made = ll144.table(counts, mine)
    best = next((row for row in made.rows if row.category == made.highest), None)
    lines = tuple(Line(row, _below(row, best)) for row in made.rows)
    total, chosen = sum(c.n for c in counts), sum(c.selected for c in counts)
    return TableView(title, first, lines, total, chosen, made.highest, made.notes)


def _below(row: Row, best: Row | None) -> bool:
    if best is None or row.impact_ratio is None:
        return False
    return bool(adverse_impact.below_four_fifths(row.selected, row.n, best.selected, best.n))


def _of_tables(case: Case, parts: Sequence[Part], sex: str, race: str) -> list[Check]:
    if not parts:
        return [Check("Nobody was selected or scored: there is no table", False)]
    checks = []
    for part in parts:
        people = sum(line.row.n for line in part.tables[2].lines)
        sums = {table.total for table in part.tables}
        words = f"{part.title}: the three tables hold the same {people:,} people"
        checks.append(Check(f"{words}; {part.unknown:,} are in no known category", len(sums) == 1))
        if people + part.unknown != case.result.data.rows_audited:
            lost = case.result.data.rows_audited - people - part.unknown
            checks.append(
                Check(f"{part.title}: {lost:,} audited people are in no table and not unknown", False)
            )
    dropped = sum(e.rows for e in case.result.data.excluded)
    if dropped:
        checks.append(
            Check(f"{dropped:,} rows that were read are not in the audit; the report says why", None)
        )
    checks += _of_categories(case, sex, categories.sex, categories.SEX)
    checks += _of_categories(case, race, categories.race, categories.RACE)
    held = {line.row.category for part in parts for table in part.tables for line in table.lines}
    checks += [
        Check(f"left_out names {name!r}, which is in no table", False)
        for name in case.situation.facts.left_out
        if name not in held
    ]
    return checks


def _of_categories(
    case: Case, name: str, category: Callable[[str], str | None], wanted: Sequence[str]
) -> list[Check]:
    values = next(a.values for a in case.result.data.attributes if a.name == name)
    found = {value: category(value) for value in values if value is not None}
    strange = [value for value, means in found.items() if means is None]
    absent = [each for each in wanted if each not in found.values()]
    checks = []
    if strange:
        words = f"{name}: {', '.join(map(repr, strange[:5]))} is no category of the EEO-1 report"
        checks.append(
            Check(f"{words}; map it in audit.yaml, or map it to no value where it is unknown", False)
        )
    if absent:
        checks.append(Check(f"{name}: nobody in the data is {', '.join(absent)}", None))
    if not strange and not absent:
        checks.append(Check(f"{name}: every category of the EEO-1 report is there", True))
    return checks


def _of_dates(case: Case) -> list[Check]:
    audited, day = date.fromisoformat(case.result.created_at[:10]), case.situation.as_of
    if ll144.within_a_year(audited, day):
        return [Check(f"The audit of {audited} is no older than one year on {day}", True)]
    if audited > day:
        return [Check(f"The audit of {audited} is dated after {day}", False)]
    return [
        Check(
            f"The audit of {audited} is older than one year on {day}: the tool may not be used on it", False
        )
    ]
