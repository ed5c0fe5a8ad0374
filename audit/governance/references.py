"""Laws, standards and practices that checklists cite: what holds where, since when, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from audit import resources
from audit.errors import SpecError, UsageError
from audit.governance import yamlfile
from audit.registry import nearest

STATUSES = ("in_force", "amended", "delayed", "proposed", "repealed", "voluntary", "practice", "draft")
VERIFIED = ("primary", "secondary", "memory")
USES = ("employment", "credit", "housing", "insurance", "health", "education", "public", "any")
LOOK_AGAIN_AFTER_DAYS = 365
"""An entry that nobody looked at for longer says so."""

_WORDS = {
    "in_force": "in force",
    "amended": "in force, amended",
    "delayed": "delayed",
    "proposed": "only proposed",
    "repealed": "repealed",
    "voluntary": "voluntary",
    "practice": "practice, not law",
    "draft": "a draft, never law",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One clause of an instrument."""

    scheme: str
    id: str
    title: str
    instrument: str
    jurisdiction: str
    uses: tuple[str, ...]
    status: str
    effective: date | None
    ended: date | None
    """The day on which it was repealed or replaced."""
    superseded_by: str | None
    as_of: date
    verified: str
    url: str | None
    licence: str | None
    note: str | None

    @property
    def cite(self) -> str:
        """How a checklist names it: scheme, a space, id."""
        return f"{self.scheme} {self.id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a reference is worth on a day."""

    words: str
    holds: bool
    """False where it is repealed, not in force yet, proposed or a draft."""
    old: bool
    """True where the entry itself was last looked at too long ago."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Every reference, and which jurisdiction lies in which."""

    references: tuple[Reference, ...]
    within: dict[str, str]
    as_of: date

    def get(self, cite: str, *, where: str | None = None) -> Reference:
        """The reference that `cite` names (`NIST-AI-RMF MEASURE 2.11`); a SpecError with the nearest one."""
        found = self._by_cite().get(cite)
        if found is None:
            near = nearest(cite, self._by_cite())
            raise SpecError(
                f"no reference is called {cite!r}",
                where=where,
                hint=f"Did you mean {near!r}?" if near else "`harm-audit standards` lists all.",
            )
        return found

    def _by_cite(self) -> dict[str, Reference]:
        return {reference.cite: reference for reference in self.references}

    def reach(self, jurisdiction: str) -> tuple[str, ...]:
        """The jurisdiction and all that it lies within, innermost first.

        >>> load_registry().reach("US-NYC")
        ('US-NYC', 'US-NY', 'US', 'INT')
        """
        out = [jurisdiction]
        while True:
            inner = out[-1]
            outer = self.within.get(inner) or (inner.rpartition("-")[0] or None)
            if outer is None or outer in out:
                return tuple(out)
            out.append(outer)

    def knows(self, jurisdiction: str) -> bool:
        """Whether the jurisdiction, or one that it lies within, is in the registry."""
        return bool({*self.within, *self.within.values()}.intersection(self.reach(jurisdiction)))

    def search(
        self, *, jurisdiction: str | None = None, use: str | None = None
    ) -> tuple[tuple[Reference, ...], ...]:
        """References by instrument, those that reach a jurisdiction and a use."""
        if jurisdiction is not None and not self.knows(jurisdiction):
            known = sorted({*self.within, *self.within.values()})
            raise UsageError(
                f"no jurisdiction is called {jurisdiction!r}", hint=f"Known: {', '.join(known)}."
            )
        if use is not None and use not in USES:
            raise UsageError(f"no use is called {use!r}", hint=f"Known: {', '.join(USES)}.")
        groups: dict[str, list[Reference]] = {}
        for reference in self.references:
            there = jurisdiction is None or reference.jurisdiction in self.reach(jurisdiction)
            fits = use is None or use == "any" or use in reference.uses or "any" in reference.uses
            if there and fits:
                groups.setdefault(reference.scheme, []).append(reference)
        return tuple(tuple(group) for group in groups.values())


