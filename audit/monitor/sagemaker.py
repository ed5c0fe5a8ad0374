"""SageMaker's data capture and ground-truth files into JSON events.

A capture line holds one call (`captureData.endpointInput`/`endpointOutput`, CSV or JSON, perhaps
base64) and `eventMetadata.eventId`, `inferenceId`, `inferenceTime`; a ground-truth line holds
`groundTruthData.data` and `eventMetadata.eventId`. The label's id is the inference id where the
client gave one, else the event id.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from audit.errors import DataError
from audit.monitor.cloudevents import Event


def events(line: str, *, columns: Sequence[str] = ()) -> list[Event]:
    """The events of one line; `columns` names the values of CSV input, which has no header.

    >>> truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "a"},
    ...          "eventVersion": "0"}
    >>> events(json.dumps(truth))
    [{'kind': 'label', 'event_time': '0', 'event_id': 'a', 'label': '1'}]
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {type(error).__name__}") from error
    meta = record.get("eventMetadata") if isinstance(record, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("eventId"), str):
        raise DataError("no eventMetadata.eventId")
    if "groundTruthData" in record:
        return _labels(record["groundTruthData"], meta)
    if "captureData" in record:
        return _predictions(record["captureData"], meta, columns)
    raise DataError("neither captureData nor groundTruthData")


def _labels(part: Any, meta: Event) -> list[Event]:
    values = [row[0] if isinstance(row, list) and row else row for row in _rows(part, ())]
    # Ground truth has no time of its own: 0 is an unknown one, the same whenever the line is read.
    event: Event = {"kind": "label", "event_time": meta.get("inferenceTime", "0")}
    return [
        event | {"event_id": name, "label": value}
        for name, value in zip(_names(meta["eventId"], len(values)), values, strict=True)
    ]


def _predictions(part: Any, meta: Event, columns: Sequence[str]) -> list[Event]:
    if not isinstance(part, dict):
        raise DataError("captureData is not an object")
    inputs, outputs = _rows(part.get("endpointInput"), columns), _rows(part.get("endpointOutput"), ())
    if len(inputs) != len(outputs):
        raise DataError(f"{len(inputs)} rows of input, {len(outputs)} of output", where=str(meta["eventId"]))
    name = meta["inferenceId"] if isinstance(meta.get("inferenceId"), str) else meta["eventId"]
    made = []
    for row, output, own in zip(inputs, outputs, _names(name, len(inputs)), strict=True):
        event = dict(row) if isinstance(row, dict) else {}
        event |= output if isinstance(output, dict) else {"prediction": output[0] if output else None}
        made.append(event | {"event_id": own, "event_time": meta.get("inferenceTime")})
    return made


def _names(name: str, rows: int) -> list[str]:
    return [name] if rows == 1 else [f"{name}/{i}" for i in range(rows)]


def _rows(part: Any, columns: Sequence[str]) -> list[Any]:
    """The records of one side: dicts where names are known, else lists of values."""
    if not isinstance(part, dict) or not isinstance(part.get("data"), str):
        raise DataError("a side of the capture has no data")
    text, encoding = part["data"], str(part.get("encoding", "CSV")).upper()
    if encoding == "BASE64":
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise DataError("the data is not base64 of text") from error
        encoding = "JSON" if "json" in str(part.get("observedContentType", "")).lower() else "CSV"
    if encoding == "JSON":
        return _json_rows(text)
    records = [row for row in csv.reader(io.StringIO(text)) if row]
    if not columns:
        return list(records)
    if any(len(row) != len(columns) for row in records):
        raise DataError(f"a record has not the {len(columns)} columns that are named")
    return [dict(zip(columns, row, strict=True)) for row in records]


def _json_rows(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {type(error).__name__}") from error
    if isinstance(found, dict):
        inner = next(
            (found[k] for k in ("instances", "predictions") if isinstance(found.get(k), list)), [found]
        )
    else:
        inner = found if isinstance(found, list) else [found]
    return [row if isinstance(row, (dict, list)) else [row] for row in inner]
