"""A server for one person's browser: bound to this machine, behind a secret in the address.

A request is answered only if it names this server as its host (no other name may be made to point here),
carries the secret, and, where the browser says whence it comes, comes from this very page.
"""

from __future__ import annotations

import hmac
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from audit.cli import interrupts, output
from audit.errors import UsageError

HOST = "127.0.0.1"
LARGEST = 200_000
"""Bytes of a form that are read at most."""
_WAIT = 30
_FORM = "application/x-www-form-urlencoded"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""With every answer: nothing from outside, in no frame, no trace of the address elsewhere."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the path below the secret, the query, the form's fields in order."""

    method: str
    path: str
    base: str
    """The address that the page's links begin with."""
    query: dict[str, str] = field(default_factory=dict)
    form: tuple[tuple[str, str], ...] = ()
    who: str = ""
    """The name that was last given in this browser."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered; `see` sends the browser on to a path below the secret."""

    status: int
    text: str = ""
    see: str | None = None
    who: str | None = None


Respond = Callable[[Request], Response]


class Server(ThreadingHTTPServer):
    """Serves `respond` on this machine's own address."""

    daemon_threads = True

    def __init__(self, respond: Respond, port: int = 0, token: str | None = None) -> None:
        self.respond = respond
        self.token = token or secrets.token_urlsafe(24)
        super().__init__((HOST, port), _Handler)

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a browser names them."""
        return f"http://{HOST}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The address to open, the secret in it."""
        return f"{self.origin}/{self.token}/"

    def server_bind(self) -> None:
        """Bind without asking who we are by name: that is a question to the network."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error."""


def serve(respond: Respond, port: int) -> int:
    """Serve until Ctrl-C, having said where."""
    try:
        server = Server(respond, port)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be had: {error.strerror or error}",
            hint="Leave --port out, and a free one is taken.",
        ) from error
    with server:
        output.echo(f"Open {server.url}")
        output.echo("On this machine only; whoever has this address can answer. Ctrl-C ends it.")
        sys.stdout.flush()
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt as pressed:
            interrupts.settle(pressed)
            output.echo("ended; every answer that was saved is in governance/answers")
    return 0


def refusal(server: Server, method: str, headers: Mapping[str, str], token: str) -> tuple[int, str] | None:
    """Status and words for a request that is not answered; None for one that is."""
    if headers.get("Host") != server.origin.removeprefix("http://"):
        return 421, "this server answers to its own address alone"
    if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), server.token.encode()):
        return 403, "this address lacks the secret; open the one that the command printed"
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin not in (None, server.origin) or site in ("cross-site", "same-site"):
        return 403, "this request comes from another page; open the address by hand"
    if method == "POST" and origin is None:
        return 403, "this request does not say where it comes from"
    return None


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "harm-audit", ""
    timeout = _WAIT

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        token, _, path = parts.path.lstrip("/").partition("/")
        refused = refusal(self.server, method, dict(self.headers.items()), token)
        if refused is not None:
            self._refuse(*refused)
            return
        form: tuple[tuple[str, str], ...] = ()
        if method == "POST":
            read = self._form()
            if read is None:
                return
            form = read
        request = Request(
            method,
            unquote(path),
            f"/{self.server.token}/",
            dict(parse_qsl(parts.query)),
            form,
            self._who(),
        )
        try:
            response = self.server.respond(request)
        except Exception as error:
            output.error(f"internal error: {output.one_line(f'{type(error).__name__}: {error}')}")
            self._refuse(500, "an internal error; the terminal says more. Nothing was written.")
            return
        self._send(response)

    def _form(self) -> tuple[tuple[str, str], ...] | None:
        """The form's fields; None where it was refused."""
        kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        length = self.headers.get("Content-Length") or ""
        if kind != _FORM:
            self._refuse(415, "not a form")
        elif not (length.isascii() and length.isdigit()):
            self._refuse(411, "its length is not said")
        elif int(length) > LARGEST:
            self._refuse(413, f"more than {LARGEST:,} bytes")
        else:
            try:
                text = self.rfile.read(int(length)).decode("ascii")
                return tuple(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=100))
            except ValueError:
                self._refuse(400, "not a form")
        return None

    def _who(self) -> str:
        for part in (self.headers.get("Cookie") or "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "who":
                return unquote(value)[:200]
        return ""

    def _refuse(self, status: int, words: str) -> None:
        self.close_connection = True
        self._write(status, f"{words}\n".encode(), "text/plain; charset=utf-8", {"Connection": "close"})

    def _send(self, response: Response) -> None:
        more = {}
        if response.who is not None:
            path = f"/{self.server.token}/"
            more["Set-Cookie"] = f"who={quote(response.who, safe='')}; Path={path}; HttpOnly; SameSite=Strict"
        if response.see is not None:
            more["Location"] = f"/{self.server.token}/{response.see}"
        self._write(
            response.status, response.text.encode("utf-8", "replace"), "text/html; charset=utf-8", more
        )

    def _write(self, status: int, body: bytes, kind: str, more: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            **HEADERS,
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **more,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a log would hold the secret."""
