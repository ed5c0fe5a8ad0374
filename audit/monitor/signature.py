"""The signature of a webhook, and how its receiver checks it; the standard library alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

DELIVERY, TIMESTAMP, SIGNATURE = "X-Harm-Audit-Delivery", "X-Harm-Audit-Timestamp", "X-Harm-Audit-Signature"
TOLERANCE = 300
"""Seconds that a message may be old: an older one may have been recorded and sent again."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 of `timestamp.body`, as the header carries it.

    >>> sign("key", 0, b"{}")[:20]
    'sha256=7314351dd949a'
    """
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether a message was signed with the secret and is not older than `TOLERANCE`.

    A message may come more than once: its delivery id says which ones are the same.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    stamp, given = lower.get(TIMESTAMP.lower(), ""), lower.get(SIGNATURE.lower(), "")
    if not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, int(stamp), body), given)
