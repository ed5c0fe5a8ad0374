"""The language of conditions: three-valued, closed, and of no use to an attacker."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.governance import applies

FACTS: dict[str, Any] = {"use": "credit", "tier": 3, "jurisdictions": {"EU", "INT"}, "modality": None}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("use == 'credit'", True),
        ("use in ['credit', 'housing'] and tier >= 2", True),
        ("'US' in jurisdictions", False),
        ("'US' not in jurisdictions and not tier < 3", True),
        ("1 <= tier <= 3", True),
        ("modality == 'text'", None),
        ("modality == 'text' and use == 'hiring'", False),
        ("modality == 'text' or use == 'credit'", True),
        ("not modality == 'text'", None),
        ("role != 'deployer'", None),
        ("flagged", None),
        ("use >= 3", None),
        ("tier in 3", None),
    ],
)
def test_what_is_not_known_stays_open(condition: str, value: bool | None) -> None:
    assert applies.evaluate(condition, FACTS) is value


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('x')",
        "use.__class__",
        "[x for x in use]",
        "use if tier else 1",
        "lambda: 1",
        "use[0]",
        "tier + 1 > 2",
        "f'{use}'",
        "use is None",
        "b'x' == use",
        "...",
        "unknown == 1",
        "use == ",
        "use; tier",
        "(" * 500 + "tier" + ")" * 500,
        "",
    ],
)
def test_nothing_else_is_a_condition(condition: str) -> None:
    assert applies.check(condition)
    with pytest.raises(ValueError, match=r"\S"):
        applies.evaluate(condition, FACTS)


@given(st.text(max_size=40))
def test_any_text_is_refused_or_evaluated_and_never_worse(text: str) -> None:
    if applies.check(text) is None:
        assert applies.evaluate(text, FACTS) in (True, False, None)


leaves = st.sampled_from([("tier == 3", True), ("tier == 4", False), ("role == 'both'", None)])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda x: (f"not ({x[0]})", None if x[1] is None else not x[1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) and ({p[1][0]})", _and(p[0][1], p[1][1]))),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) or ({p[1][0]})", _or(p[0][1], p[1][1]))),
    ),
    max_leaves=8,
)


def _and(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _or(a: bool | None, b: bool | None) -> bool | None:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


@given(trees)
def test_and_or_not_are_kleenes(tree: tuple[str, bool | None]) -> None:
    assert applies.evaluate(tree[0], FACTS) is tree[1]
