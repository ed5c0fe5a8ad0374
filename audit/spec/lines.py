"""YAML 1.2 to plain values with the line of each, and refusal of what makes YAML dangerous."""

from __future__ import annotations

import math
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from audit.errors import SpecError
from audit.spec.problems import PathKey, Places, Problems, short, shown

MOST_BYTES = 1_000_000
MOST_ALIASES = 100
DEEPEST = 40

_CORE = "tag:yaml.org,2002:"
_TEXT_TAGS = {f"{_CORE}{name}" for name in ("str", "timestamp", "merge", "value")}


def parse(text: str, file: str) -> tuple[Any, Places]:
    """The document's plain value and where each part of it stands; a SpecError where it is not YAML.

    Scalars are null, true/false, integers, floats or text, as YAML 1.2 reads them: `Yes` is text,
    and so is a date. Keys are text.

    >>> value, places = parse("a: Yes\\nb: [1, 2]", "audit.yaml")
    >>> value, places.where("b", 0)
    ({'a': 'Yes', 'b': [1, 2]}, 'audit.yaml:2')
    """
    node = _compose(text, file)
    walk = _Walk(file)
    value = walk.value(node, ()) if node is not None else None
    walk.problems.raise_any()
    return value, walk.problems.places


def _compose(text: str, file: str) -> Node | None:
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise SpecError(f"not YAML: {_reason(error)}", where=where, hint=_tip(error)) from None
    except RecursionError:
        raise SpecError("values are nested too deep to be read", where=file) from None
    except YAMLError as error:
        raise SpecError(
            f"not YAML: {short(str(error).splitlines()[0])}",
            where=file,
            hint="audit.yaml is a text file in UTF-8.",
        ) from None
    except Exception as error:
        # The parser lets plain Python errors through, as for a \U escape beyond Unicode.
        raise SpecError(f"not YAML: {short(str(error))}", where=file) from None
    return node


def _reason(error: MarkedYAMLError) -> str:
    return short(" ".join(str(error.problem or error.context or "cannot be read").split()))


def _tip(error: MarkedYAMLError) -> str | None:
    reason = str(error.problem)
    if "\\t" in reason:
        return "Indent with spaces: YAML does not allow tabs there."
    if "another document" in reason:
        return "One file holds one spec: take out the second `---`."
    return None


class _Walk:
    """One pass over the nodes; every value it makes leaves its line behind."""

    def __init__(self, file: str) -> None:
        self.lines: dict[PathKey, int | None] = {}
        self.problems = Problems(Places(file, self.lines))
        self.seen: set[int] = set()
        self.aliases = 0

    def value(self, node: Node, path: PathKey, line: int | None = None) -> Any:
        self.lines[path] = line or node.start_mark.line + 1
        self._count(node, path)
        tag = str(node.tag)
        if isinstance(node, MappingNode) and tag == f"{_CORE}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and tag == f"{_CORE}seq":
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._foreign(tag, path)
        return None

    def _count(self, node: Node, path: PathKey) -> None:
        where = self.problems.places.where(*path)
        if len(path) > DEEPEST:
            raise SpecError(f"values are nested more than {DEEPEST} deep", where=where)
        if id(node) in self.seen:
            self.aliases += 1
            if self.aliases > MOST_ALIASES:
                raise SpecError(
                    f"aliases (`*name`) stand for more than {MOST_ALIASES} values",
                    where=where,
                    hint="Write the values out.",
                )
        self.seen.add(id(node))

    def _mapping(self, node: MappingNode, path: PathKey) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problems.add(path, "a key is a list or a mapping; allowed: text")
                continue
            key = key_text(self._scalar(key_node, path))
            if key is None:
                self.problems.add(path, f"a key is {key_node.value!r:.60}; allowed: text")
                continue
            if key in result:
                first = self.lines[(*path, key)]
                self.lines[(*path, key, "again")] = line
                what = f"the key {short(key)!r} stands here a second time; first on line {first}"
                self.problems.add((*path, key, "again"), what, "Keep one of the two.")
                continue
            result[key] = self.value(value_node, (*path, key), line)
        return result

    def _scalar(self, node: ScalarNode, path: PathKey) -> Any:
        tag, raw = str(node.tag), str(node.value)
        if not tag.startswith(_CORE):
            return self._foreign(tag, path)
        kind = tag.removeprefix(_CORE)
        if kind == "null":
            return None
        if kind == "bool" and raw.lower() in ("true", "false"):
            return raw.lower() == "true"
        try:
            if kind == "int":
                return int(
                    raw.replace("_", ""), 0 if raw.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10
                )
            if kind == "float":
                return float(raw.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return raw
        if tag not in _TEXT_TAGS and kind != "bool":
            return self._foreign(tag, path)
        if not raw.isprintable() and any("\ud800" <= character <= "\udfff" for character in raw):
            self.problems.add(path, "text holds half of a surrogate pair, which is no character")
            return None
        return raw

    def _foreign(self, tag: str, path: PathKey) -> None:
        self.problems.add(
            path,
            f"found the YAML tag {shown(tag.replace(_CORE, '!!'))}; allowed: plain values",
            "Take the tag out; quotes make text of a value.",
        )


def key_text(value: Any) -> str | None:
    """A mapping's key as text, or None where it is none: 1 is "1", true is "true"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, (str, int)) else None
