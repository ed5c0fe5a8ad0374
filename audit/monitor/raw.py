"""Events of any origin as a raw table: text columns under the mapping's names, a row for each event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from audit.monitor.events import Normaliser
from audit.monitor.mapping import Mapping as EventMapping

LINE_BYTES = 64 * 1024
"""The longest event; a longer line is refused unread."""


def json_table(lines: pa.Array, normaliser: Normaliser) -> pa.Table:
    """JSON texts as a raw table; text that is not a JSON object has the fault `malformed`."""
    columns = normaliser.mapping.columns()
    used = [(name, column) for name, column in columns.items() if column is not None]
    paths = ", ".join(_path(column) for _, column in used)
    fields = ", ".join(f'v[{i + 1}] AS "{name}"' for i, (name, _) in enumerate(used))
    absent = "".join(
        f', CAST(NULL AS VARCHAR) AS "{name}"' for name, column in columns.items() if column is None
    )
    sql = f"""
    WITH marked AS (
        SELECT line, CASE WHEN strlen(line) > {LINE_BYTES} THEN 'too_large'
            WHEN NOT json_valid(line) THEN 'malformed'
            WHEN ltrim(line, ' \t')[1] <> '{{' THEN 'malformed' END AS fault
        FROM lines
    ), parsed AS (
        SELECT fault, CASE WHEN fault IS NULL THEN json_extract_string(line, [{paths}]) END AS v,
            line FROM marked
    )
    SELECT {fields}{absent}, CASE WHEN fault IS NOT NULL THEN fault
        WHEN contains(line, '[') OR contains(line[2:], '{{') THEN CASE
            WHEN len(list_filter(json_type(line, [{paths}]), x -> x IN ('OBJECT', 'ARRAY'))) > 0
            THEN 'wrong_type' END
        END AS fault
    FROM parsed
    """
    connection = normaliser.connection
    connection.register("lines", pa.table({"line": lines}))
    try:
        return connection.execute(sql).to_arrow_table()
    finally:
        connection.unregister("lines")


def events_table(events: Sequence[Mapping[str, object]], normaliser: Normaliser) -> pa.Table:
    """Events that were parsed elsewhere (a request's body) as a raw table."""
    return json_table(pa.array([json.dumps(event) for event in events], pa.large_string()), normaliser)


def arrow_table(table: pa.Table, mapping: EventMapping) -> pa.Table:
    """A table of any types as a raw table of texts."""
    return raw_table(as_text(table), mapping, 0)


def _path(column: str) -> str:
    parts = "".join('."' + part.replace('"', '\\"') + '"' for part in column.split("."))
    return "'$" + parts.replace("'", "''") + "'"


def lines_of(data: bytes) -> pa.Array:
    """Lines as text; a line that is not UTF-8 becomes one that is not JSON."""
    try:
        data.decode()
        plain = pa.array([data.removesuffix(b"\n")], pa.large_binary()).cast(pa.large_string())
        found = pc.split_pattern(plain, "\n").flatten()
    except UnicodeDecodeError:
        found = pa.array(
            [_decoded(line) for line in data.removesuffix(b"\n").split(b"\n")], pa.large_string()
        )
    return found.filter(pc.not_equal(pc.utf8_trim_whitespace(found), ""))


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return "not UTF-8"


def csv_table(data: bytes, names: list[str], mapping: EventMapping) -> pa.Table:
    ragged = 0

    def skip(_: object) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    try:
        data.decode()
    except UnicodeDecodeError:
        good = [line for line in data.split(b"\n") if _decoded(line) != "not UTF-8"]
        ragged += data.count(b"\n") + 1 - len(good)
        data = b"\n".join(good)
    found = (
        pacsv.read_csv(
            pa.BufferReader(data) if data else pa.BufferReader(b"\n"),
            read_options=pacsv.ReadOptions(column_names=names, block_size=max(len(data) + 1, 2**20)),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
        if data.strip()
        else pa.table({name: pa.array([], pa.string()) for name in names})
    )
    return raw_table(found, mapping, ragged)


def as_text(table: pa.Table) -> pa.Table:
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_timestamp(column.type):
            column = pc.strftime(column.cast(pa.timestamp("s"), safe=False), format="%Y-%m-%dT%H:%M:%SZ")
        columns[name] = column.cast(pa.string())
    return pa.table(columns)


def raw_table(table: pa.Table, mapping: EventMapping, malformed: int) -> pa.Table:
    """The table under the mapping's names, absent columns null, and a row of fault per malformed line."""
    nothing = pa.nulls(table.num_rows, pa.string())
    known = set(table.column_names)
    columns = {n: table.column(c) if c in known else nothing for n, c in mapping.columns().items()}
    columns["fault"] = nothing
    made = pa.table(columns)
    if malformed:
        empty = {name: pa.nulls(malformed, pa.string()) for name in columns}
        made = pa.concat_tables([made, pa.table(empty | {"fault": pa.array(["malformed"] * malformed)})])
    return made
