"""The lists that ship, read from `checklists/*.yaml`: every error with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit import resources
from audit.errors import SpecError
from audit.governance import applies, yamlfile
from audit.governance.checklist import Auto, Case, Catalogue, Checklist, Item
from audit.governance.checks import CHECKS
from audit.governance.references import Registry, load_registry
from audit.governance.stages import STAGES
from audit.registry import COMPARISONS, nearest

SEVERITIES = ("blocker", "major", "minor")
KINDS = ("audit_metric", "config", "document", "person")
IF_NO = ("revise", "document_and_contain", "stop")
CHANGES = ("model", "data", "policy", "population")
OWNER_ROLES = ("product", "ml_lead", "data_steward", "legal", "risk", "independent")
PARTS = ("owner", "developer")
NOT_LISTS = ("references.yaml", "cases.yaml", "tier.yaml", "themes.yaml", "choose.yaml")
ORDER = (
    "SCOPE",
    "HARM",
    "DATA",
    "EVAL",
    "OVER",
    "LAUNCH",
    "MON",
    "GEN",
    "LL144",
    "EMPUS",
    "LEND",
    "EUHR",
    "HEALTH",
    "PUBLIC",
)


@cache
def load_catalogue(folder: Path | None = None) -> Catalogue:
    """The lists in `folder`, by default those that ship; a SpecError names file and line.

    >>> load_catalogue().item("EVAL-03").severity
    'blocker'
    """
    folder = folder or resources.checklists()
    registry = load_registry(folder / "references.yaml")
    cases = load_cases(folder / "cases.yaml")
    lists = [
        _list(path, registry, cases)
        for path in sorted(folder.glob("*.yaml"))
        if path.name not in NOT_LISTS and not path.name.startswith(".")
    ]
    rank = {name: place for place, name in enumerate(ORDER)}
    lists.sort(key=lambda each: (rank.get(each.id, len(rank)), each.id))
    _unique(lists)
    return Catalogue(tuple(lists))


def load_cases(path: Path) -> dict[str, Case]:
    """The published cases by id."""
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="the cases")
    cases: dict[str, Case] = {}
    for entry in root.entries("cases"):
        year = entry.integer("year", 1950, 2100)
        if year is None:
            raise entry.fail("a case needs its year")
        case = Case(
            entry.need("id"),
            entry.need("title"),
            year,
            entry.need("where"),
            entry.need("what"),
            entry.need("found"),
        )
        entry.done()
        if case.id in cases:
            raise entry.fail(f"the case {case.id!r} stands twice")
        cases[case.id] = case
    root.done()
    return cases


def _unique(lists: list[Checklist]) -> None:
    seen: dict[str, str] = {}
    for each in lists:
        for item in each.items:
            if item.id in seen:
                raise SpecError(f"{item.id} stands also at {seen[item.id]}", where=item.where)
            seen[item.id] = item.where


def _list(path: Path, registry: Registry, cases: dict[str, Case]) -> Checklist:
    root = yamlfile.Entry(yamlfile.load(path).data, path, what=path.name)
    name = root.need("list")
    defaults = _Defaults(
        root.choice("stage", STAGES), root.choice("owner_role", OWNER_ROLES), *_expiry(root), registry, cases
    )
    made = Checklist(
        id=name,
        title=root.need("title"),
        about=root.need("about"),
        version=root.integer("version", 1, 999) or 1,
        optional=root.flag("optional"),
        applies_if=_condition(root, "applies_if"),
        items=tuple(_item(entry, name, defaults) for entry in root.entries("items")),
    )
    root.done()
    if not made.items:
        raise root.fail("a list without items", "items")
    return made


@dataclass(frozen=True, slots=True)
class _Defaults:
    stage: str
    owner_role: str
    max_age_days: int
    on_change: tuple[str, ...]
    registry: Registry
    cases: dict[str, Case]


def _item(entry: yamlfile.Entry, of: str, base: _Defaults) -> Item:
    name = entry.need("id")
    entry.what = name
    own_expiry = entry.data.get("expiry") is not None
    max_age, on_change = _expiry(entry) if own_expiry else (base.max_age_days, base.on_change)
    independence = entry.entry("independence")
    case = entry.text("case")
    if case is not None and case not in base.cases:
        near = nearest(case, base.cases)
        raise entry.fail(f"no case is called {case!r}", "case", f"Did you mean {near}?" if near else None)
    item = Item(
        id=name,
        list=of,
        version=entry.integer("version", 1, 999) or 1,
        question=entry.need("question"),
        why=entry.need("why"),
        if_no=entry.choice("if_no", IF_NO),
        evidence=_among(entry, "evidence", KINDS),
        auto=_auto(entry),
        auto_later=entry.strings("auto_later"),
        stage=entry.choice("stage", STAGES, base.stage),
        owner_role=entry.choice("owner_role", OWNER_ROLES, base.owner_role),
        severity=entry.choice("severity", SEVERITIES),
        blocker_if=_condition(entry, "blocker_if"),
        applies_if=_condition(entry, "applies_if"),
        max_age_days=max_age,
        on_change=on_change,
        reviewer_not=_among(independence, "reviewer_not", PARTS) if independence else (),
        references=tuple(
            base.registry.get(cite, where=entry.where("references")).cite
            for cite in entry.strings("references")
        ),
        case=base.cases[case] if case else None,
        where=entry.where(),
    )
    entry.get("expiry")
    entry.done()
    _coherent(entry, item)
    return item


def _coherent(entry: yamlfile.Entry, item: Item) -> None:
    if not item.evidence:
        raise entry.fail(f"{item.id} names no kind of evidence")
    if bool({"audit_metric", "config"} & set(item.evidence)) != (item.auto is not None):
        raise entry.fail(
            f"{item.id}: evidence by audit_metric or config needs `auto`, and `auto` needs one of them",
            "evidence",
        )
    if not item.references:
        raise entry.fail(f"{item.id} cites nothing", hint="Add `references:`.")


def _auto(entry: yamlfile.Entry) -> Auto | None:
    auto = entry.entry("auto")
    if auto is None:
        return None
    raw = auto.get("metric")
    metrics = (raw,) if isinstance(raw, str) else auto.strings("metric")
    comparison, check = auto.text("comparison"), auto.text("check")
    auto.done()
    if bool(metrics) == bool(check):
        raise auto.fail("`auto` names either a metric or a check")
    if comparison is not None and comparison not in COMPARISONS:
        raise auto.fail(f"no comparison is called {comparison!r}", hint=f"Allowed: {', '.join(COMPARISONS)}.")
    if check is not None and check not in CHECKS:
        near = nearest(check, CHECKS)
        raise auto.fail(f"no check is called {check!r}", hint=f"Did you mean {near}?" if near else None)
    return Auto(metrics, comparison, check)


def _expiry(entry: yamlfile.Entry) -> tuple[int, tuple[str, ...]]:
    expiry = entry.entry("expiry")
    if expiry is None:
        raise entry.fail(f"{entry.what} lacks 'expiry'")
    age = expiry.integer("max_age_days", 1, 3650)
    if age is None:
        raise expiry.fail("expiry lacks 'max_age_days'")
    changes = _among(expiry, "on_change", CHANGES)
    expiry.done()
    return age, changes


def _among(entry: yamlfile.Entry, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = entry.strings(key)
    for value in values:
        if value not in allowed:
            near = nearest(value, allowed)
            guess = f"Did you mean {near}? " if near else ""
            raise entry.fail(f"{key} holds {value!r}", key, f"{guess}Allowed: {', '.join(allowed)}.")
    return values


def _condition(entry: yamlfile.Entry, key: str) -> str | None:
    condition = entry.text(key)
    problem = applies.check(condition) if condition else None
    if problem:
        raise entry.fail(f"{key}: {problem}", key)
    return condition
