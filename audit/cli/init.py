"""`harm-audit init`: a first policy file from a look at the data."""

from __future__ import annotations

import importlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from audit.cli import output, writing
from audit.cli.guess import COUNTS, MOST_COUNTED, Column, Guess, guess, words_of
from audit.errors import DataError, UsageError

SAMPLE = 20_000
SCHEMA_FILE = "audit.schema.json"
_TYPES = "ignore_errors=true, auto_type_candidates=['BIGINT', 'DOUBLE', 'VARCHAR']"
"""Numbers or text: the audit compares `yes` and `no` as they are written, not as true and false."""
READERS = {
    ".csv": f"read_csv(?, {_TYPES})",
    ".tsv": f"read_csv(?, delim='\t', {_TYPES})",
    ".txt": f"read_csv(?, {_TYPES})",
    ".parquet": "read_parquet(?)",
    ".pq": "read_parquet(?)",
    ".json": "read_json(?)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".ndjson": "read_json(?, format='newline_delimited')",
}
ARROW = (".arrow", ".feather", ".ipc")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@click.command("init", short_help="Look at a file, guess its columns' roles, write audit.yaml.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", default="audit.yaml", type=click.Path(path_type=Path), show_default=True)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def command(data: Path, out: Path, force: bool) -> int:
    """Look at the file DATA, guess which column serves which role, and write a commented audit.yaml.

    Guesses are marked; read them before you run. The schema that editors check by is written beside.

    \b
    Example:
      harm-audit init predictions.parquet
    """
    writing.not_there(out, force=force)
    columns = look(data)
    found = guess(columns)
    schema = importlib.import_module("audit.cli.schema").document("spec")
    relative = Path(os.path.relpath(data, out.parent)).as_posix()
    writing.whole(out, text(relative, data.stem, columns, found).encode("utf-8", "replace"))
    writing.whole(out.parent / SCHEMA_FILE, (json.dumps(schema, indent=1) + "\n").encode())
    output.echo(f"wrote {out} (and {SCHEMA_FILE} for editors)")
    for role, name in found.roles.items():
        output.echo(f"  {role:<10} {output.one_line(name, 60)}")
    output.echo(f"  {'attributes':<10} {output.one_line(', '.join(found.attributes) or 'none found')}")
    for note in found.notes:
        output.echo(f"  check: {output.one_line(note)}")
    output.echo(f"Read it, then: harm-audit run {out}")
    return 0


def look(path: Path) -> list[Column]:
    """The columns of the first rows of a file."""
    if path.is_dir():
        raise UsageError("a folder, where a file is needed", where=str(path), hint="Name a file in it.")
    if not path.is_file():
        raise UsageError(
            "no such file", where=str(path), hint="Give a CSV, Parquet, JSON lines or Arrow file."
        )
    if path.stat().st_size == 0:
        raise DataError(
            "the file is empty", where=str(path), hint="Write one row a decision, with a header line."
        )
    duckdb: Any = importlib.import_module("duckdb")
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    try:
        with duckdb.connect(config=settings) as connection:
            _sample(connection, path)
            described = connection.execute("DESCRIBE sample").fetchall()
            names = [name for name, *_ in described]
            columns = [
                replace(column, counts_rows=_counts_rows(connection, column, names))
                for column in (_column(connection, name, kind) for name, kind, *_ in described)
            ]
    except (duckdb.Error, OSError, ValueError) as error:
        raise DataError(
            f"could not be read: {output.one_line(str(error))}",
            where=str(path),
            hint="Expected CSV, TSV (also .gz), Parquet, JSON lines, Arrow or Feather.",
        ) from error
    if not columns or not any(column.rows for column in columns):
        raise DataError(
            "holds no rows", where=str(path), hint="Write one row a decision, with a header line."
        )
    return columns


def _sample(connection: Any, path: Path) -> None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if kind in ARROW:
        rows = importlib.import_module("pyarrow.feather").read_table(path).slice(0, SAMPLE)
        connection.register("arrow_rows", rows)
        connection.execute("CREATE TEMP TABLE sample AS SELECT * FROM arrow_rows")
        return
    if kind not in READERS:
        raise UsageError(
            f"a file of an unknown kind, {kind or 'without an ending'}",
            where=str(path),
            hint=f"Known: {', '.join([*READERS, *ARROW])}; a database goes into audit.yaml by hand.",
        )
    connection.execute(
        f"CREATE TEMP TABLE sample AS SELECT * FROM {READERS[kind]} LIMIT {SAMPLE}", [str(path)]
    )


