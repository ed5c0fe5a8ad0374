"""Parquet files that are read together hold the same columns of the same types."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import DataError


def check_alike(paths: tuple[Path, ...]) -> None:
    """A DataError where a file's column is of another type than the first's.

    The engine would bend its values to the first file's type: 0.6 becomes 1 where that held whole numbers.
    """
    if len(paths) < 2:
        return
    first = {field.name: field.type for field in pq.read_schema(paths[0])}
    for path in paths[1:]:
        for field in pq.read_schema(path):
            expected = first.get(field.name)
            if expected is not None and not _alike(expected, field.type):
                raise DataError(
                    f"column {field.name!r} holds {field.type}, and in {paths[0].name} {expected}",
                    where=path.name,
                    hint="Write every file with the same types.",
                )


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether values of `other` are read as they stand into a column of type `one`."""
    return _kind(one) == _kind(other) or pa.types.is_null(other)


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_integer(type_):
        return "integer"
    return str(type_).removeprefix("large_").removesuffix("_view")
