"""Every format comes to the same events, and what is not one is refused with a reason."""

from __future__ import annotations

import base64
import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import DataError
from audit.monitor import cloudevents as ce
from audit.monitor import sagemaker
from audit.monitor.closing import close
from audit.monitor.events import Normaliser
from audit.monitor.files import ingest_file
from audit.monitor.ledger import Ledger
from audit.monitor.mapping import Attribute, Mapping
from audit.monitor.raw import events_table
from audit.monitor.readings import lags, outcomes
from tests.monitor.log import NOW, START, iso

MAPPING = Mapping({"sex": Attribute("sex")}, person="person")
ROWS = [
    {
        "event_id": f"e{i}",
        "event_time": iso(START + i),
        "person": f"p{i}",
        "sex": "FM"[i % 2],
        "prediction": i % 2,
    }
    | ({"label": 1, "label_time": iso(START + 99)} if i % 3 == 0 else {})
    for i in range(30)
]
CE = {"ce-id": "a1", "ce-source": "s", "ce-time": iso(START), "ce-inferenceservicename": "lending"}


def stored(path, tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/{path.suffix[1:]}.db")
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    with ledger.engine.begin() as connection:
        rows = [
            sorted(map(tuple, connection.exec_driver_sql(query)))
            for query in (
                "SELECT key, rest, unit, at, value, yhat FROM prediction p JOIN cell c ON c.id = p.cell",
                "SELECT target, revision, at, value, rest FROM label",
            )
        ]
    tallies = ledger.tallies()
    ledger.close()
    return rows, tallies


def test_json_lines_csv_and_parquet_come_to_the_same_rows(tmp_path):
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for ending, options in (("csv", "FORMAT csv, HEADER"), ("parquet", "FORMAT parquet")):
        duckdb.execute(f"COPY (FROM read_json('{lines}')) TO '{tmp_path}/a.{ending}' ({options})")
    found = [stored(tmp_path / f"a.{ending}", tmp_path) for ending in ("jsonl", "csv", "parquet")]
    assert len(found[0][0][0]) == 30
    assert found[0] == found[1] == found[2]


def test_csv_keeps_quoted_line_ends_and_counts_ragged_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "event_id,event_time,person,sex,prediction\n"
        f'"a ""q""",{iso(START)},p,"F,1",1\nragged,1\nb,{iso(START)},p2,M,0\n'
    )
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db")
    ingest_file(ledger, path, Normaliser(MAPPING), now=NOW)
    assert ledger.tallies() == {"accepted": 2, "predictions": 2, "received": 3, "rejected.malformed": 1}
    assert {g[0] for _, g in ledger.cells().values()} == {"F,1", "M"}
    ledger.close()


