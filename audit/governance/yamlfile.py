"""YAML files that people write by hand: read with line numbers, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.representer import RoundTripRepresenter

from audit.errors import OutputError, SpecError, UsageError
from audit.registry import nearest

if sys.platform != "win32":  # there is no flock there: the content hash alone tells two writers apart
    import fcntl

_MERGE = re.compile(r"^(<{7}|={7}|>{7})( |$)")


class _Representer(RoundTripRepresenter):
    """Writes an equal date twice instead of pointing from one place to the other."""

    def ignore_aliases(self, data: Any) -> bool:
        return not isinstance(data, (CommentedMap, CommentedSeq)) or bool(super().ignore_aliases(data))


_Representer.add_representer(
    type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "")
)


class ChangedSinceError(UsageError):
    """Somebody else wrote the file between the reading and the writing; nothing was written."""


class Document:
    """One YAML file, as it was when it was read; `save` refuses where it has changed since."""

    def __init__(self, path: Path, data: CommentedMap, digest: str | None) -> None:
        self.path = path
        self.data = data
        self.digest = digest
        """SHA-256 of the bytes that were read; None for a file that was not there."""

    def save(self) -> bool:
        """Write the file if its text differs; True where it was written.

        The text goes to a temporary sibling, is forced to disk and renamed: killed at any point, the old
        file or the new one stands. A UsageError where somebody else wrote in between.
        """
        text = self._text()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.parent):
                if _digest(self.path) != self.digest:
                    raise ChangedSinceError(
                        "somebody else changed this file since it was read; nothing was written",
                        where=str(self.path),
                        hint="Look at their change, then give your answer again.",
                    )
                if hashlib.sha256(text).hexdigest() == self.digest:
                    return False
                _replace(self.path, text)
        except OSError as error:
            raise OutputError(
                f"the file could not be written: {error.strerror or error}",
                where=str(self.path),
                hint="What stood there before still stands. Make room or allow writing there.",
            ) from error
        self.digest = hashlib.sha256(text).hexdigest()
        return True

    def _text(self) -> bytes:
        """The bytes to write; a UsageError where they could not be read again."""
        try:
            text = dump(self.data)
            parse(text, self.path)
            return text.encode()
        except (SpecError, UnicodeEncodeError, YAMLError) as error:
            what = error.what if isinstance(error, SpecError) else str(error)
            raise UsageError(
                f"this cannot be kept in a YAML file, and nothing was written: {what}",
                where=str(self.path),
                hint="Leave out control characters, and lines that look like the marks of a merge.",
            ) from error


def load(path: Path) -> Document:
    """The file at `path`; a SpecError with file and line where it is not one YAML mapping."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise SpecError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint="Name a YAML file that is there and that you may read.",
        ) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SpecError("not UTF-8 text", where=f"{path}:{line}", hint="Save it as UTF-8.") from error
    return Document(path, parse(text, path), hashlib.sha256(raw).hexdigest())


