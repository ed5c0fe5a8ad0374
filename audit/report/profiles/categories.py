"""The categories of the EEO-1 report, and which of them a value in the data means."""

from __future__ import annotations

SEX = ("Male", "Female")
RACE = (
    "Hispanic or Latino",
    "White",
    "Black or African American",
    "Native Hawaiian or Pacific Islander",
    "Asian",
    "Native American or Alaska Native",
    "Two or More Races",
)
_SEX_WORDS = {"m": "Male", "male": "Male", "man": "Male", "men": "Male"} | dict.fromkeys(
    ("f", "female", "woman", "women"), "Female"
)
_RACE_WORDS = (
    ("two or more", 6), ("multi", 6), ("mixed", 6),
    ("non hispanic", None), ("not hispanic", None), ("hispanic", 0), ("latin", 0),
    ("hawaiian", 3), ("pacific", 3), ("nhpi", 3), ("alaska", 5), ("native", 5), ("american indian", 5),
    ("indigenous", 5), ("asian", 4), ("black", 2), ("african", 2), ("white", 1),
)  # fmt: skip
"""Tried in this order: `Native Hawaiian` is no Native American, `White, not Hispanic` is White."""


def sex(value: str) -> str | None:
    """The category of a value; None where it is none of them.

    >>> sex("F"), sex("woman"), sex("X")
    ('Female', 'Female', None)
    """
    return _SEX_WORDS.get(value.strip().casefold())


def race(value: str) -> str | None:
    """The category of a value; None where it is none of them.

    >>> race("White (not Hispanic)"), race("Native Hawaiian"), race("Latino"), race("Other")
    ('White', 'Native Hawaiian or Pacific Islander', 'Hispanic or Latino', None)
    """
    text = " ".join(value.casefold().replace("-", " ").split())
    for word, place in _RACE_WORDS:
        if word in text:
            if place is not None:
                return RACE[place]
            text = text.replace(word, "")
    return None
