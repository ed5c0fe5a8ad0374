"""The impact tier: points for what is at stake, a limited credit for safeguards, and floors nothing lifts.

The arithmetic is that of Canada's algorithmic impact assessment (v1.0.1); the questions are our own and
stand in `checklists/tier.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from audit import resources
from audit.errors import UsageError
from audit.governance import yamlfile

AIA_RAW_MAX = 167
AIA_MITIGATION_MAX = 77
ROLES = ("owner", "reviewer", "independent", "executive", "board")


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to a question, what it counts, and the tier below which it lets nothing fall."""

    answer: str
    points: int
    words: str
    floor: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the questionnaire."""

    id: str
    text: str
    options: tuple[Option, ...]

    @property
    def most(self) -> int:
        """The most points it can count."""
        return max(option.points for option in self.options)


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questions, and who signs at each tier."""

    raw: tuple[Question, ...]
    safeguards: tuple[Question, ...]
    levels: tuple[str, ...]
    duties: dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Imported:
    """A score of Canada's own assessment, as somebody took it over."""

    raw: int
    mitigation: int
    total: int
    level: int
    by: str
    at: date
    file: str | None
    sha256: str | None

    @property
    def words(self) -> str:
        """Level and points in words."""
        return f"level {self.level} by the imported assessment: {self.total} of {AIA_RAW_MAX} points"


@dataclass(frozen=True, slots=True)
class Tier:
    """The tier of a project; `tier` is None until every question is answered."""

    tier: int | None
    words: str
    raw: int
    mitigation: int
    total: int
    floor: int
    unanswered: tuple[str, ...]
    agreed_by: str | None
    agreed_at: str | None
    imported: Imported | None = None


def score(raw: int, mitigation: int, raw_max: int, mitigation_max: int) -> tuple[int, int]:
    """Total points and level 1 to 4, in whole numbers.

    The total is raw, or 85 % of it rounded half up where at least 80 % of the mitigation points are
    reached; a level ends at 25, 50 and 75 % of `raw_max`.

    >>> score(10, 62, AIA_RAW_MAX, AIA_MITIGATION_MAX)
    (9, 1)
    >>> score(84, 61, AIA_RAW_MAX, AIA_MITIGATION_MAX)
    (84, 3)
    """
    if not 0 <= raw <= raw_max or not 0 <= mitigation <= mitigation_max:
        raise ValueError("points lie between 0 and their maximum")
    total = (85 * raw + 50) // 100 if 10 * mitigation >= 8 * mitigation_max else raw
    level = next((n for n in (1, 2, 3) if 4 * total <= n * raw_max), 4)
    return total, level


@cache
def load_questionnaire(path: Path | None = None) -> Questionnaire:
    """The questionnaire that ships, or the one at `path`."""
    path = path or resources.checklists() / "tier.yaml"
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="the tier questionnaire")
    duties = {}
    for entry in root.entries("duties"):
        tier, sign = entry.integer("tier", 1, 4), entry.entry("sign")
        if tier is None or sign is None:
            raise entry.fail("a duty names its tier and who signs")
        duties[tier] = {role: sign.integer(role, 0, 9) or 0 for role in ROLES if role in sign.data}
        sign.done()
        entry.done()
    made = Questionnaire(
        _questions(root, "raw"), _questions(root, "safeguards"), root.strings("levels"), duties
    )
    root.done()
    return made


def _questions(root: yamlfile.Entry, key: str) -> tuple[Question, ...]:
    questions = []
    for entry in root.entries(key):
        options = []
        for option in entry.entries("options"):
            points = option.integer("points", 0, 100) or 0
            answer = option.need("answer")
            options.append(
                Option(answer, points, option.text("words") or answer, option.integer("floor", 1, 4) or 1)
            )
            option.done()
        questions.append(Question(entry.need("id"), entry.need("question"), tuple(options)))
        entry.done()
    return tuple(questions)


def load_tier(path: Path, questionnaire: Questionnaire | None = None) -> Tier | None:
    """The project's tier from `governance/tier.yaml`; None where the file is not there."""
    if not path.exists():
        return None
    asked = questionnaire or load_questionnaire()
    root = yamlfile.Entry(yamlfile.load(path).data, path, what="tier.yaml")
    answers = root.entry("answers")
    raw = [(q, _given(answers, q)) for q in asked.raw]
    guards = [(q, _given(answers, q)) for q in asked.safeguards]
    if answers is not None:
        answers.done()
    agreed_by, agreed_at = root.text("agreed_by"), root.day("agreed_at")
    imported = _imported(root.entry("aia"))
    root.done()
    own = _tier(asked, raw, guards, agreed_by, str(agreed_at) if agreed_at else None)
    return own if imported is None else _raised(own, imported)


