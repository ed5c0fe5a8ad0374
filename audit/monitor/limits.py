"""How much one client may send: requests and bytes a second, and requests at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MOST_CLIENTS = 4_096


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client address may do; the burst is two seconds' worth."""

    requests: float = 500.0
    """Requests a second."""
    data: float = 64 * 2**20
    """Bytes a second."""
    at_once: int = 64
    """Requests that are being answered."""
    body: int = 8 * 2**20
    """Bytes of one request."""
    patience: float = 30.0
    """Seconds in which a body must have come."""


@dataclass
class _Client:
    requests: float
    data: float
    seen: float
    at_once: int = 0


class Gatekeeper:
    """Counts what each client does; the least recent are forgotten, so that memory is bounded.

    >>> keeper = Gatekeeper(Limits(requests=1, at_once=9))
    >>> [keeper.enter("a", 10, now=t) is None for t in (0.0, 0.1, 0.2, 3.0)]
    [True, True, False, True]
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.refused = 0
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def enter(self, client: str, size: int, *, now: float) -> str | None:
        """Why a request is refused; None where it may go on, and then `leave` must follow."""
        limits, state = self.limits, self._state(client, now)
        passed = max(0.0, now - state.seen)
        state.requests = min(2 * limits.requests, state.requests + passed * limits.requests)
        state.data = min(2 * limits.data, state.data + passed * limits.data)
        state.seen = now
        why = None
        if state.at_once >= limits.at_once:
            why = f"more than {limits.at_once} requests at once from one address"
        elif state.requests < 1:
            why = f"more than {limits.requests:g} requests a second from one address"
        elif state.data < size:
            why = f"more than {limits.data:g} bytes a second from one address"
        if why is not None:
            self.refused += 1
            return why
        state.requests -= 1
        state.data -= size
        state.at_once += 1
        return None

    def leave(self, client: str) -> None:
        """The request was answered."""
        if client in self._clients:
            self._clients[client].at_once -= 1

    def _state(self, client: str, now: float) -> _Client:
        if client not in self._clients:
            full = _Client(2 * self.limits.requests, 2 * self.limits.data, now)
            self._clients[client] = full
            if len(self._clients) > MOST_CLIENTS:
                idle = next((name for name, c in self._clients.items() if not c.at_once), None)
                if idle is not None:
                    del self._clients[idle]
        self._clients.move_to_end(client)
        return self._clients[client]