def _counts_rows(connection: Any, column: Column, names: list[str]) -> bool:
    """Whether the rows without this column look like a table of counts: few, and no two of them alike."""
    others = [_quoted_name(name) for name in names if name != column.name]
    if not others or not set(words_of(column.name)) & set(COUNTS):
        return False
    keys = ", ".join(others)
    most = ", ".join(f"count(DISTINCT {name})" for name in others)
    (rows,) = connection.execute("SELECT count(*) FROM sample").fetchone()
    (unlike,) = connection.execute(f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM sample)").fetchone()
    widest = max(connection.execute(f"SELECT {most} FROM sample").fetchone())
    return bool(rows <= MOST_COUNTED and unlike == rows and widest <= max(2, rows / 2))


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _column(connection: Any, name: str, kind: str) -> Column:
    quoted = _quoted_name(name)
    numeric = kind.startswith(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "U", "FLOAT", "DOUBLE", "DEC")
    )
    number = f"TRY_CAST({quoted} AS DOUBLE)" if numeric else "NULL::DOUBLE"
    distinct, rows, low, high, whole = connection.execute(
        f"SELECT count(DISTINCT {quoted}), count({quoted}), min({number}), max({number}), "
        f"coalesce(bool_and({number} = floor({number})), false) FROM sample"
    ).fetchone()
    values = connection.execute(
        f"SELECT {quoted}::VARCHAR FROM sample WHERE {quoted} IS NOT NULL "
        f"GROUP BY {quoted} ORDER BY count(*) DESC, 1 LIMIT 6"
    ).fetchall()
    return Column(name, numeric, distinct, rows, low, high, whole, tuple(value for (value,) in values))


def text(source: str, name: str, columns: list[Column], found: Guess) -> str:
    """The policy file's text."""
    lines = [
        f"# yaml-language-server: $schema={SCHEMA_FILE}",
        "# Written by `harm-audit init` from a look at the data: guesses, until you have read them.",
        *(f"# CHECK: {output.one_line(note)}" for note in found.notes),
        "",
        "system:",
        f"  name: {quoted(name)}",
        "  # owner: who answers for it          use: credit, employment, housing, health, …",
        "  # model: path of the model file; the gate then asks for it",
        "  outcome: favourable  # what a positive prediction means for the person: favourable or adverse",
        "",
        "data:",
        f"  source: {quoted(source)}",
        "  columns:" + ("" if found.roles else " {}"),
        *(f"    {role}: {quoted(column)}" for role, column in found.roles.items()),
        *_meaning(found),
        "  attributes:" + ("" if found.attributes else " {}"),
        *(_attribute(attribute, kind, found) for attribute, kind in found.attributes.items()),
        "  intersections: 2" if len(found.attributes) > 1 else "  # intersections: 2",
        f"  # the file's columns: {output.one_line(', '.join(column.name for column in columns), 900)}",
        "",
        "policy:",
        "  confidence: 0.95",
        "  min_group: 30  # a smaller group cannot pass",
        "  rules:" + ("" if _rules(found) else " []  # none can be judged without a prediction or a score"),
        *_rules(found),
    ]
    return "\n".join(lines) + "\n"


def _meaning(found: Guess) -> list[str]:
    lines = []
    if found.threshold is not None:
        lines.append(
            f"  threshold: {found.threshold:g}  # CHECK: a score at or above it is a positive prediction"
        )
    if found.positive:
        pairs = ", ".join(f"{role}: {quoted(value)}" for role, value in found.positive.items())
        lines.append(f"  positive: {{{pairs}}}  # CHECK")
    return lines


def _attribute(name: str, kind: str | None, found: Guess) -> str:
    options = [f"as: {kind}"] if kind else []
    if name in found.bins:
        options.append(f"bins: [{', '.join(map(str, found.bins[name]))}]")
    return f"    {quoted(name)}: {{{', '.join(options)}}}"


def _rules(found: Guess) -> list[str]:
    decided = "prediction" in found.roles or found.threshold is not None
    rules = []
    if decided:
        rules += [
            "    # the share selected of each group is at least 0.8 of the reference's, and not over 1/0.8",
            "    - {id: selection, metric: selection_rate, comparison: ratio, at_least: 0.8}",
        ]
    if decided and "label" in found.roles:
        rules += [
            "    # of those with a positive label, the share predicted positive differs by at most 0.05",
            "    - {id: opportunity, metric: true_positive_rate, comparison: difference, at_most: 0.05}",
            "    - {id: false-alarms, metric: false_positive_rate, comparison: difference, at_most: 0.05}",
        ]
    if not decided and "score" in found.roles:
        rules += _score_rules(found)
    return rules


def _score_rules(found: Guess) -> list[str]:
    """What can be judged of a score whose threshold nobody has said."""
    rules = [
        "    # `threshold:` under data makes decisions of the score; then judge them too, for example:",
        "    # - {id: selection, metric: selection_rate, comparison: ratio, at_least: 0.8}",
    ]
    if "label" not in found.roles:
        return [
            *rules,
            "    # the share of each group above the median score is at least 0.8 of the reference's",
            "    - {id: above-median, metric: scoring_rate, comparison: ratio, at_least: 0.8}",
        ]
    rules += [
        "    # the score puts people in order as well in each group as in the reference",
        "    - {id: order, metric: auc, comparison: difference, at_most: 0.05}",
    ]
    if found.unit_score:
        rules += [
            "    # what the score promises on average is what came, as much in each group",
            "    - {id: promise, metric: calibration_in_the_large, comparison: difference, at_most: 0.05}",
        ]
    return rules


def quoted(value: str) -> str:
    """A YAML scalar that is read back as this text.

    >>> quoted("sex"), quoted("yes"), quoted('a "b": #c')
    ('sex', '"yes"', '"a \\\\"b\\\\": #c"')
    """
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)
