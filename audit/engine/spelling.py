"""How labels and predictions are written: what is one value, what means yes, and what means nothing."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable

from audit.errors import DataError

_PLAIN = (("1", "0"), ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))
_SAME = {"1": "yes", "true": "yes", "0": "no", "false": "no"}
_LETTERS = {"y": "yes", "n": "no", "t": "true", "f": "false"}
_NOTHING = {"na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "?"}
_NOTHING_MORE = {"none", "missing", "unknown", "undefined", "-", "--", "."}
"""These may be a class of their own where there are two; beside both classes they are none."""


def decision(value: str | None) -> str | None:
    """A label or prediction as it is compared: blank is missing, and 1.0 is 1 however it was written.

    >>> [decision(value) for value in ("1.0", "01", " ", "yes")]
    ['1', '01', None, 'yes']
    """
    if value is None or not value.strip():
        return None
    whole, _, rest = value.partition(".")
    return whole if rest and not rest.strip("0") and whole.lstrip("-").isdigit() else value


def check_negative(role: str, named: str, other: str, where: str, *, alone: bool) -> None:
    """A DataError where `other`, which would count as negative, says the same as the positive, or nothing."""
    said = other.strip().casefold()
    if said in _NOTHING or (not alone and said in _NOTHING_MORE):
        raise DataError(
            f"the {role} {other!r} would count as negative beside the positive {named!r}, "
            "and it reads as a missing value",
            where=where,
            hint="Leave what is missing empty (NULL); where it is a class, give it another name.",
        )
    if _same(named, other):
        raise DataError(
            f"the {role} {other!r} would count as negative, and it reads as the positive {named!r}",
            where=where,
            hint="Write one value in one way in every row.",
        )


def check_classes(classes: Iterable[str], where: str) -> None:
    """A DataError where a class reads as a missing value, or as another but for its case and blanks."""
    known: dict[str, str] = {}
    for name in classes:
        said = name.strip().casefold()
        if said in _NOTHING:
            raise DataError(
                f"the class {name!r} reads as a missing value",
                where=where,
                hint="Leave what is missing empty (NULL); where it is a class, give it another name.",
            )
        if said in known:
            raise DataError(
                f"the classes {known[said]!r} and {name!r} read as one",
                where=where,
                hint="Write one class in one way in every row.",
            )
        known[said] = name


def _same(one: str, other: str) -> bool:
    """Whether two values can only be two ways to write one.

    >>> _same("Yes", "yes "), _same("1", "01"), _same("1", "TRUE"), _same("yes", "Y"), _same("t", "y")
    (True, True, True, True, False)
    """
    first, second = (value.strip().strip('"').casefold() for value in (one, other))
    with contextlib.suppress(ValueError):
        if float(first) == float(second):
            return True
    words = {_SAME.get(first, first), _SAME.get(second, second)}
    letters = {_LETTERS.get(first, first), _LETTERS.get(second, second)}
    return len(words) == 1 or (len(letters) == 1 and min(len(first), len(second)) == 1)


def is_fraction(value: str) -> bool:
    """Whether the text is a number that is not whole."""
    try:
        number = float(value)
    except ValueError:
        return False
    return math.isfinite(number) and not number.is_integer()


def guess_positive(seen: set[str]) -> str | None:
    """The positive value of a plain pair, whatever its case; None where it is not plain.

    >>> guess_positive({"Yes", "no"}), guess_positive({"0"}), guess_positive({">50K", "<=50K"})
    ('Yes', '1', None)
    """
    lowered = {value.strip().lower(): value for value in seen}
    for yes, no in _PLAIN:
        if set(lowered) <= {yes, no} and len(lowered) == len(seen):
            return lowered.get(yes, yes)
    return None
