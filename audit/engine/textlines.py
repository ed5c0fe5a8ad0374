"""The lines of a text file held against its rows: no row may lie hidden within a quoted value."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError

_CHUNK = 1 << 20
_SEPARATORS = 5
"""A value with line breaks and fewer separators than this may be text that happens to look like rows."""


@dataclass(frozen=True)
class Form:
    """How text files are to be read."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    separator: str
    options: str
    """Of the engine's reader, as it takes them."""


@dataclass(frozen=True)
class Lines:
    """How many lines there are, and how many of them end in CRLF."""

    number: int
    crlf: int


def count_lines(paths: tuple[Path, ...]) -> Lines:
    """The lines of the files as they stand, blank ones and those within quotes too; reads each to its end."""
    number = crlf = 0
    for path in paths:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            last = b"\n"
            while chunk := stream.read(_CHUNK):
                number += chunk.count(b"\n")
                crlf += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
                last = chunk[-1:]
            number += last != b"\n"
    return Lines(number, crlf)


@contextlib.contextmanager
def check_ends(form: Form, lines: Lines) -> Iterator[None]:
    """Where the reader gives up on lines that end in two ways, an error that says so."""
    try:
        yield
    except Exception as error:
        if "invalid state" in str(error) and 0 < lines.crlf < lines.number:
            raise DataError(
                f"its lines end in two ways: {lines.crlf} in CRLF, {lines.number - lines.crlf} in LF",
                where=form.paths[0].name,
                hint="Save it with one of them: `dos2unix FILE`.",
            ) from error
        raise


def check_swallowed(connection: Any, form: Form) -> None:
    """A DataError where a quoted value holds what can only be rows: a stray quote joined them.

    Text may have line breaks. A value that joins rows has, for each line break, as many separators
    as a row, and so has each whole line in it.
    """
    separator = literal(form.separator)
    between = len(form.names) - 1
    columns = "{" + ", ".join(f"{literal(name)}: 'VARCHAR'" for name in form.names) + "}"
    files = "[" + ", ".join(literal(str(path)) for path in form.paths) + "]"
    asked = ", ".join(_hidden(identifier(name), separator, between) for name in form.names)
    found = connection.raw_sql(
        f"SELECT {asked} FROM read_csv({files}, {form.options}, columns={columns}, ignore_errors=true)"
    ).fetchone()
    for name, hidden in zip(form.names, found, strict=True):
        if hidden:
            raise DataError(
                f"a quoted value of the column {name!r} holds {int(hidden)} line breaks between what look "
                "like rows: a stray quote hides them",
                where=form.paths[0].name,
                hint='Mend the quote (one that belongs to the text is doubled: ""), or save it as Parquet.',
            )


def _hidden(column: str, separator: str, between: int) -> str:
    """SQL for the most line breaks in a value that joins rows; NULL where none does."""
    breaks = f"(length({column}) - length(replace({column}, chr(10), '')))"
    separators = f"(length({column}) - length(replace({column}, {separator}, '')))"
    lines = f"string_split({column}, chr(10))[2:-2]"
    whole = f"list_filter({lines}, x -> length(x) - length(replace(x, {separator}, '')) <> {between})"
    return (
        f"max(CASE WHEN contains({column}, chr(10)) AND {separators} = {breaks} * {between} "
        f"AND {separators} >= {_SEPARATORS} AND len({whole}) = 0 THEN {breaks} END)"
    )


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
