"""The examples of `harm-audit explain` as rows: the numbers of each sentence, and what the engine gives.

`worked(name, given, shown)` stands above a function of the given numbers, which builds the rows and returns
the shown ones. Both are written as the sentence writes them, so that a number in it is either one that the
rows are made of or one that came out. What the sentence itself works out (30 / 40 = 0.75) is read from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from audit.result import Comparison
from tests.engine.make import BOTH, estimate, run, selected

Numbers = tuple[float, ...]
NUMBER = re.compile(r"(?<![\w.,])(?<!GE\()[+−]?(?:\d[\d,]*\.?\d*|\.\d+)(?:/\d+)?%?")
SUM = re.compile(r"((?:[\d.,()√²¼·÷/+− ]|ln(?=[ (]))*\d(?:[\d.,()√²¼·÷/+− ]|ln(?=[ (]))*)= (−?[\d.]*\d)")


@dataclass(frozen=True)
class Worked:
    """An example: numbers as the sentence writes them, and the function from the given to the shown."""

    given: tuple[str, ...]
    shown: tuple[str, ...]
    make: Callable[..., float | Iterable[float]]

    def results(self) -> Numbers:
        """What the engine gives for the shown numbers."""
        made = self.make(*(number(text) for text in self.given))
        return tuple(made) if isinstance(made, tuple) else (float(made),)  # type: ignore[arg-type]


WORKED: dict[str, Worked] = {}


def worked(name: str, given: str, shown: str) -> Callable[[Any], Any]:
    """Register a function as the example of a metric."""

    def keep(make: Callable[..., Any]) -> Callable[..., Any]:
        assert name not in WORKED, name
        WORKED[name] = Worked(tuple(given.split()), tuple(shown.split()), make)
        return make

    return keep


def plain(sentence: str) -> str:
    """The sentence with its percentages in one piece."""
    return sentence.replace(" %", "%")


def number(text: str) -> float:
    """The number that a sentence writes so.

    >>> number("−0.19"), number("20,380"), number("8%"), number("1/3")
    (-0.19, 20380.0, 0.08, 0.3333333333333333)
    """
    bare = text.replace("−", "-").replace(",", "").rstrip("%")
    above, _, below = bare.partition("/")
    return float(above) / (float(below) if below else 1.0) / (100 if text.endswith("%") else 1)


def rounding(text: str) -> float:
    """Half a unit of the last place that the text shows.

    >>> rounding("0.75"), rounding("8%"), rounding("1/3")
    (0.005, 0.005, 1e-09)
    """
    if "/" in text:
        return 1e-9
    places = len(text.rstrip("%").partition(".")[2]) + 2 * text.endswith("%")
    return 0.5 * 10.0**-places


def sums(sentence: str) -> list[tuple[str, float, str]]:
    """What the sentence works out by itself: the term, its value, and the result as written.

    >>> [(value, text) for _, value, text in sums("Of 40 some: (30 + 10) / 80 = 0.50.")]
    [(0.5, '0.50')]
    """
    found = []
    for term, result in SUM.findall(sentence):
        term = term.strip(" ,.")
        code = re.sub(r"ln (\.?\d[\d.]*)", r"ln(\1)", term)
        for sign, python in (("−", "-"), ("·", "*"), ("÷", "/"), ("√", "sqrt"), ("²", "**2"), ("¼", "0.25")):
            code = code.replace(sign, python)
        found.append((term, float(eval(code, {"ln": math.log, "sqrt": math.sqrt})), result))
    return found


def one(frame: pd.DataFrame, metric: str, columns: dict[str, str] = BOTH, **more: Any) -> float:
    """The metric of group a."""
    found = estimate(run(frame, columns, *more.pop("rules", ()), **more), metric, g="a").value
    assert found is not None
    return found


def against_b(frame: pd.DataFrame, rule: dict[str, Any], columns: dict[str, str] = BOTH) -> list[Comparison]:
    """The comparisons of a with b."""
    result = run(frame, columns, rule, attributes={"g": {"reference": "b"}})
    return [item for item in result.comparisons if item.group == ("a",)]


def value_of(frame: pd.DataFrame, metric: str, kind: str, columns: dict[str, str] = BOTH) -> float:
    """The compared value of a against b."""
    bound = 0.99 if kind == "difference" else 2
    [found] = against_b(frame, {"metric": metric, "comparison": kind, "at_most": bound}, columns)
    assert found.value is not None
    return found.value


def only(n: float, of: float, m: float, among: float) -> pd.DataFrame:
    """Rows of two groups of which so many are predicted positive."""
    return selected(a=(round(n), round(of)), b=(round(m), round(among)))
