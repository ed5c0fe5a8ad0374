"""The report's short words, read once from the templates folder, and names of metrics from the registry."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from audit import resources
from audit.errors import UsageError
from audit.registry import Alias, Metric, lookup
from audit.report.numbers import clean


@cache
def words() -> dict[str, Any]:
    """The words of `templates/report/words.toml`, by section.

    >>> words()["verdict"]["pass"]
    'Pass'
    """
    return tomllib.loads((resources.templates() / "report" / "words.toml").read_text(encoding="utf-8"))


def entry(metric: str) -> Metric | Alias | None:
    """The registry's entry; None for a metric that another version of the program measured."""
    try:
        return lookup(metric)
    except UsageError:
        return None


def title(metric: str) -> str:
    """A metric's title, as a heading writes it.

    >>> title("selection_rate"), title("from_elsewhere")
    ('Selection rate', 'From elsewhere')
    """
    known = entry(metric)
    return known.title if known else clean(metric).replace("_", " ").capitalize()


def within_sentence(metric: str) -> str:
    """A metric's title in the middle of a sentence: abbreviations and names keep their capitals.

    >>> within_sentence("selection_rate"), within_sentence("matthews_corrcoef")
    ('selection rate', 'Matthews correlation')
    """
    text = title(metric)
    first = text.split(" ")[0]
    proper = first in ("Matthews", "Brier", "ROC", "Gini", "Theil") or not first[1:].islower()
    return text if proper else text[0].lower() + text[1:]


def is_proportion(metric: str) -> bool:
    """Whether a metric is a share, so that its differences are percentage points."""
    known = entry(metric)
    return isinstance(known, Metric) and known.unit == "proportion"


def people(kind: str | None, group: str) -> str | None:
    """What the people of a group are called, where the attribute's kind makes that plain.

    >>> people("sex", "Female"), people(None, "Female")
    ('women', None)
    """
    found: str | None = words()["people"].get(kind, {}).get(group.strip().lower()) if kind else None
    return found


def reference_words(reference: str) -> str:
    """A reference in a sentence.

    >>> reference_words("rest"), reference_words("White")
    ('the rest', 'White')
    """
    named: dict[str, str] = words()["reference"]
    return named.get(reference) or " × ".join(clean(part) for part in reference.split(" × ")) or "(empty)"
