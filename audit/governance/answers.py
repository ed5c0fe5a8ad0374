"""What people answered: one file a list in `governance/answers/`, kept with its comments and its history."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from audit.errors import SpecError, UsageError
from audit.governance import yamlfile
from audit.governance.checklist import Catalogue, Checklist, Item
from audit.registry import nearest

ANSWERS = ("yes", "no", "partly")


@dataclass(frozen=True, slots=True)
class Document:
    """A document that an answer rests on; `sha256` as it was when the answer was given (None for a URL)."""

    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Somebody's reason why a question does not apply, and who agreed."""

    reason: str
    approved_by: str | None


@dataclass(frozen=True, slots=True)
class Waived:
    """Somebody's leave to go on without a yes, until a day."""

    reason: str
    compensating: str | None
    approved_by: str | None
    until: date


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as the file has it; its status follows from it and is stored nowhere."""

    item: str
    item_version: int
    answer: str | None
    note: str | None
    owner: str | None
    answered_by: str | None
    answered_at: date | None
    expires_at: date | None
    evidence: tuple[Document, ...]
    reviewer: str | None
    bound: Mapping[str, str]
    """The digests of model, data, policy and population that it was given for."""
    na: NotApplicable | None
    waiver: Waived | None
    where: str

    @property
    def begun(self) -> bool:
        """Whether anybody has said anything."""
        return self.answer is not None or self.na is not None or self.waiver is not None


class AnswerFile:
    """The answers to one list, open for reading and for giving one."""

    def __init__(self, checklist: Checklist, document: yamlfile.Document) -> None:
        self.checklist = checklist
        self.document = document
        self.answers: dict[str, Answer] = _read(checklist, document)

    @classmethod
    def open(cls, folder: Path, checklist: Checklist) -> AnswerFile:
        """The file in `folder`; an empty one, written at `save`, where there is none."""
        path = folder / f"{checklist.id}.yaml"
        if path.exists():
            return cls(checklist, yamlfile.load(path))
        return cls(checklist, yamlfile.Document(path, yamlfile.parse(_heading(checklist), path), None))

    def fill(self) -> int:
        """Add an empty answer for every item that has none; how many were added."""
        rows = self._rows()
        added = 0
        for item in self.checklist.items:
            if item.id not in rows:
                rows[item.id] = _empty(item)
                rows.yaml_set_comment_before_after_key(item.id, before=f"\n{item.question}", indent=2)
                added += 1
        self.answers = _read(self.checklist, self.document)
        return added

    def give(self, item: Item, *, by: str, on: date, **fields: Any) -> None:
        """Set fields of an answer and append what changed to its history."""
        rows = self._rows()
        if item.id not in rows:
            self.fill()
        row = rows[item.id]
        before = _said(row)
        for key, value in fields.items():
            row[key] = CommentedMap(value) if isinstance(value, Mapping) else value
        row["item_version"] = item.version
        row["answered_by"], row["answered_at"] = by, on
        entry = CommentedMap(at=on, by=by)
        if before is not None:
            entry["from"] = before
        entry["to"] = _said(row) or "nothing"
        entry.fa.set_flow_style()
        row.setdefault("history", CommentedSeq())
        row["history"].fa.set_block_style()
        row["history"].append(entry)
        self.answers = _read(self.checklist, self.document)

    def mark(self, item: Item) -> str:
        """What an item's row holds now, as a digest: two people who saw the same mark saw the same answer."""
        row = self._rows().get(item.id)
        answer = self.answers.get(item.id)
        if row is None or (answer is not None and not answer.begun and not row.get("history")):
            return "untouched"
        return hashlib.sha256(yamlfile.dump(row).encode("utf-8", "surrogatepass")).hexdigest()

    def history(self, item: Item) -> tuple[str, ...]:
        """Who said what of an item, and when, a line each, the latest first."""
        row = self._rows().get(item.id) or {}
        steps = [step for step in row.get("history") or () if isinstance(step, Mapping)]
        return tuple(f"{step.get('at')}: {step.get('to')}, says {step.get('by')}" for step in reversed(steps))

    def save(self) -> bool:
        """Write the file if it changed."""
        return self.document.save()

    def _rows(self) -> CommentedMap:
        rows = self.document.data.get("answers")
        if not isinstance(rows, CommentedMap):
            rows = self.document.data["answers"] = CommentedMap()
        rows.fa.set_block_style()
        return rows


