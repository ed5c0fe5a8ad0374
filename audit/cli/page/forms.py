"""The forms of a question: read, tidied, and checked before anything is kept."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from audit.cli.page.loopback import Request
from audit.governance import giving
from audit.governance.answers import ANSWERS
from audit.governance.checklist import Item

LONGEST = 4_000
"""Characters of a field; a longer text belongs into a document."""
_CLEARED = ("note", "owner", "reviewer", "documents")
WAYS = ("answer", "na", "waive")
"""The forms of a question: an answer, that it does not apply, leave to go on without a yes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was sent back; `field` is the one to mend, where there is one."""

    words: str
    hint: str = ""
    field: str | None = None
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was typed."""

    way: str = "answer"
    values: Mapping[str, str] = field(default_factory=dict)


def check(typed: Typed, item: Item, project: Path) -> Problem | None:
    """Why a form cannot be kept; None where it can."""
    values = typed.values
    for name, text in values.items():
        if len(text) > LONGEST:
            return Problem(f"longer than {LONGEST:,} characters", "Name a document instead.", name)
    if typed.way == "answer" and values.get("said") not in ANSWERS:
        return Problem("choose yes, no or partly", field="said")
    if typed.way == "answer" and item.classification == "automatable":
        return Problem("the audit answers this question, nobody else", field=None)
    if typed.way != "answer" and not values.get("reason"):
        return Problem("say why", field="reason")
    given = given_of(typed)
    lack = giving.lack(given)
    if lack is not None:
        return Problem(lack.words, field=lack.field)
    if typed.way == "waive" and not isinstance(given["until"], date):
        return Problem("write the day as 2026-11-30", field="until")
    for path in given["documents"]:
        inside = (project / path).resolve().is_relative_to(project.resolve())
        if "://" not in path and not inside:
            return Problem(f"{path} lies outside the project", "Name a file in it, or a URL.", "documents")
    return None


def typed_of(request: Request) -> Typed:
    """The form of a request, its texts tidied."""
    values: dict[str, str] = {}
    for name, text in request.form:
        values[name] = _tidy(text)
    way = values.pop("way", "answer")
    return Typed(way if way in WAYS else "answer", {"by": "", **values})


def _tidy(text: str) -> str:
    """Without what a YAML file cannot hold or a reader cannot see."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        "\ufffd" if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs") else c for c in lines
    ).strip()


def given_of(typed: Typed) -> dict[str, Any]:
    """The form as `giving.give` takes it; a day that is none stays text."""
    values = typed.values
    by = " ".join(values["by"].split()) or None
    if typed.way == "na":
        return {
            "by": by, "na": values.get("reason"), "approved_by": values.get("approved_by"), "documents": ()
        }  # fmt: skip
    if typed.way == "waive":
        return {
            "by": by,
            "waive": values.get("reason"),
            "approved_by": values.get("approved_by"),
            "until": _day(values.get("until", "")),
            "documents": (),
        }
    documents = [line.strip() for line in values.get("documents", "").splitlines() if line.strip()]
    return {
        "by": by,
        "said": values.get("said"),
        "note": values.get("note"),
        "owner": values.get("owner"),
        "reviewer": values.get("reviewer"),
        "documents": documents,
        "cleared": [name for name in _CLEARED if name in values and not values[name]],
    }


def _day(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text