def parse(text: str, path: Path) -> CommentedMap:
    """The mapping in `text`; `path` is named in errors."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _MERGE.match(line):
            raise SpecError(
                "the mark of an unfinished merge stands here",
                where=f"{path}:{number}",
                hint="Decide which side is right, remove the marks, and try again.",
            )
    try:
        data = _yaml().load(text)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        spot = f"{path}:{at.line + 1}" if at else str(path)
        problem = " ".join((error.problem or "not YAML").split())
        raise SpecError(f"not valid YAML: {problem}", where=spot, hint="Mend that line by hand.") from error
    except (YAMLError, YAMLStreamError, ValueError, RecursionError) as error:
        raise SpecError(f"not valid YAML: {' '.join(str(error).split())[:200]}", where=str(path)) from error
    if data is None:
        return CommentedMap()
    if not isinstance(data, CommentedMap):
        raise SpecError("a mapping of names to values is needed", where=f"{path}:1")
    return data


def dump(data: Any) -> str:
    """The mapping as YAML text, its comments and order kept."""
    out = io.StringIO()
    _yaml().dump(data, out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.Representer = _Representer
    yaml.width = 100
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _replace(path: Path, text: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(name, path.stat().st_mode & 0o777)
        else:
            os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Entry:
    """One mapping of a file, read field by field; what is wrong is said with file and line."""

    def __init__(self, data: Any, path: Path, line: int = 1, what: str = "this entry") -> None:
        self.path = path
        self.line = data.lc.line + 1 if isinstance(data, CommentedMap) and data.lc.line is not None else line
        self.what = what
        if not isinstance(data, Mapping):
            raise SpecError(f"{what} must be a mapping", where=f"{path}:{self.line}")
        self.data: Mapping[Any, Any] = data
        self._seen: set[str] = set()

    def where(self, key: str | None = None) -> str:
        """`file:line` of the entry, or of one of its keys."""
        line = self.line
        if key is not None and isinstance(self.data, CommentedMap):
            at = self.data.lc.data.get(key) if self.data.lc.data else None
            line = at[0] + 1 if at else line
        return f"{self.path}:{line}"

    def fail(self, what: str, key: str | None = None, hint: str | None = None) -> SpecError:
        """An error that names this place."""
        return SpecError(what, where=self.where(key), hint=hint)

    def get(self, key: str) -> Any:
        """The raw value, None where it is absent; the key counts as known."""
        self._seen.add(key)
        return self.data.get(key)

    def text(self, key: str) -> str | None:
        """A text, or None where it is absent or empty."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, (date, datetime, int, float)) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.fail(f"{key} must be a text", key)
        return " ".join(value.split()) or None

    def need(self, key: str) -> str:
        """A text that must be there."""
        value = self.text(key)
        if value is None:
            raise self.fail(f"{self.what} lacks {key!r}", hint=f"Add `{key}:`.")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of the allowed words."""
        raw = self.get(key)
        value = ("yes" if raw else "no") if isinstance(raw, bool) else self.text(key)
        value = default if value is None else value
        if value is None:
            raise self.fail(f"{self.what} lacks {key!r}", hint=f"Allowed: {', '.join(allowed)}.")
        if value not in allowed:
            near = nearest(value, allowed)
            guess = f"Did you mean {near}? " if near else ""
            raise self.fail(f"{key} is {value!r}", key, f"{guess}Allowed: {', '.join(allowed)}.")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent is empty."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, (str, int)) for v in value):
            raise self.fail(f"{key} must be a list of texts", key)
        return tuple(str(v) for v in value)

    def integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number within the limits, or None where it is absent."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.fail(f"{key} must be a whole number from {low} to {high}, found {value!r}", key)
        return value

    def number(self, key: str) -> float | None:
        """A finite number, or None where it is absent."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < float("inf"):
            raise self.fail(f"{key} must be a number, found {value!r}", key)
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false; absent is false."""
        value = self.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.fail(f"{key} must be true or false", key)
        return value

    def day(self, key: str) -> date | None:
        """A calendar date (YYYY-MM-DD), or None where it is absent."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value)[:10])
        except ValueError as error:
            raise self.fail(f"{key} must be a date like 2026-11-30, found {value!r}", key) from error

    def entry(self, key: str) -> Entry | None:
        """A mapping below this one, or None where it is absent or empty."""
        value = self.get(key)
        if value is None or value == {}:
            return None
        return Entry(value, self.path, int(self.where(key).rsplit(":", 1)[1]), f"{key} of {self.what}")

    def entries(self, key: str) -> tuple[Entry, ...]:
        """A list of mappings; absent is empty."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.fail(f"{key} must be a list", key)
        line = int(self.where(key).rsplit(":", 1)[1])
        return tuple(Entry(item, self.path, line, f"an entry of {key}") for item in value)

    def done(self) -> None:
        """A SpecError where the mapping has a key that nobody asked for."""
        for key in self.data:
            if key not in self._seen:
                near = nearest(str(key), self._seen)
                raise self.fail(
                    f"{self.what} has an unknown key {str(key)!r}",
                    str(key),
                    f"Did you mean {near}?" if near else f"Allowed: {', '.join(sorted(self._seen))}.",
                )