V1_IN = {"instances": [{"sex": "F", "person": "p1"}, {"sex": "M", "person": "p2"}]}
V1_OUT = {"predictions": [1, 0]}
V2_IN = {
    "inputs": [
        {"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["F", "M"]},
        {"name": "person", "shape": [2, 1], "datatype": "BYTES", "data": ["p1", "p2"]},
    ]
}
V2_OUT = {
    "model_name": "m",
    "model_version": "3",
    "id": "chosen",
    "outputs": [{"name": "y", "shape": [2], "datatype": "INT64", "data": [1, 0]}],
}


def binary(kind, body, **changes):
    headers = (
        CE
        | {"ce-type": f"org.kubeflow.serving.inference.{kind}", "content-type": "application/json"}
        | changes
    )
    (event,) = ce.read_http({k.title(): v for k, v in headers.items()}, json.dumps(body).encode())
    return event


@pytest.mark.parametrize(("inputs", "outputs", "name"), [(V1_IN, V1_OUT, "a1"), (V2_IN, V2_OUT, "chosen")])
@pytest.mark.parametrize("first", ["request", "response"])
def test_a_request_and_its_response_make_prediction_events(inputs, outputs, name, first):
    pairing = ce.Pairing()
    halves = [("request", inputs), ("response", outputs)]
    if first == "response":
        halves.reverse()
    assert pairing.events(binary(*halves[0])) == []
    made = pairing.events(binary(*halves[1]))
    assert [(e["event_id"], e["sex"], e["person"], e["prediction"]) for e in made] == [
        (f"{name}/0", "F", "p1", 1),
        (f"{name}/1", "M", "p2", 0),
    ]
    batch = Normaliser(MAPPING).batch(events_table(made, Normaliser(MAPPING)), now=NOW)
    assert (batch.received, batch.rejected, batch.predictions.yhat.tolist()) == (2, {}, [1, 0])


def test_structured_and_batched_events_and_labels():
    label = {
        "id": "l1",
        "type": "harm-audit.label.v1",
        "source": "crm",
        "time": iso(START),
        "specversion": "1.0",
    }
    label["data"] = {"event_id": "a1", "label": 1, "revision": 2}
    one = ce.read_http(
        {"content-type": "application/cloudevents+json; charset=utf-8"}, json.dumps(label).encode()
    )
    many = ce.read_http(
        {"Content-Type": "application/cloudevents-batch+json"}, json.dumps([label] * 3).encode()
    )
    assert one * 3 == many
    (event,) = ce.Pairing().events(one[0])
    assert (event["event_id"], event["label"], event["kind"], event["revision"]) == ("a1", 1, "label", 2)
    batch = Normaliser(Mapping({}, kind="kind")).batch(
        events_table([event], Normaliser(Mapping({}, kind="kind"))), now=NOW
    )
    assert (batch.labels.value.tolist(), batch.labels.revision.tolist()) == ([1], [2])


def test_halves_that_never_meet_are_counted_and_memory_is_bounded():
    pairing = ce.Pairing(limit=10)
    for i in range(25):
        pairing.events(binary("request", V1_IN, **{"ce-id": f"x{i}"}))
    assert pairing.dropped == 15


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        (CE | {"ce-type": "t"}, b"{"),
        (CE | {"ce-type": "t"}, DEEP),
        (CE | {"ce-type": "t"}, b"[" * 30 + b"]" * 30),
        (CE | {"ce-type": "t"}, b'{"a": NaN}'),
        (CE | {"ce-type": "t"}, b" " * (ce.BODY_BYTES + 1)),
        ({"content-type": "application/cloudevents+json"}, b"[]"),
        ({"content-type": "application/cloudevents+json"}, b'{"id": 1, "type": "t", "source": "s"}'),
        ({"content-type": "application/cloudevents-batch+json"}, b"{}"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[" + b"0," * 20_000 + b"0]"),
    ],
)
def test_hostile_requests_are_refused(headers, body):
    with pytest.raises(DataError):
        ce.read_http(headers, body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"inputs": []},
        {"inputs": [{"name": "a", "shape": [-1], "data": []}]},
        {"inputs": [{"name": "a", "shape": [True], "data": [1]}]},
        {"inputs": [{"name": "a", "shape": [10**9], "data": []}]},
        {"inputs": [{"name": "a", "shape": [2], "data": [1, 2, 3]}]},
        {"inputs": [{"name": "a", "shape": [1], "data": [1]}, {"name": "b", "shape": [2], "data": [1, 2]}]},
        {"inputs": ["x"]},
    ],
)
def test_bodies_of_neither_form_are_refused(body):
    with pytest.raises(DataError):
        ce.rows_of_inputs(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["instances", "inputs", "predictions", "outputs", "id", "data"]), json_values
    )
)
def test_any_body_is_read_or_refused(body):
    for kind in ("request", "response"):
        try:
            ce.Pairing().events(
                ce.CloudEvent({"id": "i", "source": "s", "type": f"x.inference.{kind}"}, body)
            )
        except DataError as error:
            assert str(error)  # noqa: PT017


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["event_id", "event_time", "sex", "prediction", "label"]), json_values
        ),
        max_size=5,
    )
)
def test_any_event_is_taken_or_refused(events):
    normaliser = Normaliser(MAPPING, threads=1)
    batch = normaliser.batch(events_table(events, normaliser), now=NOW)
    own = int((~batch.labels.embedded).sum())
    assert batch.received == len(events) == len(batch.predictions.key) + own + sum(batch.rejected.values())


