"""Files of events into the ledger: JSON lines, CSV, Parquet; a chunk at a time, each with its offset."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import DataError
from audit.monitor import sagemaker
from audit.monitor.batch import Batch, join
from audit.monitor.events import Normaliser
from audit.monitor.ledger import Ledger, Received
from audit.monitor.mapping import Mapping as EventMapping
from audit.monitor.raw import as_text, csv_table, json_table, lines_of, raw_table

T = TypeVar("T")

CHUNK_BYTES = 4 * 2**20
"""What is parsed at once: it takes some twenty times its bytes."""
EVENTS_AT_ONCE = 250_000
"""What one transaction takes where a file has so many: in a large ledger a batch touches most pages of its
index, however small it is."""
CHUNK_ROWS = 100_000


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
        yield Chunk(csv_table(data, names, normaliser.mapping), end)


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
                yield Chunk(raw_table(as_text(table), normaliser.mapping, 0), row)


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
