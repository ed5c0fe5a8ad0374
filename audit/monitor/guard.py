"""Who may ask: this machine alone, or whoever has the token; no page of another site."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass

from audit.errors import UsageError

TOKEN = "HARM_AUDIT_TOKEN"
SHORTEST_TOKEN = 16
OPEN_PATHS = ("/healthz", "/readyz")
"""Answered without a token: they say whether the service lives, and nothing of groups."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the service listens, and the token that it asks for."""

    host: str
    port: int
    token: str | None


def listening(host: str, port: int, environ: Mapping[str, str] | None = None) -> Listening:
    """The settings of a service; an address that others reach needs a token, else a UsageError."""
    token = (os.environ if environ is None else environ).get(TOKEN) or None
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"the token in {TOKEN} has fewer than {SHORTEST_TOKEN} characters",
            hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.",
        )
    if token is None and not loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, and no token is asked for",
            hint=f"Set {TOKEN} to a secret, or listen on 127.0.0.1.",
        )
    return Listening(host, port, token)


def loopback(host: str) -> bool:
    """Whether an address is this machine's own.

    >>> [loopback(h) for h in ("127.0.0.1", "::1", "localhost", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1")]
    [True, True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def refusal(
    settings: Listening, path: str, client: str, headers: Mapping[str, str]
) -> tuple[int, str] | None:
    """The status and reason with which a request is refused; None where it may go on.

    With a token every request needs it, this machine's too: behind a proxy all clients look local.
    Without one the client must be this machine, the Host header must name it (a page of another site
    whose name was made to point here has its own), and a browser's Origin must be the page itself.
    """
    if path in OPEN_PATHS:
        return None
    if settings.token is not None:
        if _given(headers.get("authorization", ""), settings.token):
            return None if _same_site(headers) else (403, "asked by a page of another site")
        return 401, "a token is needed: Authorization: Bearer …"
    if not loopback(client):
        return 403, "only this machine is answered without a token"
    if not loopback(_name(headers.get("host", ""))):
        return 403, "the Host header does not name this machine"
    return None if _same_site(headers) else (403, "asked by a page of another site")


def _same_site(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _given(authorization: str, token: str) -> bool:
    """The token as a bearer's, or as the password of HTTP Basic, which is what a browser asks for."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            rest = base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(rest.strip().encode(), token.encode())
