"""The capture logs what was predicted, keeps only what is named, and never holds up a request."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from audit.monitor import capture
from audit.monitor.capture import Capture


def answering(body, status=200):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    return app


def ask(app, body, *, path="/predict", headers=()):
    """The messages that the client gets."""
    got = []

    async def receive():
        return {
            "type": "http.request",
            "body": body if isinstance(body, bytes) else json.dumps(body).encode(),
        }

    async def send(message):
        got.append(message)

    call = app({"type": "http", "path": path, "headers": list(headers)}, receive, send)
    with ThreadPoolExecutor(1) as pool:  # this thread may have the loop of a browser test
        pool.submit(asyncio.run, call).result()
    return got


def logged(folder):
    return [
        json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def made(tmp_path, app, **given):
    fields = {"request": ("sex", "customer"), "response": ("approved",)}
    return Capture(app, to=tmp_path / "logs", **{**fields, **given})


def test_an_event_has_the_named_fields_an_id_that_is_given_back_and_the_version(tmp_path):
    app = made(tmp_path, answering({"approved": 1, "secret": 2}), version=lambda: "v7")
    got = ask(app, {"sex": "F", "customer": "c1", "income": 5}, headers=[(b"x-event-id", b"e1")])
    ask(app, {"sex": "M"})
    app.close()
    first, second = logged(tmp_path / "logs")
    assert first.pop("event_time").endswith("+00:00")
    assert first == {"event_id": "e1", "model_version": "v7", "sex": "F", "customer": "c1", "approved": 1}
    assert (b"x-event-id", b"e1") in got[0]["headers"]
    assert len(second["event_id"]) == 32
    assert app.counts["seen"] == app.counts["logged"] == 2


def test_a_batch_is_an_event_each(tmp_path):
    app = made(tmp_path, answering({"predictions": [{"approved": 1}, {"approved": 0}]}))
    ask(app, {"instances": [{"sex": "F"}, {"sex": "M"}]}, headers=[(b"x-event-id", b"b")])
    app.close()
    assert [(e["event_id"], e["sex"], e["approved"]) for e in logged(tmp_path / "logs")] == [
        ("b/0", "F", 1),
        ("b/1", "M", 0),
    ]


@pytest.mark.parametrize(
    ("answer", "status", "body", "outcome"),
    [
        ({"approved": 1}, 400, {"sex": "F"}, "refused"),
        ({"approved": 1}, 200, b"{broken", "unreadable"),
        ([1, 2], 200, {"sex": "F"}, "unreadable"),
        ({"predictions": [{}]}, 200, {"instances": [{}, {}]}, "unreadable"),
        ({"approved": 1}, 200, {"sex": "x" * capture.LARGEST}, "too_large"),
    ],
)
def test_what_is_no_prediction_is_counted(tmp_path, answer, status, body, outcome):
    app = made(tmp_path, answering(answer, status))
    assert ask(app, body)[0]["status"] == status
    app.close()
    assert app.counts[outcome] == 1
    assert app.counts["logged"] == 0


def test_a_full_queue_drops_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(capture, "LINGER", 30)
    app = made(tmp_path, answering({"approved": 1}), capacity=3)
    for _ in range(5):
        assert ask(app, {"sex": "F"})[0]["status"] == 200
    assert (app.counts["seen"], app.counts["dropped"]) == (5, 2)
    app.close()
    assert app.counts["logged"] == 3


def test_a_folder_that_cannot_be_written_holds_up_nothing(tmp_path):
    (tmp_path / "logs").write_text("a file, no folder")
    app = made(tmp_path, answering({"approved": 1}))
    assert ask(app, {"sex": "F"})[0]["status"] == 200
    app.close()
    assert app.counts["dropped"] == 1


def test_other_paths_pass_untouched(tmp_path):
    app = made(tmp_path, answering({"approved": 1}))
    assert ask(app, {}, path="/healthz")[0]["headers"] == []
    assert app.counts["seen"] == 0


def test_it_needs_the_standard_library_alone():
    script = (
        "import sys; before = set(sys.modules); import audit.monitor.capture, audit.monitor.signature;"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'audit'}))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
