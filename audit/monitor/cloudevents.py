"""CloudEvents over HTTP into JSON events: KServe's inference log, plain events, and labels.

KServe logs a request and a response under one id; together they make one prediction event per
instance. Requests hold the attributes, responses the predictions, and either may come first, twice
or never: `Pairing` holds a half for a bounded time and counts what it lets go.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.errors import DataError
from audit.monitor.mapping import Mapping

BODY_BYTES = 8 * 2**20
MAX_EVENTS = 10_000
"""Events in one batch."""
DEPTH = 20
REQUEST, RESPONSE = ".inference.request", ".inference.response"
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event: its context attributes and its data."""

    attributes: dict[str, str]
    data: Any


def read_http(headers: MappingOf[str, str], body: bytes) -> list[CloudEvent]:
    """The events of one HTTP request, in binary, structured or batched mode; else a DataError."""
    if len(body) > BODY_BYTES:
        raise DataError(f"a body of {len(body)} bytes; the limit is {BODY_BYTES}")
    lower = {name.lower(): value for name, value in headers.items()}
    kind = lower.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/cloudevents-batch+json":
        found = read_json(body)
        if not isinstance(found, list):
            raise DataError("a batch of CloudEvents is a JSON array")
        return [_structured(event) for event in _limited(found)]
    if kind == "application/cloudevents+json":
        return [_structured(read_json(body))]
    context = {name[3:]: value for name, value in lower.items() if name.startswith("ce-")}
    if not {"id", "type", "source"} <= context.keys():
        raise DataError(
            "neither a CloudEvent nor a batch of them",
            hint="Send ce-id, ce-type and ce-source, or content-type application/cloudevents+json.",
        )
    return [CloudEvent(context, read_json(body))]


def _structured(event: Any) -> CloudEvent:
    if not isinstance(event, dict) or not all(
        isinstance(event.get(n), str) for n in ("id", "type", "source")
    ):
        raise DataError("a CloudEvent needs the texts id, type and source")
    attributes = {name: value for name, value in event.items() if isinstance(value, str) and name != "data"}
    return CloudEvent(attributes, event.get("data"))


def read_json(body: bytes) -> Any:
    """The JSON of a body, no deeper than `DEPTH` and without NaN; else a DataError."""
    try:
        found = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the body is not JSON: {type(error).__name__}") from error
    if _deeper(found, DEPTH):
        raise DataError(f"the body's JSON is nested more than {DEPTH} deep")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _deeper(value: Any, depth: int) -> bool:
    if depth == 0:
        return isinstance(value, (dict, list))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deeper(item, depth - 1) for item in inner if isinstance(item, (dict, list)))


def _limited(events: list[Any]) -> list[Any]:
    if len(events) > MAX_EVENTS:
        raise DataError(f"a batch of {len(events)} events; the limit is {MAX_EVENTS}")
    return events


def rows_of_inputs(body: Any, columns: Sequence[str] = ()) -> list[Event]:
    """The instances of a V1 (`instances`) or V2 (`inputs`) request as rows of named values.

    `columns` names the values of instances that are lists, and of a single V2 tensor of that width.

    >>> rows_of_inputs({"inputs": [{"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["F", "M"]}]})
    [{'sex': 'F'}, {'sex': 'M'}]
    """
    if isinstance(body, dict) and isinstance(body.get("instances"), list):
        rows = [row if isinstance(row, dict) else {"instance": row} for row in body["instances"]]
        return [_with_names(row, columns) for row in _limited(rows)]
    return [_with_names(row, columns) for row in _v2_rows(body, "inputs")]


def _with_names(row: Event, columns: Sequence[str]) -> Event:
    values = next(iter(row.values())) if len(row) == 1 else None
    if not columns or not isinstance(values, list):
        return row
    if len(values) != len(columns):
        raise DataError(f"a row of {len(values)} values, and {len(columns)} names of inputs")
    return dict(zip(columns, values, strict=True))


def rows_of_outputs(body: Any) -> list[Event]:
    """The predictions of a V1 or V2 response as rows.

    >>> rows_of_outputs({"predictions": [1, 0]})
    [{'prediction': 1}, {'prediction': 0}]
    """
    if isinstance(body, dict) and isinstance(body.get("predictions"), list):
        rows = [row if isinstance(row, dict) else {"prediction": row} for row in body["predictions"]]
        return _limited(rows)
    rows = _v2_rows(body, "outputs")
    # One unnamed meaning: a single output is the prediction whatever the model calls it.
    return [{"prediction": next(iter(row.values()))} | row if len(row) == 1 else row for row in rows]


