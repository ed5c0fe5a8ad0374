"""The kinds of value that a spec's keys take, each with its own refusal."""

from __future__ import annotations

import math
import os
import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from audit.spec.problems import shown

SPEC_ERROR = "spec"


class Section(BaseModel):
    """A mapping of the file: it takes the keys that it names and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse(what: str, hint: str | None = None) -> PydanticCustomError:
    """An error whose words are ready to be shown."""
    return PydanticCustomError(SPEC_ERROR, "{what}", {"what": what, "hint": hint})


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        hint = "Put it in quotes." if isinstance(value, (bool, float)) else None
        raise refuse(f"found {shown(value)}; allowed: text", hint)
    if not value.strip():
        raise refuse("found empty text; allowed: text")
    return value


def scalar_text(value: Any) -> str:
    """A scalar as the text that is compared with the data.

    >>> [scalar_text(value) for value in (1, 1.0, 0.5, True, ">50K")]
    ['1', '1', '0.5', 'true', '>50K']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value
    raise refuse(f"found {shown(value)}; allowed: text, a number, true or false")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = "Take the quotes off." if isinstance(value, str) and _is_number(value) else None
        raise refuse(f"found {shown(value)}; allowed: a number", hint)
    if not math.isfinite(value):
        raise refuse(f"found {shown(value)}; allowed: a finite number")
    return float(value)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) is not None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(f"found {shown(value)}; allowed: a whole number")
    if value < 1:
        raise refuse(f"found {value}; allowed: a whole number from 1 up")
    if value > 2**53:
        raise refuse(f"found {shown(value)}; allowed: a whole number that a count of rows can reach")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refuse(f"found {shown(value)}; allowed: true or false")
    return value


def _date(value: Any) -> date:
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise refuse(f"found {shown(value)}; allowed: a date, as 2027-03-31")


def _confidence(value: Any) -> float:
    number = _number(value)
    if not 0.5 < number < 1:
        hint = f"Write {number / 100:g}." if 50 < number < 100 else None
        raise refuse(f"found {shown(value)}; allowed: a number between 0.5 and 1, neither included", hint)
    return number


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> int:
    """A duration in seconds: a whole number with s, m, h, d or w.

    >>> seconds("1d"), seconds("90 m"), seconds("2w")
    (86400, 5400, 1209600)
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw])\s*", text)
    if not found:
        raise ValueError("a duration is a whole number with s, m, h, d or w, as 30d")
    return int(found[1]) * _SECONDS[found[2]]


def _duration(value: Any) -> str:
    try:
        seconds(value if isinstance(value, str) else "")
    except ValueError:
        hint = "Write a whole number with s, m, h, d or w, as 30d."
        raise refuse(f"found {shown(value)}; allowed: a duration", hint) from None
    return str(value)


def _length(value: Any) -> str:
    found = _duration(value)
    if not seconds(found):
        raise refuse(f"found {shown(value)}; 0 is no duration here")
    return found


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 < number < 1:
        raise refuse(f"found {shown(value)}; allowed: a number over 0 and under 1")
    return number


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"]})]
Scalar = Annotated[
    str, BeforeValidator(scalar_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer", "minimum": 1})]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]
Confidence = Annotated[
    float,
    BeforeValidator(_confidence),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1}),
]
_PATTERN = {"type": "string", "pattern": r"^\s*\d{1,9}\s*[smhdw]\s*$"}
Duration = Annotated[str, BeforeValidator(_duration), WithJsonSchema(_PATTERN)]
Length = Annotated[str, BeforeValidator(_length), WithJsonSchema(_PATTERN)]
"""A duration that is not 0."""
Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
]
