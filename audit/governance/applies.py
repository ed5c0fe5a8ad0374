"""The small language of `applies_if`: comparisons over a few named facts, read with `ast`, never run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from audit.registry import nearest

NAMES = (
    "use",
    "jurisdictions",
    "tier",
    "outcome",
    "modality",
    "role",
    "simplified_output",
    "flagged",
)
"""What a condition may ask about: the spec's system, the project's facts, and whether a group was flagged."""

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


class _Unknown:
    pass


_UNKNOWN = _Unknown()


def check(condition: str) -> str | None:
    """What is wrong with a condition, or None where it can be read.

    >>> check("use == 'credit' and tier >= 2")
    >>> check("__import__('os')")
    'a call is not allowed in a condition'
    """
    try:
        tree = ast.parse(condition, mode="eval").body
        _check(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error.args[0] if isinstance(error, ValueError) else "the condition cannot be read"
    return None


def evaluate(condition: str, facts: Mapping[str, Any]) -> bool | None:
    """True, False, or None where what is known does not settle it.

    A fact that is absent or None is unknown; unknown goes through `and`, `or` and `not` as in
    three-valued logic, so that `False and unknown` is False. A comparison of things that cannot be
    compared is unknown too. Whoever asks treats None as true: what is not known to be out is in.

    >>> evaluate("use == 'credit' and tier >= 2", {"use": "credit", "tier": 3})
    True
    >>> evaluate("use == 'credit' and tier >= 2", {"use": "hiring"})
    False
    >>> evaluate("tier >= 2", {}) is None
    True
    """
    problem = check(condition)
    if problem:
        raise ValueError(problem)
    value = _value(ast.parse(condition, mode="eval").body, facts)
    return None if value is _UNKNOWN else bool(value)


def _check(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=str() | int() | float() | None):
            return
        case ast.Name(id=name):
            if name not in NAMES:
                near = nearest(name, NAMES)
                guess = f"; did you mean {near}?" if near else f"; known: {', '.join(NAMES)}"
                raise ValueError(f"no fact is called {name!r}{guess}")
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                if not isinstance(part, ast.Constant):
                    raise ValueError("a list in a condition holds plain values only")
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _check(part)
        case ast.Compare(left=left, ops=ops, comparators=right):
            for part in (left, *right):
                _check(part)
            for op in ops:
                if type(op) not in _COMPARE:
                    raise ValueError("only ==, !=, <, <=, >, >=, in and not in compare")
        case _:
            raise ValueError(f"a {type(node).__name__.lower()} is not allowed in a condition")


def _value(node: ast.expr, facts: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            known = facts.get(name)
            return _UNKNOWN if known is None else known
        case ast.BoolOp(op=op, values=parts):
            return _junction([_value(part, facts) for part in parts], all_of=isinstance(op, ast.And))
        case ast.UnaryOp(operand=part):
            value = _value(part, facts)
            return _UNKNOWN if value is _UNKNOWN else not value
        case ast.Compare(left=left, ops=ops, comparators=right):
            values = [_value(part, facts) for part in (left, *right)]
            links = [_link(op, a, b) for op, a, b in zip(ops, values[:-1], values[1:], strict=True)]
            return _junction(links, all_of=True)
        case _:
            return ast.literal_eval(node)


def _link(op: ast.cmpop, left: Any, right: Any) -> Any:
    if left is _UNKNOWN or right is _UNKNOWN:
        return _UNKNOWN
    try:
        return _COMPARE[type(op)](left, right)
    except TypeError:
        return _UNKNOWN


def _junction(values: list[Any], *, all_of: bool) -> Any:
    settled = [v for v in values if v is not _UNKNOWN]
    decisive = [v for v in settled if bool(v) is not all_of]
    if decisive:
        return not all_of
    return _UNKNOWN if len(settled) < len(values) else all_of