def _v2_rows(body: Any, part: str) -> list[Event]:
    tensors = body.get(part) if isinstance(body, dict) else None
    if not isinstance(tensors, list) or not tensors:
        raise DataError(f"the body has neither the V1 nor the V2 form: no {part}")
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        name, data = (tensor.get("name"), tensor.get("data")) if isinstance(tensor, dict) else (None, None)
        shape = tensor.get("shape") if isinstance(tensor, dict) else None
        if (
            not isinstance(name, str)
            or not isinstance(data, list)
            or not isinstance(shape, list)
            or not shape
        ):
            raise DataError(f"a tensor of {part} needs name, shape and data")
        columns[name] = _first_axis(data, shape, name)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise DataError(f"the tensors of {part} have {sorted(lengths)} rows")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return _limited(rows)


def _first_axis(data: list[Any], shape: list[Any], name: str) -> list[Any]:
    """One value per row; a tensor flattened as the protocol allows is cut by its shape."""
    n = shape[0]
    if not isinstance(n, int) or isinstance(n, bool) or n < 0 or n > MAX_EVENTS:
        raise DataError(f"the tensor {name} has a shape that is none")
    if len(data) == n:
        return [row[0] if isinstance(row, list) and len(row) == 1 else row for row in data]
    width, rest = divmod(len(data), n) if n else (0, len(data))
    if rest:
        raise DataError(f"the tensor {name} has {len(data)} values for {n} rows")
    return [data[i * width : (i + 1) * width] for i in range(n)]


@dataclass
class Pairing:
    """Halves of KServe's log that wait for each other; memory is bounded, and what is let go is counted."""

    mapping: Mapping | None = None
    """Under whose names events are given on."""
    limit: int = 100_000
    dropped: int = 0
    """Halves that never met the other: only answers of status 200 are logged, so refusals are among them."""
    _waiting: OrderedDict[tuple[str, str], tuple[str, list[Event], Event]] = field(
        default_factory=OrderedDict
    )

    def events(self, event: CloudEvent) -> list[Event]:
        """The prediction or label events that this CloudEvent completes; none while a half is missing."""
        found = self._events(event)
        return found if self.mapping is None else [self.mapping.named(one) for one in found]

    def _events(self, event: CloudEvent) -> list[Event]:
        kind = event.attributes["type"]
        if kind.endswith((REQUEST, RESPONSE)):
            return self._half(event, "request" if kind.endswith(REQUEST) else "response")
        if not isinstance(event.data, dict):
            raise DataError("the data of an event is a JSON object", where=event.attributes["id"])
        plain = dict(event.data)
        plain.setdefault("event_id", event.attributes["id"])
        if ".label." in kind or kind.endswith(".label"):
            plain.setdefault("kind", "label")
        if "time" in event.attributes:
            plain.setdefault("event_time", event.attributes["time"])
        return [plain]

    def _half(self, event: CloudEvent, part: str) -> list[Event]:
        names = () if self.mapping is None else self.mapping.inputs
        rows = rows_of_inputs(event.data, names) if part == "request" else rows_of_outputs(event.data)
        context = self._context(event, part)
        key = (event.attributes["source"], event.attributes["id"])
        waiting = self._waiting.get(key)
        if waiting is None or waiting[0] == part:
            self._waiting[key] = (part, rows, context)
            while len(self._waiting) > self.limit:
                self._waiting.popitem(last=False)
                self.dropped += 1
            return []
        del self._waiting[key]
        _, other, more = waiting
        if len(other) != len(rows):
            raise DataError(f"{len(other)} rows on one side, {len(rows)} on the other", where=key[1])
        context = more | context
        name = str(context.pop("body_id", None) or key[1])
        made = []
        for i, (a, b) in enumerate(zip(rows, other, strict=True)):
            own = {"event_id": name if len(rows) == 1 else f"{name}/{i}"}
            made.append(context | (a | b if part == "response" else b | a) | own)
        return made

    def _context(self, event: CloudEvent, part: str) -> Event:
        """What an event says beside its rows: time, model, endpoint, and an id that the client chose."""
        found: Event = {}
        names = {"time": "event_time", "inferenceservicename": "model", "endpoint": "endpoint"}
        for attribute, name in names.items():
            if attribute in event.attributes:
                found[name] = event.attributes[attribute]
        if isinstance(event.data, dict):
            if isinstance(event.data.get("id"), str):
                found["body_id"] = event.data["id"]
            if isinstance(event.data.get("model_version"), str):
                found["model_version"] = event.data["model_version"]
        return found
