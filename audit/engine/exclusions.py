"""Why a row is read and not audited."""

from __future__ import annotations

from collections.abc import Iterable

UNREADABLE = "unreadable line"
FILTERED = "left out by data.filter"
GAP = "an attribute is missing (data.missing: exclude)"
NO_PLACE, NO_PREDICTION, NO_SCORE = "no place in a list", "no prediction", "no score"
_REASONS = (UNREADABLE, FILTERED, GAP, NO_PLACE, NO_PREDICTION, NO_SCORE)


def in_order(reasons: Iterable[str]) -> list[str]:
    """Reasons in the order in which a row is asked for them; others last.

    >>> in_order(["no score", "unreadable line"])
    ['unreadable line', 'no score']
    """
    place = {reason: index for index, reason in enumerate(_REASONS)}
    return sorted(reasons, key=lambda reason: (place.get(reason, len(place)), reason))
