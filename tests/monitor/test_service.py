"""The service over HTTP: what comes in is counted or refused, and the service stays alive."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import uvicorn

from audit.errors import UsageError
from audit.monitor.guard import Listening, listening
from audit.monitor.keeper import Keeper
from audit.monitor.ledger import Ledger
from audit.monitor.limits import Limits
from audit.monitor.server import Service
from tests.monitor.log import DAY, START
from tests.monitor.project import events_of_day, make_project, opened, write_days
from tests.needs import needs_extra, needs_promtool

httpx = needs_extra("httpx")
TOKEN = "a-token-that-is-long-enough"
HOSTILE = ("<script>alert(1)</script>", "=cmd()", 'quo"te', "N")
TODAY = int(datetime.now(UTC).timestamp()) // DAY * DAY
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"), name="<b>credit</b>", regions=HOSTILE)


@contextmanager
def serving(project, place, *, host="127.0.0.1", token=None, limits=None, days=0, **given):
    """The service on a free port, in this process, with its threads; the folder has so many days."""
    watch = opened(project, place, now=TODAY - days * DAY)
    write_days(place / "logs", days, first=-days, start=TODAY, regions=HOSTILE, **given)
    service = Service(watch, Listening(host, 0, token), limits=limits or Limits())
    config = uvicorn.Config(service, host=host, port=0, log_level="error", lifespan="off", interface="asgi3")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    listener = socket.create_server((host, 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    service.keeper.start()
    thread.start()
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30, trust_env=False
        ) as client:
            for _ in range(200):
                if client.get("/readyz").status_code == 200:
                    break
                time.sleep(0.05)
            yield service, client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        service.keeper.stop()


@pytest.fixture(scope="module")
def live(project, tmp_path_factory):
    with serving(project, tmp_path_factory.mktemp("live"), days=3, per_day=600) as found:
        yield found


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events)


def events(day=-2, **given):
    return events_of_day(day, start=TODAY, regions=HOSTILE, **given)


def test_json_lines_arrays_and_cloudevents_are_counted_alike(live):
    service, client = live
    before = service.keeper.tallies()
    some = events(day=-9, per_day=50, labels=False)
    said = client.post("/events", content=lines(some[:20]), headers=NDJSON)
    assert (said.status_code, said.json()["received"]) == (202, 20)
    said = client.post("/events", json=some[20:30])
    assert said.json()["batch"]["accepted"] == 10
    batch = [
        {"specversion": "1.0", "id": e["loan"], "source": "s", "type": "harm_audit.prediction.v1", "data": e}
        for e in some[30:40]
    ]
    said = client.post(
        "/events",
        content=json.dumps(batch),
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert said.json()["received"] == 10
    context = {"ce-id": "x", "ce-source": "s", "ce-type": "harm_audit.prediction.v1", "ce-specversion": "1.0"}
    assert client.post("/events", json=some[40], headers=context).json()["received"] == 1
    after = service.keeper.tallies()
    assert after["received"] - before.get("received", 0) == 41
    assert after["accepted"] - before.get("accepted", 0) == 41


def test_halves_of_kserves_log_meet(live):
    _, client = live
    event = events(per_day=1, labels=False)[0] | {"loan": "kserve-1", "customer": "kserve-1"}
    prediction = event.pop("approved")
    base = {"ce-source": "http://isvc", "ce-specversion": "1.0", "ce-id": "kserve-1"}
    kinds = ("org.kubeflow.serving.inference.request", "org.kubeflow.serving.inference.response")
    bodies = ({"instances": [event]}, {"predictions": [{"approved": prediction}]})
    said = [
        client.post("/events", json=body, headers={**base, "ce-type": kind}).json()
        for kind, body in zip(kinds, bodies, strict=True)
    ]
    assert said[0] == {"received": 0}
    assert said[1]["batch"]["accepted"] == 1, said


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * (10 * 2**20), "application/x-ndjson", 413),
        (b"[" * 200_000, "application/json", 400),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "application/cloudevents+json", 400),
        (b"{not json", "application/json", 400),
        (b'{"loan": NaN}', "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"[" + b"1," * 20_000 + b"1]", "application/json", 413),
        (b"{}\n" * 100_001, "application/x-ndjson", 413),
        (b"{}", "text/plain", 415),
        (b'{"id": 1}', "application/cloudevents+json", 400),
        (b"", "application/json", 400),
    ],
)
def test_what_is_no_request_of_events_is_refused(live, body, kind, status):
    _, client = live
    said = client.post("/events", content=body, headers={"content-type": kind})
    assert said.status_code == status
    assert said.json()["error"]
    assert client.get("/healthz").text == "ok\n"


def test_a_body_without_a_length_is_cut_off_at_the_limit(live):
    _, client = live
    said = client.post("/events", content=(b"x" * 2**20 for _ in range(12)), headers=NDJSON)
    assert said.status_code == 413


def test_broken_and_impossible_events_are_counted_by_reason(live):
    service, client = live
    good = events(day=-9, per_day=1, labels=False)[0]
    year = 366 * DAY
    far = {
        "future": good | {"at": TODAY + year, "loan": "h1"},
        "bad_time": good | {"at": "noon", "loan": "h2"},
        "wrong_type": good | {"sex": ["F"], "loan": "h3"},
        "bad_prediction": good | {"approved": "perhaps", "loan": "h4"},
        "no_id": good | {"loan": None},
        "too_long": good | {"region": "x" * 300, "loan": "h5"},
    }
    deep = "[" * 30_000 + "]" * 30_000
    text = lines(far.values()) + "{broken\n" + "[1]\n" + f'{{"loan": {deep}}}\n' + "z" * 70_000 + "\n"
    before = service.keeper.tallies()
    said = client.post("/events", content=text, headers=NDJSON).json()["batch"]
    for reason in far:
        assert said["rejected"][reason] >= 1, (reason, said)
    assert said["rejected"]["malformed"] >= 2
    assert said["rejected"]["too_large"] == 1
    assert said["received"] == said["accepted"] + said["duplicate"] + sum(said["rejected"].values()) == 10
    after = service.keeper.tallies()
    assert after["received"] == before["received"] + 10


@pytest.mark.parametrize(
    "at", ["-200000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", -1e14, "1969-12-31T23:59:59Z"]
)
def test_a_time_before_1970_stops_no_evaluation(project, tmp_path, at):
    watch = opened(project, tmp_path)
    event = {"loan": "odd", "at": at, "customer": "odd", "sex": "F", "region": "N", "approved": 1}
    (tmp_path / "logs" / "odd.jsonl").write_text(json.dumps(event) + "\n")
    write_days(tmp_path / "logs", 2)
    watch.ingest(whole=True)
    found = watch.evaluate(now=START + 4 * DAY)
    assert found.tallies["rejected.bad_time"] == 1
    assert len(found.tables.windows()) == 2


def test_a_fault_of_the_program_is_said_and_tried_again(project, tmp_path, monkeypatch):
    keeper = Keeper(opened(project, tmp_path))
    monkeypatch.setattr(keeper.watch, "evaluate", lambda: 1 / 0)
    keeper.look()
    assert keeper.problems == ("internal error: ZeroDivisionError: division by zero",)
    monkeypatch.undo()
    keeper.look()
    assert keeper.problems == ()
    assert keeper.found is not None
    keeper.watch.close()


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_stopped_in_every_way_it_has_written_what_it_said(project, tmp_path, how, code):
    opened(project, tmp_path).close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"sqlite:///{tmp_path}/ledger.db"
    given = ["--ledger", url, "--events", str(tmp_path / "logs"), "--quiet", "--port", str(port)]
    service = subprocess.Popen([sys.executable, "-m", "audit", "monitor", "run", *given], cwd=project)
    answered = 0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if client.get("/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        for day in range(-9, -4):
            said = client.post(
                "/events", content=lines(events(day, per_day=50, labels=False)), headers=NDJSON
            )
            answered += said.json()["received"] if said.status_code == 202 else 0
    service.send_signal(how)
    assert service.wait(60) == code
    if how is not signal.SIGKILL:
        assert not (tmp_path / "ledger.db-wal").exists()
    ledger = Ledger(url)
    assert ledger.tallies()["received"] == answered == 250
    ledger.close()


def test_a_replayed_log_is_counted_as_sent_twice(live):
    _, client = live
    text = lines(events(day=-5, per_day=200))
    first = client.post("/events", content=text, headers=NDJSON).json()["batch"]
    again = client.post("/events", content=text, headers=NDJSON).json()["batch"]
    assert (first["accepted"], again["accepted"], again["duplicate"]) == (400, 0, 400)
    old = client.post("/events", content=lines(events(day=-400, per_day=5)), headers=NDJSON).json()["batch"]
    assert old["received"] == 10


def test_names_of_groups_stay_text_on_the_page_and_in_the_metrics(live):
    service, client = live
    service.keeper.look()
    text = client.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<b>credit" not in text
    assert 'group="<script>alert(1)</script>"' in client.get("/metrics").text


def test_the_page_is_the_same_until_something_is_evaluated(live):
    service, client = live
    service.keeper.look()
    tag = client.get("/").headers["etag"]
    assert client.get("/", headers={"if-none-match": tag}).status_code in (200, 304)
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy


def test_promtool_finds_nothing_in_the_metrics(live):
    service, client = live
    client.post("/events", content="no event\n", headers=NDJSON)
    service.keeper.look()
    said = client.get("/metrics")
    assert said.headers["content-type"].startswith("text/plain")
    done = subprocess.run(
        [needs_promtool(), "check", "metrics"], input=said.text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = {line.split("{")[0].split(" ")[0] for line in said.text.splitlines() if not line.startswith("#")}
    wanted = "group_rate_ratio evidence_log alarm_active verdict_info events_total events_rejected_total"
    assert {f"harm_audit_{name}" for name in wanted.split()} <= names


def test_a_flood_from_one_client_is_refused_and_others_are_served(project, tmp_path):
    with serving(project, tmp_path, limits=Limits(requests=1)) as (service, client):
        codes = [client.post("/events", content=b"{}\n", headers=NDJSON).status_code for _ in range(120)]
        assert codes.count(429) > 50
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert service.gatekeeper.enter("another", 10, now=time.monotonic()) is None
        time.sleep(1.5)
        assert client.post("/events", content=b"{}\n", headers=NDJSON).status_code == 202
        assert 'harm_audit_requests_refused_total{status="429"}' in client.get("/metrics").text


def test_a_stranger_needs_the_token_and_so_does_everybody(project, tmp_path):
    basic = b64encode(f"me:{TOKEN}".encode()).decode()
    with serving(project, tmp_path, host="0.0.0.0", token=TOKEN) as (service, client):
        outside = own_address()
        url = str(client.base_url).replace("127.0.0.1", outside)
        for base in (url, str(client.base_url)):
            for path in ("/", "/metrics", "/dashboard.js"):
                assert httpx.get(base + path, trust_env=False).status_code == 401
            said = httpx.post(base + "/events", content=b"{}\n", headers=NDJSON, trust_env=False)
            assert (said.status_code, said.headers["www-authenticate"]) == (401, 'Basic realm="harm-audit"')
            assert httpx.get(base + "/healthz", trust_env=False).status_code == 200
        for given in (f"Bearer {TOKEN}", f"Basic {basic}"):
            headers = {**NDJSON, "authorization": given}
            said = httpx.post(url + "/events", content=b"{}\n", headers=headers, trust_env=False)
            assert said.status_code == 202
        wrong = {**NDJSON, "authorization": "Bearer " + "x" * 27}
        assert httpx.post(url + "/events", content=b"{}\n", headers=wrong, trust_env=False).status_code == 401
        assert service.refused["401"] >= 8


def own_address():
    """An address of this machine that is not the loopback, else the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def test_without_a_token_another_host_is_refused_whatever_it_calls_itself(project, tmp_path):
    from audit.monitor.guard import refusal

    here = Listening("127.0.0.1", 1, None)
    assert refusal(here, "/events", "10.0.0.9", {"host": "127.0.0.1"}) is not None
    assert refusal(here, "/events", "127.0.0.1", {"host": "evil.example"}) is not None
    assert (
        refusal(here, "/", "127.0.0.1", {"host": "localhost:1", "origin": "http://evil.example"}) is not None
    )
    assert refusal(here, "/", "::1", {"host": "[::1]:8640", "origin": "http://[::1]:8640"}) is None
    for host in ("0.0.0.0", "10.0.0.9", "::", "monitor.example"):
        with pytest.raises(UsageError, match="HARM_AUDIT_TOKEN"):
            listening(host, 1, {})
    with pytest.raises(UsageError, match="fewer than 16"):
        listening("0.0.0.0", 1, {"HARM_AUDIT_TOKEN": "short"})


def test_a_watched_folder_ends_in_a_verdict_on_the_page(project, tmp_path):
    def worse(day, sex):
        return 0.2 if sex == "F" else 0.4

    with serving(project, tmp_path, days=6, per_day=1_500, labels=False, rate=worse) as (service, client):
        found = service.keeper.found
        assert found.verdict.value == "violation", found.why
        assert "Violation" in client.get("/").text
        assert client.get("/readyz").json() == {"ready": True, "why": []}
