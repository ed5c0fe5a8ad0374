"""From what a decision does to the metrics that follow from it, with the reason for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audit import resources
from audit.errors import UsageError
from audit.governance import yamlfile
from audit.registry import nearest

FILE = "choose.yaml"
ITEM = "EVAL-02"
"""The checklist item that a choice answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `answers` are the words to answer with, and what each means."""

    id: str
    ask: str
    answers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule of a policy and why it follows."""

    id: str
    rule: dict[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not proposed, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What was answered, and what follows."""

    answers: dict[str, str]
    outcome: str
    """`system.outcome` of the spec: favourable or adverse."""
    proposals: tuple[Proposal, ...]
    left_out: tuple[LeftOut, ...]


@cache
def questions() -> tuple[Question, ...]:
    """The questions, in their order.

    >>> [question.id for question in questions()]
    ['decision', 'capacity', 'labels', 'error', 'score']
    """
    return tuple(
        Question(str(entry["id"]), str(entry["ask"]), {str(k): str(v) for k, v in entry["answers"].items()})
        for entry in _document()["questions"]
    )


def choose(answers: Mapping[str, Any], *, where: str = "answers") -> Choice:
    """The metrics that follow from the answers, one to each question.

    Errors: UsageError for a question that is not asked, one that has no answer, and an answer that
    is not among those that it has.

    >>> given = {"decision": "assistive", "capacity": "open", "labels": "trusted", "error": "missed"}
    >>> [proposal.rule["metric"] for proposal in choose({**given, "score": "no"}).proposals]
    ['selection_rate', 'true_positive_rate']
    """
    given = {str(key): _word(value) for key, value in answers.items()}
    known = {question.id: question for question in questions()}
    for name in given:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"nothing asks for {name!r}; the questions are: {', '.join(known)}",
                where=where,
                hint=f"Did you mean {near}?" if near else "Take it out.",
            )
    for name, question in known.items():
        allowed = ", ".join(question.answers)
        if name not in given:
            raise UsageError(
                f"{name!r} is not answered: {question.ask}", where=where, hint=f"Answer one of: {allowed}."
            )
        if given[name] not in question.answers:
            near = nearest(given[name], question.answers)
            raise UsageError(
                f"{name!r} is answered {given[name]!r}; allowed: {allowed}",
                where=where,
                hint=f"Did you mean {near}?" if near else None,
            )
    document = _document()
    return Choice(
        given,
        "adverse" if given["decision"] == "punitive" else "favourable",
        tuple(
            Proposal(str(entry["id"]), dict(entry["rule"]), str(entry["why"]).strip())
            for entry in document["proposals"]
            if _holds(entry["when"], given)
        ),
        tuple(
            LeftOut(str(entry["what"]), str(entry["why"]).strip())
            for entry in document["left_out"]
            if _holds(entry["when"], given)
        ),
    )


def read_answers(path: Path) -> Choice:
    """The choice that follows from a YAML file of answers. Errors: as `choose`, and SpecError for no YAML."""
    return choose(dict(yamlfile.load(path).data), where=str(path))


def record(choice: Choice, *, by: str | None, on: str | None) -> dict[str, Any]:
    """The choice as a document: what was answered, the rules with their reasons, what was left out."""
    asked = {question.id: question for question in questions()}
    return {
        "chosen": {"by": by, "on": on},
        "answers": choice.answers,
        "meaning": {name: asked[name].answers[word] for name, word in choice.answers.items()},
        "outcome": choice.outcome,
        "rules": [{"id": one.id, **one.rule, "why": one.why} for one in choice.proposals],
        "left_out": [{"what": one.what, "why": one.why} for one in choice.left_out],
    }


def _word(value: Any) -> str:
    """YAML reads a bare yes and no as true and false."""
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _holds(when: Mapping[str, list[str]], given: Mapping[str, str]) -> bool:
    return all(given[name] in [str(one) for one in words] for name, words in when.items())


@cache
def _document() -> Any:
    return yamlfile.load(resources.checklists() / FILE).data
