"""Results to JSON and back, and their JSON Schema, all read from the dataclasses' own types."""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from audit.errors import BundleError

T = typing.TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass as dicts, lists and scalars; a number that JSON cannot hold is an error.

    >>> from audit.result import Exclusion
    >>> to_plain(Exclusion("filtered", 3))
    {'reason': 'filtered', 'rows': 3, 'lines': []}
    """
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a result holds {value}, which has no place in it")
    return value


def dumps(value: Any) -> bytes:
    """Canonical UTF-8 JSON: equal values give equal bytes; a list's items stand one to a line."""

    def compact(item: Any) -> str:
        return json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))

    plain = to_plain(value)
    lines = []
    for key, item in plain.items():
        if isinstance(item, list) and item:
            body = "[\n  " + ",\n  ".join(compact(entry) for entry in item) + "\n ]"
        else:
            body = compact(item)
        lines.append(f" {compact(key)}: {body}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "replace")


def loads(kind: type[T], text: bytes | str, *, where: str) -> T:
    """The value that `dumps` wrote; anything else is a BundleError that names `where`."""
    try:
        return typing.cast("T", from_plain(kind, json.loads(text, parse_constant=_refuse)))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BundleError(
            f"not a {kind.__name__} document: {error}",
            where=where,
            hint="It was written by another version or changed by hand; make it anew with `harm-audit run`.",
        ) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def from_plain(kind: Any, plain: Any) -> Any:
    """`plain` as a value of the type `kind`; a ValueError or TypeError where it does not fit."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        options = typing.get_args(kind)
        if plain is None:
            if type(None) in options:
                return None
            raise ValueError("null where a value is needed")
        return from_plain(next(option for option in options if option is not type(None)), plain)
    if origin is tuple:
        if not isinstance(plain, list):
            raise TypeError(f"expected a list, found {type(plain).__name__}")
        return tuple([from_plain(typing.get_args(kind)[0], item) for item in plain])
    if origin is dict:
        value_kind = typing.get_args(kind)[1]
        return {str(key): from_plain(value_kind, item) for key, item in plain.items()}
    if is_dataclass(kind):
        return _dataclass(typing.cast(type, kind), plain)
    return _scalar(kind, plain)


def _dataclass(kind: type, plain: Any) -> Any:
    if not isinstance(plain, dict):
        raise TypeError(f"expected {kind.__name__}, found {type(plain).__name__}")
    hints = _hints(kind)
    unknown = plain.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
    missing = [field.name for field in fields(kind) if field.name not in plain and field.default is MISSING]
    if missing:
        raise ValueError(f"{kind.__name__} lacks {missing[0]!r}")
    return kind(**{name: from_plain(hints[name], item) for name, item in plain.items()})


def _scalar(kind: Any, plain: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    if kind is Any or (isinstance(plain, kind) and not (kind is int and isinstance(plain, bool))):
        return plain
    raise TypeError(f"expected {kind.__name__}, found {plain!r:.60}")


def json_schema(kind: type, *, title: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a dataclass, its docstrings as descriptions."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return {
            "anyOf": [
                {"type": "null"} if option is type(None) else _schema(option, definitions)
                for option in typing.get_args(kind)
            ]
        }
    if origin is tuple:
        return {"type": "array", "items": _schema(typing.get_args(kind)[0], definitions)}
    if origin is dict:
        values = _schema(typing.get_args(kind)[1], definitions)
        return {"type": "object", "additionalProperties": values}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if is_dataclass(kind):
        name = typing.cast(type, kind).__name__
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = {
                "type": "object",
                "description": (kind.__doc__ or "").strip(),
                "properties": {
                    field: _schema(hint, definitions)
                    for field, hint in _hints(typing.cast(type, kind)).items()
                },
                "required": [field.name for field in fields(kind) if field.default is MISSING],
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}
    return {"type": _SCALARS[kind]}
