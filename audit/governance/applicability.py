"""Which controls of ISO/IEC 42001 apply, by `governance/iso42001.yaml`: ids and titles, not ISO's text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.errors import SpecError
from audit.governance import yamlfile
from audit.governance.references import Registry, load_registry
from audit.registry import nearest

SCHEME = "ISO-42001"
NAME = "ISO42001"
"""How `checklist new` names the file."""
FILE = "governance/iso42001.yaml"
STATES = ("planned", "partly", "in_place")


@dataclass(frozen=True, slots=True)
class Control:
    """What a person said of one control; None is not said."""

    applicable: bool | None
    why: str | None
    status: str | None
    evidence: str | None


def load_applicability(path: Path, registry: Registry | None = None) -> dict[str, Control]:
    """Every control that the file speaks of, none where there is no file; a SpecError with file and line."""
    if not path.exists():
        return {}
    root = yamlfile.Entry(yamlfile.load(path).data, path, what=path.name)
    rows = root.entry("controls")
    root.done()
    known = {name for name, _ in controls(registry or load_registry())}
    found = {}
    for raw in rows.data if rows else ():
        name = str(raw)
        if rows is None or rows.data[raw] is None:
            continue
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean {near}?" if near else None
            raise SpecError(f"no control is called {name!r}", where=rows.where(name), hint=hint)
        entry = yamlfile.Entry(rows.data[raw], path, int(rows.where(name).rsplit(":", 1)[1]), name)
        given = entry.get("applicable") is not None
        found[name] = Control(
            entry.choice("applicable", ("yes", "no")) == "yes" if given else None,
            entry.text("why"),
            entry.choice("status", STATES) if entry.get("status") is not None else None,
            entry.text("evidence"),
        )
        entry.done()
    return found


def controls(registry: Registry) -> tuple[tuple[str, str], ...]:
    """(id, title) of each control of Annex A.

    >>> len(controls(load_registry()))
    38
    """
    found = (r for r in registry.references if r.scheme == SCHEME and r.id.startswith("A."))
    return tuple((reference.id, reference.title) for reference in found)


def template(registry: Registry) -> str:
    """An empty file with every control."""
    lines = [
        "# Which controls of ISO/IEC 42001, Annex A, apply to this system, and why or why not.",
        "# applicable: yes or no; status: planned, partly or in_place; evidence: where it can be seen.",
        "",
        "controls:",
    ]
    for name, title in controls(registry):
        lines += [f"  {name}:    # {title}", "    applicable:", "    why:", "    status:", "    evidence:"]
    return "\n".join(lines) + "\n"
