"""Giving an answer: what each way of answering needs, and what is kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import UsageError
from audit.governance.answers import AnswerFile, document_of
from audit.governance.checklist import Item
from audit.governance.situation import Situation


@dataclass(frozen=True, slots=True)
class Lack:
    """What an answer lacks: the field, and why it is needed."""

    field: str
    words: str


def lack(given: Mapping[str, Any]) -> Lack | None:
    """The first thing that an answer lacks; None where it can be kept.

    >>> lack({"said": "yes", "by": None}).field
    'by'
    """
    if not given.get("by"):
        return Lack("by", "an answer needs a name")
    if (given.get("na") or given.get("waive")) and not given.get("approved_by"):
        return Lack("approved_by", "this needs somebody else's approval")
    if given.get("waive") and not given.get("until"):
        return Lack("until", "a waiver runs out")
    return None


def give(file: AnswerFile, item: Item, situation: Situation, project: Path, given: Mapping[str, Any]) -> bool:
    """Keep an answer in its list's file, bound to what the audit named; True where the file was written.

    `given` may hold said, by, owner, note, documents, reviewer, na, waive, approved_by and until, and
    `cleared`, the names of fields that are to be emptied. A
    UsageError where it lacks something, or where somebody else wrote the file meanwhile.
    """
    missing = lack(given)
    if missing is not None:
        option = missing.field.replace("_", "-")
        raise UsageError(missing.words, hint=f"Add --{option} {'DATE' if option == 'until' else 'NAME'}.")
    fields: dict[str, Any] = {}
    if given.get("said"):
        fields |= {"answer": given["said"], "na": None}
    for name in ("note", "owner"):
        if given.get(name):
            fields[name] = given[name]
    if given.get("documents"):
        fields["evidence"] = [document_of(path, project) for path in given["documents"]]
    if given.get("reviewer"):
        fields["reviewer"] = {"name": given["reviewer"]}
    if given.get("na"):
        fields["na"] = {"reason": given["na"], "approved_by": given["approved_by"]}
    if given.get("waive"):
        fields["waiver"] = {
            "reason": given["waive"],
            "approved_by": given["approved_by"],
            "until": given["until"],
        }
    fields["bound"] = {
        name: digest for name, digest in situation.hashes().items() if digest and name in item.on_change
    }
    kept = {name: value for name, value in fields.items() if value is not None or name == "na"}
    for name in given.get("cleared", ()):
        kept["evidence" if name == "documents" else name] = None
    file.give(item, by=given["by"], on=situation.as_of, **kept)
    return file.save()