def usual(group: tuple[Reference, ...]) -> Reference:
    """The clause whose status most of its instrument shares."""
    keys = [(r.status, r.effective, r.ended) for r in group]
    return group[keys.index(max(keys, key=keys.count))]


def standing(reference: Reference, on: date) -> Standing:
    """Whether `reference` holds on a day, in words a reader can act on."""
    old = (on - reference.as_of).days > LOOK_AGAIN_AFTER_DAYS
    words, holds = _holding(reference, on)
    if old:
        words += f"; this entry was last looked at on {reference.as_of}, look again"
    if reference.verified == "memory":
        words += "; from memory, verify"
    return Standing(words, holds, old)


def _holding(reference: Reference, on: date) -> tuple[str, bool]:
    successor = f"; replaced by {reference.superseded_by}" if reference.superseded_by else ""
    if reference.ended is not None and on >= reference.ended:
        return f"repealed on {reference.ended}{successor}", False
    if reference.status == "repealed" and reference.ended is None:
        return f"repealed{successor}", False
    if reference.effective is not None and on < reference.effective:
        return f"not in force before {reference.effective}", False
    if reference.status in ("delayed", "repealed"):
        return f"in force since {reference.effective}", True
    since = (
        f" since {reference.effective}"
        if reference.effective and reference.status not in ("practice", "draft")
        else ""
    )
    return _WORDS[reference.status] + since, reference.status not in ("proposed", "draft")


@cache
def load_registry(path: Path | None = None) -> Registry:
    """The registry that ships, or the one at `path`.

    >>> len([r for r in load_registry().references if r.scheme == "NIST-AI-RMF"])
    72
    """
    path = path or resources.checklists() / "references.yaml"
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="the registry")
    as_of = root.day("as_of")
    if as_of is None:
        raise root.fail("the registry lacks 'as_of'")
    within = {str(k): str(v) for k, v in (root.get("within") or {}).items()}
    within |= dict.fromkeys(root.strings("members_of_eu"), "EU")
    references: list[Reference] = []
    for instrument in root.entries("instruments"):
        references += _instrument(instrument, as_of)
    root.done()
    registry = Registry(tuple(references), within, as_of)
    _check(registry, path)
    return registry


def _instrument(entry: yamlfile.Entry, as_of: date) -> list[Reference]:
    scheme = entry.need("scheme")
    entry.what = scheme
    jurisdiction = entry.need("jurisdiction")
    uses = entry.strings("uses")
    for use in uses:
        if use not in USES:
            raise entry.fail(f"no use is called {use!r}", "uses", f"Allowed: {', '.join(USES)}.")
    title, licence = entry.need("title"), entry.text("licence")
    clauses = entry.entries("clauses")
    made = [
        Reference(
            scheme=scheme,
            id=clause.need("id"),
            title=clause.need("title"),
            instrument=title,
            jurisdiction=jurisdiction,
            uses=uses,
            status=clause.choice("status", STATUSES, entry.choice("status", STATUSES)),
            effective=clause.day("effective") or entry.day("effective"),
            ended=clause.day("ended") or entry.day("ended"),
            superseded_by=clause.text("superseded_by") or entry.text("superseded_by"),
            as_of=clause.day("as_of") or entry.day("as_of") or as_of,
            verified=clause.choice("verified", VERIFIED, entry.choice("verified", VERIFIED)),
            url=clause.text("url") or entry.text("url"),
            licence=licence,
            note=clause.text("note") or entry.text("note"),
        )
        for clause in clauses
    ]
    for part in (*clauses, entry):
        part.done()
    return made


def _check(registry: Registry, path: Path) -> None:
    seen: set[str] = set()
    for reference in registry.references:
        if reference.cite in seen:
            raise SpecError(f"{reference.cite} stands twice", where=str(path))
        seen.add(reference.cite)
    schemes = {reference.scheme for reference in registry.references}
    for reference in registry.references:
        target = reference.superseded_by
        if target and target not in schemes and target not in seen:
            raise SpecError(f"{reference.cite} is replaced by {target!r}, which is unknown", where=str(path))