def capture(**changes):
    record = {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "F,30\nM,40",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/csv",
                "mode": "OUTPUT",
                "data": "1\n0",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"eventId": "ev", "inferenceId": "mine", "inferenceTime": iso(START)},
        "eventVersion": "0",
    }
    return record | changes


def test_sagemaker_captures_and_truths():
    made = sagemaker.events(json.dumps(capture()), columns=["sex", "age"])
    assert made[0] == {
        "event_id": "mine/0",
        "event_time": iso(START),
        "sex": "F",
        "age": "30",
        "prediction": "1",
    }
    body = base64.b64encode(json.dumps({"predictions": [{"score": 0.2}, {"score": 0.9}]}).encode()).decode()
    record = capture()
    record["captureData"]["endpointOutput"] = {
        "observedContentType": "application/json",
        "data": body,
        "encoding": "BASE64",
    }
    assert [e["score"] for e in sagemaker.events(json.dumps(record), columns=["sex", "age"])] == [0.2, 0.9]
    truth = {"groundTruthData": {"data": "1\n0", "encoding": "CSV"}, "eventMetadata": {"eventId": "mine"}}
    assert [(e["event_id"], e["label"]) for e in sagemaker.events(json.dumps(truth))] == [
        ("mine/0", "1"),
        ("mine/1", "0"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        json.dumps({"eventMetadata": {"eventId": "a"}}),
        json.dumps(capture(captureData=3)),
        json.dumps(capture(captureData={"endpointInput": {"data": "a"}, "endpointOutput": {"data": "1\n2"}})),
        json.dumps(
            capture(
                captureData={
                    "endpointInput": {"data": "?", "encoding": "BASE64"},
                    "endpointOutput": {"data": "1"},
                }
            )
        ),
        "[" * 200_000,
    ],
)
def test_lines_that_are_no_capture_are_refused(line):
    with pytest.raises(DataError):
        sagemaker.events(line)


NAMED = Mapping(
    {"sex": Attribute("sex")},
    id="loan",
    at="decided",
    prediction="approved",
    label="repaid",
    label_at="decided",
    form="sagemaker",
    inputs=("sex", "age"),
)


def test_a_folder_of_sagemakers_files_is_read_under_the_names_of_the_spec(tmp_path):
    truth = {"groundTruthData": {"data": "1\n0", "encoding": "CSV"}, "eventMetadata": {"eventId": "mine"}}
    lines = [
        json.dumps(capture()),
        json.dumps(truth),
        json.dumps(truth),
        "{}",
        json.dumps(capture(captureData=3)),
    ]
    path = tmp_path / "capture.jsonl"
    path.write_text("\n".join(lines) + "\n")
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ingest_file(ledger, path, Normaliser(NAMED), now=NOW)
    counts = {name: n for name, n in ledger.tallies().items() if n}
    # Two predictions, their two labels, the labels once more, two lines that are no record.
    assert counts == {
        "accepted": 4,
        "duplicate": 2,
        "labels": 2,
        "predictions": 2,
        "received": 8,
        "rejected.malformed": 2,
    }
    assert {group for _, group in ledger.cells().values()} == {("F",), ("M",)}
    close(ledger, [], ("sex",), as_of=START + 3 * 86_400)
    assert sorted(row[3:] for row in outcomes(ledger, "labels")) == [(0, 0, 1), (1, 1, 1)]
    assert lags(ledger) == {}


def test_kserves_lists_and_ids_come_under_the_names_of_the_spec():
    pairing = ce.Pairing(NAMED)
    attributes = {"id": "x", "source": "s", "time": iso(START)}
    for part, data in (
        ("request", {"instances": [["F", 30], ["M", 40]]}),
        ("response", {"predictions": [1, 0]}),
    ):
        found = pairing.events(
            ce.CloudEvent(attributes | {"type": f"org.kubeflow.serving.inference.{part}"}, data)
        )
    assert [(e["loan"], e["decided"], e["sex"], e["approved"]) for e in found] == [
        ("x/0", iso(START), "F", 1),
        ("x/1", iso(START), "M", 0),
    ]
    with pytest.raises(DataError, match="2 names of inputs"):
        ce.rows_of_inputs({"instances": [[1, 2, 3]]}, ("sex", "age"))