def _said(row: Mapping[str, Any]) -> str | None:
    if row.get("na"):
        return "not applicable"
    answer = row.get("answer")
    said = ("yes" if answer else "no") if isinstance(answer, bool) else answer
    return f"{said}, waived" if row.get("waiver") else said


def _heading(checklist: Checklist) -> str:
    return (
        f"# Answers to {checklist.id}: {checklist.title.lower()}.\n"
        f"# Edit by hand, or with `harm-audit checklist answer {checklist.id}`: yes, no or partly.\n"
        f"# Whether an answer counts follows from it, its evidence and the day; ask\n"
        f"# `harm-audit checklist status`.\n"
        f"\nlist: {checklist.id}\nanswers: {{}}\n"
    )


def _empty(item: Item) -> CommentedMap:
    row = CommentedMap(item_version=item.version)
    for key in ("answer", "note", "owner"):
        row[key] = None
    return row


def _read(checklist: Checklist, document: yamlfile.Document) -> dict[str, Answer]:
    root = yamlfile.Entry(document.data, document.path, what=document.path.name)
    if root.need("list") != checklist.id:
        raise root.fail(f"this file says list {root.need('list')}, {checklist.id} was meant", "list")
    rows = root.entry("answers")
    root.done()
    if rows is None:
        return {}
    known = {item.id for item in checklist.items}
    answers = {}
    for name in rows.data:
        if name not in known:
            near = nearest(str(name), known)
            raise SpecError(
                f"{checklist.id} has no item {str(name)!r}",
                where=rows.where(name),
                hint=f"Did you mean {near}?" if near else "`harm-audit checklist list` names the items.",
            )
        entry = rows.entry(name)
        if entry is not None:
            entry.what = str(name)
            answers[str(name)] = _answer(str(name), entry)
    return answers


def _answer(name: str, entry: yamlfile.Entry) -> Answer:
    na, waiver, reviewer = entry.entry("na"), entry.entry("waiver"), entry.entry("reviewer")
    bound = entry.get("bound") or {}
    answer = Answer(
        item=name,
        item_version=entry.integer("item_version", 1, 999) or 1,
        answer=entry.choice("answer", ANSWERS) if entry.get("answer") is not None else None,
        note=entry.text("note"),
        owner=entry.text("owner"),
        answered_by=entry.text("answered_by"),
        answered_at=entry.day("answered_at"),
        expires_at=entry.day("expires_at"),
        evidence=tuple(_document(part) for part in entry.entries("evidence")),
        reviewer=reviewer.need("name") if reviewer else None,
        bound={str(key): str(value) for key, value in bound.items()},
        na=NotApplicable(na.need("reason"), na.text("approved_by")) if na else None,
        waiver=_waiver(waiver) if waiver else None,
        where=entry.where(),
    )
    for part, free in ((entry, "history"), (na, "approved_at"), (reviewer, "role")):
        if part is not None:
            part.get(free)
            part.done()
    return answer


def _document(entry: yamlfile.Entry) -> Document:
    document = Document(entry.need("path"), entry.text("sha256"))
    entry.get("title")
    entry.done()
    return document


def _waiver(entry: yamlfile.Entry) -> Waived:
    until = entry.day("until")
    if until is None:
        raise entry.fail("a waiver runs out: it needs 'until'", hint="Add `until: 2027-05-31`.")
    waiver = Waived(entry.need("reason"), entry.text("compensating"), entry.text("approved_by"), until)
    entry.done()
    return waiver


def document_of(path: str, project: Path) -> dict[str, str]:
    """The entry for a document: its path and, for a file, its digest; a UsageError where it is not there."""
    if "://" in path:
        return {"path": path}
    try:
        digest = hashlib.sha256((project / path).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"the document cannot be read: {error.strerror or error}",
            where=str(project / path),
            hint="Give a path from the project's folder, or a URL.",
        ) from error
    return {"path": path, "sha256": digest}


def load_answers(folder: Path, catalogue: Catalogue) -> dict[str, Answer]:
    """Every answer in the folder, by item; a SpecError for a file of no known list."""
    answers: dict[str, Answer] = {}
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            checklist = catalogue.list(path.stem)
        except UsageError as error:
            raise SpecError(error.what, where=str(path), hint=error.hint) from error
        answers |= AnswerFile(checklist, yamlfile.load(path)).answers
    return answers