def imported(
    raw: int, mitigation: int, *, by: str, on: date, file: str | None = None, sha256: str | None = None
) -> Imported:
    """A score of the assessment, total and level computed; a UsageError where a count cannot be one.

    >>> imported(84, 62, by="Ada", on=date(2026, 11, 22)).words
    'level 2 by the imported assessment: 71 of 167 points'
    """
    for name, points, most in (("raw", raw, AIA_RAW_MAX), ("mitigation", mitigation, AIA_MITIGATION_MAX)):
        if not 0 <= points <= most:
            raise UsageError(f"{name} is {points}; it lies between 0 and {most}")
    total, level = score(raw, mitigation, AIA_RAW_MAX, AIA_MITIGATION_MAX)
    return Imported(raw, mitigation, total, level, by, on, file, sha256)


def keep(path: Path, taken: Imported) -> bool:
    """Write an imported score into tier.yaml, what stands there kept; True where the file was written."""
    if path.exists():
        document = yamlfile.load(path)
    else:
        document = yamlfile.Document(path, yamlfile.parse(template(load_questionnaire()), path), None)
    row = {"raw": taken.raw, "mitigation": taken.mitigation, "by": taken.by, "at": taken.at}
    row |= {key: value for key, value in (("file", taken.file), ("sha256", taken.sha256)) if value}
    document.data["aia"] = CommentedMap(row)
    return document.save()


def _imported(entry: yamlfile.Entry | None) -> Imported | None:
    if entry is None:
        return None
    raw, mitigation = entry.integer("raw", 0, AIA_RAW_MAX), entry.integer("mitigation", 0, AIA_MITIGATION_MAX)
    at = entry.day("at")
    if raw is None or mitigation is None or at is None:
        raise entry.fail("an imported score needs raw, mitigation, by and at")
    taken = imported(
        raw, mitigation, by=entry.need("by"), on=at, file=entry.text("file"), sha256=entry.text("sha256")
    )
    entry.done()
    return taken


def _raised(own: Tier, taken: Imported) -> Tier:
    """The higher of the two counts; the imported one alone where the own questions are not answered."""
    if own.tier is None:
        return replace(own, tier=taken.level, words=f"tier {taken.level}, {taken.words}", imported=taken)
    words = f"{own.words}; {taken.words}"
    if taken.level > own.tier:
        words = f"tier {taken.level}, {taken.words}; the own questions gave {own.words}"
    return replace(own, tier=max(own.tier, taken.level), words=words, imported=taken)


_Given = list[tuple[Question, Option | None]]


def _given(answers: yamlfile.Entry | None, question: Question) -> Option | None:
    if answers is None or answers.get(question.id) is None:
        return None
    chosen = answers.choice(question.id, tuple(option.answer for option in question.options))
    return next(option for option in question.options if option.answer == chosen)


def _tier(asked: Questionnaire, raw: _Given, guards: _Given, by: str | None, at: str | None) -> Tier:
    unanswered = tuple(q.id for q, option in raw if option is None)
    points = sum(option.points for _, option in raw if option)
    credit = sum(option.points for _, option in guards if option)
    most = sum(q.most for q in asked.raw)
    total, level = score(points, credit, most, sum(q.most for q in asked.safeguards))
    floor = max((option.floor for _, option in raw if option), default=1)
    tier = max(level, floor)
    words = f"tier {tier} ({asked.levels[tier - 1]}): {total} of {most} points"
    if floor > level:
        words += f", raised from {level} by an answer that sets a floor"
    if unanswered:
        words = f"not computed; unanswered: {', '.join(unanswered)}"
    return Tier(None if unanswered else tier, words, points, credit, total, floor, unanswered, by, at)


def template(questionnaire: Questionnaire) -> str:
    """An empty `tier.yaml` with every question and its answers as comments."""
    lines = [
        "# How grave is a wrong decision here? Choose one word for each question.",
        "# The tier follows from the answers and decides who has to sign.",
        "",
        "answers:",
    ]
    for question in (*questionnaire.raw, *questionnaire.safeguards):
        lines.append(f"\n  # {question.text}")
        lines += [f"  #   {o.answer}: {o.words}" for o in question.options if o.words != o.answer]
        if all(o.words == o.answer for o in question.options):
            lines.append(f"  #   {' or '.join(o.answer for o in question.options)}")
        lines.append(f"  {question.id}:")
    return "\n".join([*lines, "", "agreed_by:                # who agrees with this tier", "agreed_at:", ""])
