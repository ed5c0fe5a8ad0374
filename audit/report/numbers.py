"""How the report writes figures and names: digits that the interval justifies, text that cannot do harm."""

from __future__ import annotations

import math
import unicodedata
from datetime import datetime, timedelta

from audit.result import Group

NAME_LIMIT = 200
"""Characters of a value that a page shows; the rest is in audit.json."""

WIDE = 20.0
"""An interval as wide as this justifies no decimals."""
MINUS, NARROW = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
_REPLACED = frozenset("\u2028\u2029\u200e\u200f\ufffe\uffff") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Separators and direction marks that reorder the text around them."""


def clean(text: str, limit: int | None = NAME_LIMIT) -> str:
    """`text` without characters that break a page or a plot, cut at `limit` with an ellipsis.

    >>> clean("a\\x00b") == "a\\ufffdb", clean("abcdef", 4)
    (True, 'abc…')
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if c in _REPLACED or unicodedata.category(c) in ("Cc", "Cs") else c for c in text)


def name(group: Group) -> str:
    """A group's name for a page, its values joined by `×`.

    >>> name(("Female", None)), name(("",)), name(())
    ('Female × (missing)', '(empty)', 'everyone')
    """
    words = ("(missing)" if value is None else clean(value) or "(empty)" for value in group)
    return " × ".join(words) or "everyone"


def decimals(low: float | None, high: float | None, *, least: int = 2, most: int = 4) -> int:
    """Decimal places at which a figure's last digit is about a tenth of its interval's width.

    >>> decimals(0.68, 0.78), decimals(0.731, 0.742), decimals(None, None), decimals(688.7, 1551.6)
    (2, 3, 3, 0)
    """
    if low is None or high is None or not high > low:
        return least + 1
    if high - low >= WIDE:
        return 0
    return min(most, max(least, round(-math.log10((high - low) / 10))))


def figure(value: float | None, places: int = 3, *, bounds: tuple[float | None, ...] = ()) -> str:
    """`value` at `places` decimals, more where it would be read as lying on a bound.

    >>> figure(-0.1697, 2), figure(0.7986, 2, bounds=(0.8,)), figure(0.8, 2, bounds=(0.8,)), figure(None)
    ('−0.17', '0.799', '0.80', 'undefined')
    """
    if value is None:
        return "undefined"
    for bound in bounds:
        while (
            bound is not None
            and places < 7
            and value != bound
            and round(value, places) == round(bound, places)
        ):
            places += 1
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval(
    low: float | None, high: float | None, places: int = 3, *, bounds: tuple[float | None, ...] = ()
) -> str:
    """Both limits, an open end as `∞`; more digits where a limit would be read as lying on a bound.

    >>> interval(0.684, 0.783, 2), interval(-0.2, None, 2)
    ('0.68 to 0.78', '−0.20 to ∞')
    """
    if low is None and high is None:
        return "none"
    left = f"{MINUS}∞" if low is None else figure(low, places, bounds=bounds)
    return f"{left} to {'∞' if high is None else figure(high, places, bounds=bounds)}"


def percent(value: float | None, places: int = 1) -> str:
    """A share in per cent.

    >>> percent(0.7427) == f"74.3{NARROW}%"
    True
    """
    return "undefined" if value is None else f"{figure(100 * value, places)}{NARROW}%"


def rows(n: float | None) -> str:
    """A number of rows; one decimal where weights leave a fraction.

    >>> rows(12345), rows(17.25), rows(None)
    ('12,345', '17.2', '–')
    """
    if n is None:
        return "–"
    return f"{n:,.0f}" if float(n).is_integer() or n >= 1000 else f"{n:,.1f}"


def p_words(p: float | None) -> str:
    r"""A p value to two digits.

    >>> p_words(0.0312), p_words(1e-9), p_words(1.0), p_words(None)
    ('0.031', '<\u202f0.0001', '1', '–')
    """
    if p is None:
        return "–"
    if p < 1e-4:
        return f"<{NARROW}0.0001"
    if p >= 0.1:
        return "1" if p >= 0.995 else f"{p:.2f}"
    return f"{p:.2g}"


def moment(text: str) -> str:
    """A UTC time stamp to the minute; anything else as it is.

    >>> moment("2026-11-22T10:00:00Z"), moment("yesterday")
    ('2026-11-22 10:00 UTC', 'yesterday')
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return clean(text)
    utc = when.utcoffset() == timedelta(0)
    return f"{when:%Y-%m-%d %H:%M} UTC" if utc else clean(text)


def width(text: str) -> int:
    """Columns that `text` takes: wide characters two, combining ones none.

    >>> width("ab"), width("中文")
    (2, 4)
    """
    return sum(
        0
        if unicodedata.combining(c) or c == "\u200d"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def wrap(text: str, columns: int) -> list[str]:
    """`text` in lines of at most `columns`, broken at spaces, within a word only where it is longer.

    >>> wrap("Native Hawaiian or Pacific Islander", 18)
    ['Native Hawaiian or', 'Pacific Islander']
    >>> wrap("abcdefgh", 5)
    ['abcde', 'fgh']
    """
    lines, line = [], ""
    for word in text.split():
        while width(word) > columns:
            room = columns - (width(line) + 1 if line else 0)
            if room < 4:
                lines.append(line)
                line, room = "", columns
            head = _head(word, room)
            lines.append(f"{line} {head}".strip())
            line, word = "", word[len(head) :]
        if line and width(line) + 1 + width(word) > columns:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line or not lines else lines


def _head(word: str, columns: int) -> str:
    taken = 0
    for index, character in enumerate(word):
        taken += width(character)
        if taken > columns:
            return word[: max(1, index)]
    return word
