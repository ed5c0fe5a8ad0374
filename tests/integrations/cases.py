"""Projects whose verdict is known from how they are made: every way into the gate must agree on them."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

PASS, VIOLATION, INCONCLUSIVE, USAGE, DATA = "pass", "violation", "inconclusive", "usage", "data"
CODES = {PASS: 0, VIOLATION: 1, USAGE: 2, INCONCLUSIVE: 3, DATA: 4}

SPEC = """\
system: {{name: {name}}}
data:
  source: rows.csv
  columns: {{prediction: approved, count: people}}
  attributes: {{sex: {{}}}}
policy:
  on_inconclusive: {word}
  rules:
    - {rule}
"""
RULES = (
    "{id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8}",
    "{id: gap, metric: selection_rate, comparison: difference, at_most: 0.1}",
    "{id: 'one, two', metric: selection_rate, comparison: ratio, at_least: 0.8, severity: blocker}",
)
DEFECTS = (
    "{id: approval, metric: selecton_rate, comparison: ratio, at_least: 0.8}",
    "{id: approval, metric: selection_rate, comparison: ratio}",
    "{id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8, severe: yes}",
    "{id: approval, metric: selection_rate, comparison: ratio, at_least: 0.8",
)
"""Rules that no policy may hold: a name that is unknown, no bound, a key too many, half a line."""


@dataclass(frozen=True)
class Case:
    """One project: its files, and what is to be said of it."""

    name: str
    verdict: str
    word: str
    """The policy's on_inconclusive."""
    rule: str
    people: tuple[tuple[str, str, str], ...]
    """(sex, approved, people) a row."""
    column: str = "approved"

    @property
    def code(self) -> int:
        """The exit code of a gate."""
        return 0 if self.verdict == INCONCLUSIVE and self.word != "fail" else CODES[self.verdict]

    @property
    def seen_without_data(self) -> bool:
        """Whether reading the policy file is enough to see what is wrong."""
        return self.verdict == USAGE and self.column == "approved"

    def write(self, folder: Path) -> Path:
        """The project in a new folder; the policy file's path."""
        folder.mkdir(parents=True)
        with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("sex", self.column, "people"), *self.people])
        spec = folder / "audit.yaml"
        spec.write_text(SPEC.format(name=self.name, word=self.word, rule=self.rule), encoding="utf-8")
        return spec


def cases() -> list[Case]:
    """Thirty: 8 each that pass, violate, are inconclusive; 5 with a wrong policy, 1 with wrong data."""
    chance = random.Random(22)
    found: list[Case] = []
    for number in range(8):
        rule, rate = RULES[number % len(RULES)], chance.uniform(0.4, 0.7)
        many, few = chance.randint(20_000, 60_000), chance.randint(40, 90)
        word = ("fail", "warn", "pass")[number % 3]
        found += [
            Case(f"pass-{number}", PASS, word, rule, people(many, rate, rate)),
            Case(f"violation-{number}", VIOLATION, word, rule, people(many, rate, rate * 0.5)),
            Case(f"inconclusive-{number}", INCONCLUSIVE, word, rule, people(few, rate, rate * 0.85)),
        ]
    even = people(20_000, 0.5, 0.5)
    found += [Case(f"usage-{n}", USAGE, "fail", rule, even) for n, rule in enumerate(DEFECTS)]
    found.append(Case("usage-column", USAGE, "fail", RULES[0], even, column="decision"))
    found.append(Case("data-0", DATA, "fail", RULES[0], (*even, ("f", "1", "-3"))))
    return found


def people(each: int, men: float, women: float) -> tuple[tuple[str, str, str], ...]:
    """Counts of two groups of the same size with these selection rates."""
    rows = []
    for sex, rate in (("m", men), ("f", women)):
        chosen = round(each * rate)
        rows += [(sex, "1", str(chosen)), (sex, "0", str(each - chosen))]
    return tuple(rows)
