"""The monitor's section of the spec is read strictly, and takes over what the audit knows."""

from __future__ import annotations

import json

import pytest

from audit.errors import SpecError
from audit.monitor.events import Normaliser
from audit.monitor.mapping import Attribute
from audit.monitor.raw import events_table
from audit.monitor.settings import read
from audit.spec import from_dict, load
from tests.monitor.log import NOW, START, iso


def spec_of(monitor=None, **data):
    columns = {"prediction": "approved", "label": "repaid", "id": "loan", "time": "at", "cluster": "customer"}
    plain = {"columns": columns, "attributes": {"sex": {"map": {"f": "F"}}, "age": {"bins": [25, 65]}}} | data
    return from_dict({"system": {"name": "credit"}, "data": plain, "monitor": monitor or {}})


def test_the_columns_of_the_audit_are_the_fields_of_events():
    found = read(spec_of({"window": "1h", "label_lag": "30d", "time": "decided_at"}))
    mapping = found.mapping
    assert (mapping.id, mapping.at, mapping.person, mapping.prediction) == (
        "loan",
        "decided_at",
        "customer",
        "approved",
    )
    assert (found.window, found.label_lag, found.attributes) == (3_600, 30 * 86_400, ("sex", "age"))
    assert mapping.attributes["age"] == Attribute("age", bins=(25.0, 65.0))
    assert mapping.source_name == "credit"


def test_a_years_false_alarms_set_the_line():
    assert read(spec_of()).mean_run == pytest.approx(7_300)
    assert read(spec_of({"false_alarms": 0.1, "window": "1h"})).mean_run == pytest.approx(365 * 24 / 0.1)


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        ({"windw": "1d"}, "Did you mean window"),
        ({"window": "soon"}, "30d"),
        ({"window": "0d"}, "0 is no duration"),
        ({"false_alarms": 0}, "over 0"),
        ({"false_alarms": True}, "allowed: a number"),
        ({"id": True}, "allowed: text"),
        ({"sinks": [{"slack": "https://x.example", "webhook": "https://x.example"}]}, "found webhook, slack"),
        ({"sinks": [{"webhook": "https://x.example", "secret": "abc"}]}, "written out"),
        ({"sinks": [{"smtp": "smtp://host"}]}, "sender"),
        ({"ledger": "postgresql://a:b@host/db"}, "a password written out"),
        ({"sql": [{"source": "a.db", "watermark": "at"}]}, "one of `table` and `sql`"),
        ({"id": None}, "an id and a time"),
        ({"blocks": "day"}, "auto, rows, window"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(monitor, words):
    with pytest.raises(SpecError, match=words):
        read(spec_of(monitor))


def test_an_error_names_its_line(tmp_path):
    path = tmp_path / "audit.yaml"
    path.write_text(
        "system: {name: credit}\ndata:\n  columns: {prediction: p}\n  attributes: {sex: {}}\n"
        "monitor:\n  window: soon\n"
    )
    with pytest.raises(SpecError, match=r"audit\.yaml:6") as error:
        read(load(path))
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("positive", "values", "expected"),
    [
        ("1", ["1", 1, 1.0, 0, "0.0", "2", "x"], [1, 1, 1, 0, 0, None, None]),
        ("yes", ["yes", "YES", "no", "maybe"], [1, 1, 0, None]),
        ("0", [0, 1], [1, 0]),
        ("granted", ["granted", "Granted", "denied", "withdrawn", ""], [1, 1, 0, 0, None]),
        ("true", [True, False, "True", 1], [1, 0, 1, None]),
    ],
)
def test_decisions_are_read_as_the_audit_read_them(positive, values, expected):
    mapping = read(spec_of(positive={"prediction": positive, "label": "1"})).mapping
    normaliser = Normaliser(mapping, threads=1)
    got = []
    for i, value in enumerate(values):
        event = {"loan": f"l{i}", "at": iso(START), "customer": "c", "approved": value}
        batch = normaliser.batch(events_table([json.loads(json.dumps(event))], normaliser), now=NOW)
        got.append(int(batch.predictions.yhat[0]) if len(batch.predictions.yhat) else None)
    assert got == expected
