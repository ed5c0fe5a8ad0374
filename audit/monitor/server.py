"""The service: /events, /metrics, /healthz, /readyz and the page, over HTTP."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from audit.errors import AuditError
from audit.monitor import guard, intake, page
from audit.monitor.exporter import Traffic, render
from audit.monitor.guard import Listening, listening
from audit.monitor.intake import FullError, TooManyError, UnknownTypeError
from audit.monitor.keeper import Keeper
from audit.monitor.limits import Gatekeeper, Limits
from audit.monitor.watch import Watch

__all__ = ["Service", "listening", "serve"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_CONNECTIONS = 512
HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class Service:
    """A watch over HTTP: an ASGI application."""

    def __init__(self, watch: Watch, settings: Listening, *, limits: Limits | None = None) -> None:
        self.keeper = Keeper(watch)
        self.settings = settings
        self.gatekeeper = Gatekeeper(limits or Limits())
        self.refused: Counter[str] = Counter()
        self._halves = threading.Lock()
        routes = [
            Route("/", self.dashboard),
            Route("/dashboard.js", self.script),
            Route("/events", self.events, methods=["POST"]),
            Route("/metrics", self.metrics),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
        ]
        self._inner = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Who asks is looked at before anything else."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request = Request(scope)
        client = request.client.host if request.client else ""
        said = guard.refusal(self.settings, request.url.path, client, request.headers)
        if said is None:
            await self._inner(scope, receive, send)
            return
        status, why = said
        self.refused[str(status)] += 1
        headers = {**HEADERS, **({"www-authenticate": 'Basic realm="harm-audit"'} if status == 401 else {})}
        await JSONResponse({"error": why}, status, headers)(scope, receive, send)

    async def events(self, request: Request) -> Response:
        """Takes events in; 202 once they are on disk."""
        client = request.client.host if request.client else ""
        limits = self.gatekeeper.limits
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limits.body:
            return self._refuse(413, f"a body of more than {limits.body} bytes")
        size = int(length) if length.isdigit() else limits.body
        why = self.gatekeeper.enter(client, size, now=time.monotonic())
        if why is not None:
            return self._refuse(429, why, {"retry-after": "1"})
        try:
            return await self._take(request)
        finally:
            self.gatekeeper.leave(client)

    async def _take(self, request: Request) -> Response:
        limits = self.gatekeeper.limits
        try:
            body = await asyncio.wait_for(_body(request, limits.body), limits.patience)
            found = await asyncio.to_thread(self._lines, dict(request.headers), body)
            if not len(found):
                return JSONResponse({"received": 0}, 202, HEADERS)
            done = await asyncio.wrap_future(self.keeper.writer.submit(found))
        except TimeoutError:
            return self._refuse(408, f"the body did not come within {limits.patience:g} s")
        except _TooLargeError:
            return self._refuse(413, f"a body of more than {limits.body} bytes")
        except FullError as error:
            return self._refuse(503, error.what, {"retry-after": "1"})
        except TooManyError as error:
            return self._refuse(413, error.what)
        except UnknownTypeError as error:
            return self._refuse(415, f"{error.what}. {error.hint}")
        except ClientDisconnect:
            return self._refuse(400, "the client went away")
        except AuditError as error:
            return self._refuse(400, error.what)
        batch = {
            "received": done.received,
            "accepted": done.accepted,
            "duplicate": done.duplicate,
            "rejected": {reason: n for reason, n in done.rejected.items() if n},
        }
        return JSONResponse({"received": len(found), "batch": batch}, 202, HEADERS)

    def _lines(self, headers: dict[str, str], body: bytes) -> Any:
        # Halves that wait for each other are kept by one thread at a time.
        with self._halves:
            return intake.lines(headers, body, self.keeper.pairing)

    def _refuse(self, status: int, why: str, more: dict[str, str] | None = None) -> Response:
        self.refused[str(status)] += 1
        return JSONResponse({"error": why}, status, {**HEADERS, **(more or {})})

    async def metrics(self, request: Request) -> Response:
        """What Prometheus reads."""
        keeper = self.keeper
        traffic = Traffic(
            self.refused, keeper.writer.waiting, keeper.pairing.dropped, keeper.deliveries_failed
        )
        tallies = await asyncio.to_thread(keeper.tallies)
        return Response(
            render(keeper.found, tallies, traffic), headers={**HEADERS, "content-type": METRICS_TYPE}
        )

    async def healthz(self, request: Request) -> Response:
        """Whether the process answers."""
        return PlainTextResponse("ok\n", headers=HEADERS)

    async def readyz(self, request: Request) -> Response:
        """Whether it takes events in and judges them; else the reasons."""
        wrong = self.keeper.unready()
        return JSONResponse({"ready": not wrong, "why": wrong}, 503 if wrong else 200, HEADERS)

    async def dashboard(self, request: Request) -> Response:
        """The page; the same as before where nothing was evaluated since."""
        text, tag = await asyncio.to_thread(self.keeper.page)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={**HEADERS, "etag": tag})
        return Response(text, headers={**HEADERS, "content-type": "text/html; charset=utf-8", "etag": tag})

    async def script(self, request: Request) -> Response:
        """What lets the page renew itself."""
        return Response(page.script(), headers={**HEADERS, "content-type": "text/javascript; charset=utf-8"})


class _TooLargeError(Exception):
    """The body went on beyond its limit."""


async def _body(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _TooLargeError
        parts.append(part)
    return b"".join(parts)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, HEADERS)


def _stop(*_: object) -> None:
    raise SystemExit(0)


def serve(watch: Watch, settings: Listening) -> None:
    """Serves until it is told to stop, by Ctrl-C or SIGTERM; what waits is written before it ends."""
    service = Service(watch, settings)
    config = uvicorn.Config(
        service,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        server_header=False,
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
    )
    # Uvicorn raises the signal that stopped it again; the system's own handler would end the process there.
    before = signal.signal(signal.SIGTERM, _stop)
    service.keeper.start()
    try:
        uvicorn.Server(config).run()
    finally:
        service.keeper.stop()
        signal.signal(signal.SIGTERM, before)
