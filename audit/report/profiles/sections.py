"""Profiles that are a law's headings in its order: what people say under each, and what the audit shows."""

from __future__ import annotations

from dataclasses import dataclass

from audit.report import numbers
from audit.report.profiles import measured
from audit.report.profiles.frame import Case, Document, Field, page


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its fields; `shows` names tables: groups, rules, figures, not_measured, harms, actions,
    consulted, traits."""

    title: str
    about: str = ""
    fields: tuple[Field, ...] = ()
    shows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A value of an audited attribute and its rows; None where the policy withholds them."""

    attribute: str
    group: str
    rows: int | None


def document(
    case: Case, title: str, cites: tuple[str, ...], sections: tuple[Section, ...], faults: tuple[str, ...]
) -> Document:
    """The page of these sections."""
    return page(
        case,
        "sections.html",
        title=title,
        fields=tuple(field for section in sections for field in section.fields),
        cites=cites,
        faults=faults,
        sections=sections,
        rules=measured.rules(case),
        figures=measured.figures(case),
        groups=groups(case),
    )


def groups(case: Case) -> tuple[GroupLine, ...]:
    """Every group of every attribute that was audited."""
    return tuple(
        GroupLine(
            numbers.clean(attribute.name),
            numbers.name((value,)),
            None if case.withheld.group((attribute.name,), (value,)) or case.withheld.count(rows) else rows,
        )
        for attribute in case.result.data.attributes
        for value, rows in zip(attribute.values, attribute.rows, strict=True)
    )


def register_faults(case: Case, *, themes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What keeps the harm register from carrying an assessment: not there, not rated, unsearched."""
    register = case.situation.register
    if register is None:
        return ("there is no harm register, which the account of harms rests on: `harm-audit harms`",)
    faults = []
    for harm in register.harms:
        if harm.status_on(case.situation.as_of) == "closed":
            continue
        lacking = [
            words
            for words, there in (
                ("whom it meets", harm.affected),
                ("a rating", harm.inherent),
                ("an owner", harm.owner),
            )
            if not there
        ]
        if lacking:
            faults.append(f"{harm.id} lacks {', '.join(lacking)}")
    looked = {code.split(".")[0] for harm in register.harms for code in harm.taxonomy}
    looked |= {nothing.theme for nothing in register.nothing}
    left = [theme.replace("_", " ") for theme in themes if theme not in looked]
    if left:
        faults.append(f"nobody has looked for harm of these kinds: {', '.join(left)}")
    return tuple(faults)
