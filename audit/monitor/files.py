"""Files of events into the ledger: JSON lines, CSV, Parquet; a chunk at a time, each with its offset."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from audit.errors import DataError
from audit.monitor import sagemaker
from audit.monitor.events import Batch, Normaliser, join
from audit.monitor.events import Mapping as EventMapping
from audit.monitor.ledger import Ledger, Received

T = TypeVar("T")

CHUNK_BYTES = 4 * 2**20
"""What is parsed at once: it takes some twenty times its bytes."""
EVENTS_AT_ONCE = 250_000
"""What one transaction takes where a file has so many: in a large ledger a batch touches most pages of its
index, however small it is."""
CHUNK_ROWS = 100_000
LINE_BYTES = 64 * 1024
"""The longest event; a longer line is refused unread."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A raw table, and the offset after it."""

    raw: pa.Table
    position: int


def _ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made in a second thread while the one before it is written."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _together(batches: Iterator[tuple[Batch, int]]) -> Iterator[tuple[Batch, int]]:
    """Batches joined up to `EVENTS_AT_ONCE`, each with the offset after its last."""
    held: list[Batch] = []
    end = size = 0
    for batch, position in batches:
        held.append(batch)
        size, end = size + batch.received, position
        if size >= EVENTS_AT_ONCE:
            yield join(held), end
            held, size = [], 0
    if held:
        yield join(held), end


def ingest_folder(ledger: Ledger, folder: Path, mapping: EventMapping, *, now: datetime) -> list[Received]:
    """Every file of a watched folder, in the order of names, from where each was left."""
    normaliser = Normaliser(mapping)
    paths = sorted(p for p in folder.iterdir() if p.suffix in READERS and not p.name.startswith("."))
    return [found for path in paths for found in ingest_file(ledger, path, normaliser, now=now)]


def ingest_file(
    ledger: Ledger, path: Path, normaliser: Normaliser, *, now: datetime, whole: bool = True
) -> list[Received]:
    """A file from its offset to its end; a last line without its end is left for later unless `whole`.

    A file that became shorter than its offset was replaced: a DataError, for its events cannot be
    told from those that were read.
    """
    if path.suffix not in READERS:
        raise DataError(
            f"no reader for {path.suffix!r}", where=str(path), hint=f"Known: {', '.join(READERS)}"
        )
    source = str(path.resolve())
    after = ledger.offset(source)
    chunks = READERS[path.suffix](path, after, normaliser, whole)
    batches = ((normaliser.batch(chunk.raw, now=now), chunk.position) for chunk in chunks)
    found = []
    with closing(_ahead(_together(batches))) as ready:
        for batch, position in ready:
            found.append(ledger.ingest(batch, source=source, after=after, position=position))
            after = position
    return found


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
    return _raw(_as_text(table), mapping, 0)


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


def _json_lines(path: Path, offset: int, normaliser: Normaliser, whole: bool) -> Iterator[Chunk]:
    for data, end in _byte_chunks(path, offset, whole, csv=False):
        lines = lines_of(data)
        if normaliser.mapping.form == "sagemaker":
            lines = _records(lines, normaliser.mapping)
        yield Chunk(json_table(lines, normaliser), end)


def _records(lines: pa.Array, mapping: EventMapping) -> pa.Array:
    """Lines of SageMaker's capture or ground truth as events; one that is none stays one, and is refused."""
    made: list[str] = []
    for line in lines.to_pylist():
        try:
            found = sagemaker.events(line, columns=mapping.inputs)
        except DataError:
            made.append("no record")
            continue
        made += [json.dumps(mapping.named(event)) for event in found]
    return pa.array(made, pa.large_string())


def _csv(path: Path, offset: int, normaliser: Normaliser, whole: bool) -> Iterator[Chunk]:
    with path.open("rb") as file:
        header = file.readline()
    names = header.decode("utf-8-sig").rstrip("\r\n").split(",")
    names = [name.strip().strip('"') for name in names]
    if len(set(names)) < len(names):
        raise DataError("two columns have the same name", where=f"{path}:1")
    for data, end in _byte_chunks(path, max(offset, len(header)), whole, csv=True):
        yield Chunk(_csv_table(data, names, normaliser.mapping), end)


def _csv_table(data: bytes, names: list[str], mapping: EventMapping) -> pa.Table:
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
    return _raw(found, mapping, ragged)


def _parquet(path: Path, offset: int, normaliser: Normaliser, whole: bool) -> Iterator[Chunk]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"not a Parquet file: {error}", where=str(path)) from error
    with file:
        if file.metadata.num_rows < offset:
            raise _shorter(path)
        wanted = {c.split(".")[0] for c in normaliser.mapping.columns().values() if c is not None}
        columns = [name for name in file.schema_arrow.names if name in wanted]
        row = 0
        for batch in file.iter_batches(CHUNK_ROWS, columns=columns):
            start, row = row, row + batch.num_rows
            if row > offset:
                table = pa.Table.from_batches([batch]).slice(max(0, offset - start))
                yield Chunk(_raw(_as_text(table), normaliser.mapping, 0), row)


def _as_text(table: pa.Table) -> pa.Table:
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_timestamp(column.type):
            column = pc.strftime(column.cast(pa.timestamp("s"), safe=False), format="%Y-%m-%dT%H:%M:%SZ")
        columns[name] = column.cast(pa.string())
    return pa.table(columns)


def _raw(table: pa.Table, mapping: EventMapping, malformed: int) -> pa.Table:
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


def _byte_chunks(path: Path, offset: int, whole: bool, *, csv: bool) -> Iterator[tuple[bytes, int]]:
    """Whole records from `offset` on, and the offset after each chunk."""
    size = path.stat().st_size
    if size < offset:
        raise _shorter(path)
    with path.open("rb") as file:
        file.seek(offset)
        rest, position = b"", offset
        while data := file.read(CHUNK_BYTES):
            data = rest + data
            # Without an end in a whole chunk it is no event: it goes on as one broken record.
            end = _last_record(data, csv) or (len(data) if len(data) >= CHUNK_BYTES else 0)
            rest = data[end:]
            if end:
                position += end
                yield data[:end], position
        if rest.strip() and whole:
            yield rest, position + len(rest)


def _last_record(data: bytes, csv: bool) -> int:
    """The end of the last whole record; in CSV a line end inside quotes ends none."""
    end = data.rfind(b"\n") + 1
    while csv and end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _shorter(path: Path) -> DataError:
    return DataError(
        "the file is shorter than what was read of it",
        where=str(path),
        hint="Give a replaced log a new name; events that came twice are told apart by their ids.",
    )


READERS = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv, ".parquet": _parquet}
"""Reader by the file's ending."""
