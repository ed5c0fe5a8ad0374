"""From a rule's bounds to the band that it allows, and refusal of bands that cannot judge."""

from __future__ import annotations

from dataclasses import dataclass

Band = tuple[float | None, float | None]
"""The lowest and highest value allowed; None is no limit on that side."""


@dataclass(frozen=True, slots=True)
class NoBand:
    """Why the bounds make no band, at which key, and what to write."""

    key: str | None
    what: str
    hint: str | None = None


def band(
    at_least: float | None, at_most: float | None, comparison: str, *, one_sided: bool, proportion: bool
) -> Band | NoBand:
    """The band of a rule, or why there is none.

    `proportion` says that the metric lies in [0, 1], so that a bound beyond it could not be missed.

    >>> band(None, 0.05, "difference", one_sided=False, proportion=True)
    (-0.05, 0.05)
    >>> band(0.8, None, "ratio", one_sided=False, proportion=True)
    (0.8, 1.25)
    >>> band(0.8, None, "ratio", one_sided=True, proportion=True)
    (0.8, None)
    """
    if at_least is None and at_most is None:
        return NoBand(None, "the rule has no bound; allowed: at_least, at_most", _EXAMPLES[comparison])
    if at_least is not None and at_most is not None:
        if one_sided:
            return NoBand(
                "one_sided", "`one_sided` with both at_least and at_most", "Take one of the three out."
            )
        if at_least > at_most:
            return NoBand(
                "at_least", f"the band is reversed: at_least {at_least:g} lies above at_most {at_most:g}"
            )
        if at_least == at_most:
            return _no_width("at_least")
    if comparison == "worst_group":
        return _own_value(at_least, at_most, one_sided=one_sided, proportion=proportion)
    if comparison in _SIZES:
        return _size(_SIZES[comparison], at_least, at_most, comparison, one_sided=one_sided)
    if comparison.endswith("ratio"):
        return _ratio(at_least, at_most, one_sided=one_sided)
    return _difference(at_least, at_most, one_sided=one_sided, limit=1.0 if proportion else None)


_EXAMPLES = {
    "difference": "Write at_most: 0.05.",
    "ratio": "Write at_least: 0.8.",
    "worst_group": "Write at_least: 0.7, or at_most: 0.3.",
    "conditional_difference": "Write at_most: 0.05.",
    "conditional_ratio": "Write at_least: 0.8.",
    "pairs": "Write at_most: 0.2.",
    "distance": "Write at_most: 0.1.",
}


def _no_width(key: str) -> NoBand:
    return NoBand(key, "the band has no width, so that nothing could ever be shown to lie inside it")


def _difference(
    at_least: float | None, at_most: float | None, *, one_sided: bool, limit: float | None
) -> Band | NoBand:
    for key, bound, sign in (("at_least", at_least, -1.0), ("at_most", at_most, 1.0)):
        if bound is None:
            continue
        if bound * sign < 0:
            return NoBand(
                key, f"`{key}`: found {bound:g}; groups that are equal, at 0, would lie outside the band"
            )
        if limit is not None and bound * sign >= limit:
            hint = f"Shares are written from 0 to 1: {bound / 100:g}." if abs(bound) > 1 else None
            what = f"`{key}`: found {bound:g}; no difference of shares reaches it; allowed: below 1 in size"
            return NoBand(key, what, hint)
    if one_sided or (at_least is not None and at_most is not None):
        return at_least, at_most
    if at_most is None:
        return NoBand(
            "at_least",
            "`at_least` for a difference bounds one side",
            "Add one_sided: true, or write at_most.",
        )
    return (-at_most, at_most) if at_most > 0 else _no_width("at_most")


def _ratio(at_least: float | None, at_most: float | None, *, one_sided: bool) -> Band | NoBand:
    if at_least is not None and not 0 < at_least <= 1:
        what = f"`at_least`: found {at_least:g}; allowed for a ratio: above 0, at most 1"
        hint = f"Write {at_least / 100:g}." if 1 < at_least <= 100 else None
        return NoBand("at_least", what, hint)
    if at_most is not None and at_most < 1:
        hint = f"Write at_least: {at_most:g}." if at_most > 0 else None
        return NoBand("at_most", f"`at_most`: found {at_most:g}; allowed for a ratio: 1 or more", hint)
    if one_sided or (at_least is not None and at_most is not None):
        return at_least, at_most
    if at_least is not None:
        return (at_least, 1 / at_least) if at_least < 1 else _no_width("at_least")
    assert at_most is not None
    return (1 / at_most, at_most) if at_most > 1 else _no_width("at_most")


def _own_value(
    at_least: float | None, at_most: float | None, *, one_sided: bool, proportion: bool
) -> Band | NoBand:
    if one_sided:
        return NoBand(
            "one_sided", "`one_sided` with worst_group, where each bound has one side already", "Take it out."
        )
    if proportion and at_least is not None and not 0 < at_least < 1:
        return NoBand("at_least", f"`at_least`: found {at_least:g}; allowed for a share: between 0 and 1")
    if proportion and at_most is not None and not 0 < at_most < 1:
        return NoBand("at_most", f"`at_most`: found {at_most:g}; allowed for a share: between 0 and 1")
    return at_least, at_most


_SIZES = {
    "pairs": "the largest log ratio of any two groups",
    "distance": "the largest distance of a group's distribution",
}
"""Comparisons that have a size and no direction, and what their bound is."""


def _size(
    words: str, at_least: float | None, at_most: float | None, comparison: str, *, one_sided: bool
) -> Band | NoBand:
    if at_least is not None:
        return NoBand("at_least", f"`at_least` with {comparison}; allowed: at_most, {words}")
    if one_sided:
        return NoBand(
            "one_sided",
            f"`one_sided` with {comparison}, where either group may be the higher",
            "Take it out.",
        )
    assert at_most is not None
    if at_most <= 0:
        return NoBand("at_most", f"`at_most`: found {at_most:g}; allowed: above 0")
    return None, at_most
