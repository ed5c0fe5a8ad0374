"""pydantic's errors in the words of the spec: what was found, what is allowed, what is near."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from audit.spec.model import SECTIONS, keys
from audit.spec.problems import PathKey, Problems, listed, near_hint, short, shown
from audit.spec.values import SPEC_ERROR

_KINDS = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text",
}


def collect(error: ValidationError, problems: Problems) -> None:
    """Each of pydantic's errors, as a problem at its place."""
    for detail in error.errors(include_url=False):
        if problems.full:
            return
        path = problems.places.known(detail["loc"])
        what, hint = _words(detail, path)
        problems.add(path, what, hint)


def _words(detail: ErrorDetails, path: PathKey) -> tuple[str, str | None]:
    kind, found = detail["type"], detail.get("input")
    context: dict[str, Any] = detail.get("ctx", {})
    key = _key(path)
    if kind == "missing":
        lacking = str(detail["loc"][-1])
        return f"{_inside(path)} lacks the key `{lacking}`", _purpose(path, lacking)
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == SPEC_ERROR:
        return f"{key}: {context['what']}", context.get("hint")
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        hint = near_hint(found, allowed) if isinstance(found, str) else None
        return f"{key}: found {shown(found)}; allowed: {listed(allowed)}", hint
    wanted = _KINDS.get(kind)
    if wanted is None:
        return f"{key}: {detail['msg']}", None
    hint = f"Write [{short(found)}]." if wanted == "a list" and isinstance(found, str) else None
    if _section(path) == "policy.rules.*" and isinstance(found, str):
        hint = f"Write {{metric: {short(found)}}}."
    return f"{key}: found {shown(found)}; allowed: {wanted}", hint


def _key(path: PathKey) -> str:
    """The last name of the path, with the positions after it."""
    words = ""
    for part in reversed(path):
        if isinstance(part, str):
            return f"`{short(part)}{words}`"
        words = f"[{part}]{words}"
    return "the file"


def _section(path: PathKey) -> str | None:
    """The pattern in SECTIONS that `path` is an instance of."""
    for pattern in SECTIONS:
        parts = pattern.split(".") if pattern else []
        if len(parts) == len(path) and all(
            want in ("*", part) for want, part in zip(parts, path, strict=True)
        ):
            return pattern
    return None


def _inside(path: PathKey) -> str:
    return _key(path) if path else "the spec"


def _purpose(path: PathKey, key: str) -> str | None:
    section = _section(path)
    if section is None:
        return None
    for name, field in SECTIONS[section].model_fields.items():
        if (field.alias or name) == key:
            return f"`{key}`: {field.description}"
    return None


def _unknown_key(path: PathKey) -> tuple[str, str | None]:
    name = str(path[-1])
    section = _section(path[:-1])
    known = keys(SECTIONS[section]) if section is not None else ()
    what = f"unknown key `{short(name)}` in {_inside(path[:-1])}; allowed: {listed(known)}"
    hint = near_hint(name, known)
    homes = [home for home, model in SECTIONS.items() if name in keys(model)]
    if hint is None and homes:
        place = re.sub(r"\.\*$", "", homes[0]).replace(".*", "[]") or "the top level"
        hint = f"`{name}` belongs under {place}."
    return what, hint
