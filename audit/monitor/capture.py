"""Logs each prediction of an ASGI server for the monitor, without slowing it; the standard library alone.

    app = Capture(app, to="logs", request=("sex", "age", "customer"), response=("approved", "p_repay"))

The request's path costs a copy of references and one append; parsing and writing happen in a thread
of their own. The queue is bounded: where the writer cannot keep up, events are dropped and counted,
and no request ever waits. Only the named fields are kept.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

EVENT_ID = b"x-event-id"
"""The header that names an event: taken from the request where it is sent, always given back, so that
whoever asked can send the label later."""
LARGEST = 2**20
"""Bytes of a request or response beyond which it is not logged, and counted."""
LINGER = 0.25
"""Seconds that events are gathered for one write."""
MOST_AT_ONCE = 5_000


class Capture:
    """ASGI middleware that logs predictions to a folder (JSON lines) or to a monitor's /events.

    `request` and `response` name the JSON fields that are kept of each; a dictionary's `instances` and
    `predictions` are taken apart into an event each. Only answers of status 200 are predictions: others
    are counted as `refused`. `version` gives the model's version at the time of the request.
    """

    def __init__(
        self,
        app: App,
        *,
        to: str | os.PathLike[str],
        request: Sequence[str],
        response: Sequence[str],
        paths: Sequence[str] = ("/predict",),
        version: Callable[[], str | None] = lambda: None,
        capacity: int = 20_000,
        token: str | None = None,
    ) -> None:
        self.app = app
        self.to = os.fspath(to)
        self.request, self.response = tuple(request), tuple(response)
        self.paths = frozenset(paths)
        self.version = version
        self.token = token
        self.counts = dict.fromkeys(("seen", "logged", "dropped", "refused", "unreadable", "too_large"), 0)
        self.capacity = capacity
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = threading.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Passes the call on and keeps what went by."""
        if scope["type"] != "http" or scope["path"] not in self.paths:
            await self.app(scope, receive, send)
            return
        name = next((value for key, value in scope["headers"] if key == EVENT_ID), None)
        event_id = name if name is not None else os.urandom(16).hex().encode()
        asked: list[bytes] = []
        answered: list[bytes] = []
        status = 0

        async def hear() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                asked.append(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (EVENT_ID, event_id)]
            else:
                answered.append(message.get("body", b""))
            await send(message)

        version = self.version()
        await self.app(scope, hear, say)
        self._keep((event_id, time.time(), version, status, asked, answered))

    def _keep(self, item: tuple[Any, ...]) -> None:
        self.counts["seen"] += 1
        if self._thread is None:
            self._start()
        # An append to a deque is atomic and wakes nobody: the writer looks by itself, four times a second.
        if len(self._waiting) < self.capacity:
            self._waiting.append(item)
        else:
            self.counts["dropped"] += 1

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Writes what waits; call it when the server stops."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(LINGER):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            items = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            events = [event for item in items for event in self._events(item)]
            if events:
                self._write(events)

    def _events(self, item: tuple[Any, ...]) -> list[dict[str, Any]]:
        name, at, version, status, asked, answered = item
        if status != 200:
            self.counts["refused"] += 1
            return []
        if sum(map(len, asked)) > LARGEST or sum(map(len, answered)) > LARGEST:
            self.counts["too_large"] += 1
            return []
        try:
            rows = _rows(json.loads(b"".join(asked)), "instances")
            found = _rows(json.loads(b"".join(answered)), "predictions")
            if len(rows) != len(found):
                raise ValueError("one answer for each row")
            head = {"event_id": name.decode(), "event_time": _iso(at), "model_version": version}
            return [
                {
                    **head,
                    **({} if len(rows) == 1 else {"event_id": f"{head['event_id']}/{i}"}),
                    **{key: row[key] for key in self.request if key in row},
                    **{key: answer[key] for key in self.response if key in answer},
                }
                for i, (row, answer) in enumerate(zip(rows, found, strict=True))
            ]
        except (ValueError, TypeError, RecursionError):
            self.counts["unreadable"] += 1
            return []

    def _write(self, events: list[dict[str, Any]]) -> None:
        data = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events).encode()
        try:
            if self.to.startswith(("http://", "https://")):
                self._post(data)
            else:
                self._append(data)
        except OSError:
            self.counts["dropped"] += len(events)
        else:
            self.counts["logged"] += len(events)

    def _append(self, data: bytes) -> None:
        """One write to the file of this process and hour, so that no line is torn between processes."""
        hour = datetime.now(UTC).strftime("%Y%m%dT%H")
        path = Path(self.to) / f"capture-{hour}-{os.getpid()}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(data)

    def _post(self, data: bytes) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.to, data, headers, method="POST")
        for pause in (0.5, 2.0, 0.0):
            try:
                with urllib.request.urlopen(request, timeout=10):
                    return
            except OSError:
                if not pause:
                    raise
                time.sleep(pause)


def _rows(body: Any, key: str) -> list[dict[str, Any]]:
    found = body[key] if isinstance(body, dict) and isinstance(body.get(key), list) else [body]
    if not all(isinstance(row, dict) for row in found):
        raise TypeError("a row is a JSON object")
    return found


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
