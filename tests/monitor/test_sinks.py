"""Alarms reach their sinks at least once, under one id, whatever fails in between."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from audit.errors import SpecError
from audit.governance.register import Book
from audit.monitor import follow, outbox
from audit.monitor.acts import act
from audit.monitor.signature import DELIVERY, verify
from audit.monitor.sinks import targets
from audit.monitor.watch import Watch
from audit.spec import from_dict, load
from tests.monitor.log import DAY, START
from tests.monitor.project import make_project, opened, write_days

SECRET = "s3cret"
NOW = START + 20 * DAY + 7_200


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it gets, and fails the first requests as it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.server.failures -= 1
        moved = self.path == "/moved"
        self.send_response(302 if moved else 503 if self.server.failures >= 0 else 200)
        if moved:
            self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.failures = [], 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def watch(tmp_path, monkeypatch, receiver):
    """A watch with an alarm, whose spec has a webhook and a command."""
    url = f"http://127.0.0.1:{receiver.server_address[1]}"
    script = (
        "import sys,os;open(sys.argv[1],'a').write(os.environ['HARM_AUDIT_DELIVERY']+sys.stdin.read()+'\\n')"
    )
    command = json.dumps([sys.executable, "-c", script, str(tmp_path / "told")])
    sinks = (
        f'[{{webhook: "{url}/hook", secret: "${{HOOK}}"}}, {{command: {command}}}, {{slack: "${{SLACK}}"}}]'
    )
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("SLACK", f"{url}/slack")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    project = make_project(tmp_path, more=f", sinks: {sinks}")
    made = opened(project, tmp_path)
    write_days(tmp_path / "logs", 20, rate=lambda day, sex: 0.2 if sex == "F" else 0.4, labels=False)
    made.ingest(whole=True)
    return made


def test_a_message_is_signed_repeated_until_it_is_taken_and_sent_once(watch, receiver, tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "GIVEN_UP", 10**10)
    receiver.failures = 1
    found = watch.evaluate(now=NOW)
    alarms = len(found.open_alarms())
    assert alarms >= 1
    assert follow.follow(watch, found) == ()
    assert follow.follow(watch, watch.evaluate(now=NOW + 60)) == ()
    assert sum(outbox.states(watch.ledger).values()) == 3 * alarms
    taken, failed = follow.deliver(watch)
    assert failed == 1
    later = int(time.time()) + 4_000
    for sink in targets(watch.spec):
        outbox.deliver(watch.ledger, sink, now=later)
    assert {state for _, state in outbox.states(watch.ledger)} == {"delivered"}
    hooks = [(headers, body) for path, headers, body in receiver.got if path == "/hook"]
    ids = [headers[DELIVERY] for headers, _ in hooks]
    assert len(ids) == alarms + 1
    assert len(set(ids)) == alarms
    headers, body = hooks[0]
    assert verify(SECRET, headers, body, now=time.time())
    assert not verify("another", headers, body, now=time.time())
    assert not verify(SECRET, headers, body + b" ", now=time.time())
    assert not verify(SECRET, headers, body, now=time.time() + 3_600)
    message = json.loads(body)
    assert (message["event"], message["alarm"]["kind"]) == ("opened", "disparity")
    told = [json.loads(line[32:]) for line in (tmp_path / "told").read_text().splitlines()]
    assert len(told) == alarms
    slack = [json.loads(body) for path, _, body in receiver.got if path == "/slack"]
    assert all(text.keys() == {"text"} for text in slack)
    assert follow.deliver(watch) == (0, 0)
    assert taken == 3 * alarms - 1


def test_acts_are_told_and_a_redirect_is_not_followed(watch, receiver):
    found = watch.evaluate(now=NOW)
    follow.follow(watch, found)
    follow.deliver(watch)
    receiver.got.clear()
    act(watch.ledger, found.alarms[0].id, "closed", by="Ada", reason="mended", at=NOW + 9)
    follow.follow(watch, watch.evaluate(now=NOW + 60))
    follow.deliver(watch)
    events = [json.loads(body) for path, _, body in receiver.got if path == "/hook"]
    assert [event["event"] for event in events] == ["closed"]
    from audit.monitor.sinks import SendError, Target, send

    address = f"http://127.0.0.1:{receiver.server_address[1]}/moved"
    sink = Target("w", "webhook", address, None, (), "", (), ())
    with pytest.raises(SendError, match="302"):
        send(sink, "d", "{}")


def test_a_message_that_nobody_takes_is_given_up_and_counted(watch, receiver):
    receiver.failures = 10**6
    found = watch.evaluate(now=NOW)
    follow.follow(watch, found)
    hook = targets(watch.spec)[0]
    outbox.deliver(watch.ledger, hook, now=NOW)
    assert outbox.states(watch.ledger)[(hook.name, "waiting")] == len(found.open_alarms())
    outbox.deliver(watch.ledger, hook, now=NOW + 8 * DAY)
    assert outbox.states(watch.ledger)[(hook.name, "given up")] == len(found.open_alarms())


def test_a_secret_that_is_not_set_is_said_at_once(monkeypatch):
    monkeypatch.delenv("HOOK", raising=False)
    spec = from_dict(
        {
            "system": {"name": "x"},
            "data": {"columns": {"prediction": "p"}, "attributes": {"sex": {}}},
            "monitor": {"sinks": [{"webhook": "https://hooks.example/a", "secret": "${HOOK}"}]},
        }
    )
    with pytest.raises(SpecError, match="HOOK"):
        targets(spec)


def test_an_alarm_opens_its_harm_again_and_drafts_the_re_audit(watch, tmp_path):
    (tmp_path / "governance").mkdir()
    found = watch.evaluate(now=NOW)
    assert follow.follow(watch, found) == ()
    drafts = sorted((tmp_path / "governance" / "re-audits").iterdir())
    mine = [a for a in found.alarms if a.kind == "disparity"]
    assert [d.stem for d in drafts] == sorted(a.id for a in mine)
    assert "harm-audit run" in drafts[0].read_text()
    before = (tmp_path / "governance" / "harms.yaml").read_bytes()
    assert follow.follow(watch, watch.evaluate(now=NOW + 60)) == ()
    assert (tmp_path / "governance" / "harms.yaml").read_bytes() == before
    book = Book.open(tmp_path / "governance" / "harms.yaml")
    assert {harm.source for harm in book.register.harms} == {"incident"}
    harm = book.register.harms[0]
    assert len([a for a in book.register.actions if harm.id in a.harms]) >= 1
    row = book._row(harm.id)
    row["status"] = "closed"
    book.save()
    for draft in drafts:
        draft.unlink()
    follow.follow(Watch(load(tmp_path / "audit.yaml"), ledger=watch.url), watch.evaluate(now=NOW + 90))
    assert Book.open(tmp_path / "governance" / "harms.yaml").register.harm(harm.id).status == "reopened"
