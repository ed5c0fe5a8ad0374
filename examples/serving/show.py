"""From a gated update to its rollback, in one run: python show.py FOLDER

Three models are audited; one is live. An update that violates the policy is refused by the gate, a
sound one goes live. The monitor watches its predictions against its bundle. Then a feed breaks for
women: the alarm opens, the webhook arrives, the model is taken back. Before that, the latency that the
capture adds is measured side by side. The last line is JSON; exit 1 where a step did not happen.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_models
from load import Stream, compare

HERE = Path(__file__).resolve().parent
PATIENCE = 120


def main(folder: Path, requests: int) -> int:
    secret, ports = secrets.token_urlsafe(), [free_port() for _ in range(4)]
    live, plain, monitor, captured = (f"http://127.0.0.1:{port}" for port in ports)
    sinks = f', sinks: [{{webhook: "{live}/hooks/alarm", secret: "${{HOOK_SECRET}}"}}]'
    say("Three models are trained and audited")
    make_models.main(folder, sinks)
    with ExitStack() as stack:
        environment = {**os.environ, "HOOK_SECRET": secret, "PROJECT": str(folder), "NO_PROXY": "127.0.0.1"}
        report: dict[str, Any] = {}

        say("The latency that the capture adds, side by side")
        for port, logs in ((ports[1], ""), (ports[3], str(folder / "scratch"))):
            start(stack, serving(port), {**environment, "LOGS": logs}, folder / f"server-{port}.log")
        for url in (plain, captured):
            wait(f"{url}/healthz")
        report |= compare(captured, plain, requests)
        print(json.dumps(report), flush=True)

        say("v1 is live; v3 is refused by the gate, v2 goes live through it")
        start(stack, serving(ports[0]), {**environment, "LOGS": str(folder / "logs")}, folder / "server.log")
        wait(f"{live}/healthz")
        for name, expected in (("v3", 409), ("v2", 200)):
            status, said = post(f"{live}/admin/update", {"model": name})
            print(name, status, json.dumps(said), flush=True)
            if status != expected:
                return fail(f"the update to {name} was answered with {status}, not {expected}")

        say("The monitor watches v2 against its bundle")
        stream = Stream(live)
        stream.thread.start()
        stack.callback(stream.thread.join)
        stack.callback(stream.stopping.set)
        time.sleep(3)
        audit = [sys.executable, "-m", "audit", "monitor"]
        spec = ["--spec", str(folder / "v2.yaml")]
        subprocess.run([*audit, "baseline", str(folder / "evidence-v2"), *spec], check=True, env=environment)
        start(stack, [*audit, "run", *spec, "--port", str(ports[2])], environment, folder / "monitor.log")
        wait(f"{monitor}/readyz")
        quiet = 12
        time.sleep(quiet)
        if get(f"{live}/healthz")["live"] != "v2":
            return fail("v2 was taken back before anything was wrong")
        print(f"{stream.sent} predictions, {quiet} s watched, no alarm", flush=True)

        say("The bureau's feed breaks for women")
        broken = time.monotonic()
        stream.drift.set()
        while get(f"{live}/healthz")["live"] != "v1":
            if time.monotonic() - broken > PATIENCE:
                return fail("no rollback came")
            time.sleep(0.2)
        report["drift_to_rollback_s"] = round(time.monotonic() - broken, 1)
        for line in (folder / "server.log").read_text().splitlines():
            if '"alarm"' in line or '"rollback"' in line:
                print(line, flush=True)
        time.sleep(2)
        report["predictions"] = dict(stream.versions)
        report["rolled_back_to"] = get(f"{live}/healthz")["live"]
    print(json.dumps(report))
    return 0


def serving(port: int) -> list[str]:
    words = ["--factory", "server:make_app", "--app-dir", str(HERE), "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", *words, "--log-level", "warning", "--no-access-log"]


def start(stack: ExitStack, command: list[str], environment: dict[str, str], log: Path) -> None:
    """A process that ends with the script, and what it prints in a file."""
    file = stack.enter_context(log.open("w"))
    process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)

    def end() -> None:
        process.terminate()
        process.wait(20)

    stack.callback(end)


def wait(url: str) -> None:
    for _ in range(300):
        try:
            get(url)
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


def get(url: str) -> Any:
    with opener().open(url, timeout=10) as answer:
        return json.loads(answer.read())


def post(url: str, body: Any) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method="POST")
    try:
        with opener().open(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(words: str) -> None:
    print(f"\n## {words}", flush=True)


def fail(words: str) -> int:
    print(words, file=sys.stderr)
    return 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("python show.py FOLDER [REQUESTS]")
    sys.exit(main(Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 6_000))
