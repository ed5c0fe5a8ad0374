"""Secrets in a source's address: from the environment only, never stored, never printed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus

from audit.errors import SpecError

MASK = "***"

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
_URL_ALONE = re.compile(rf"\s*{_SCHEME}.*", re.DOTALL)
_URL_IN_TEXT = re.compile(rf"{_SCHEME}\S+")
_ASSIGNED = re.compile(r"(?P<start>^|[?&;,#\s'\"(])(?P<name>[\w.%+\-]+)(?P<equals>\s*=\s*)(?P<value>[^&\s]+)")
_SECRET_NAME = re.compile(
    r"[\w.\-]*(password|passwd|passphrase|pwd|secret|token|signature|credentials?"
    r"|(api|access|account|secret|private|shared)[_\-]?key)|([\w.\-]*[_.\-])?(pass|key|sig|sas|auth)",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """`text` with user names, passwords and tokens of every address in it masked.

    Where it is not plain how far the secret reaches, more is masked rather than less.

    >>> redact("postgres://ann:pa55@db.example/credit?sslmode=require&token=t0p")
    'postgres://***@db.example/credit?sslmode=require&token=***'
    >>> redact("data/2026 @home/predictions.csv")
    'data/2026 @home/predictions.csv'
    """
    if _URL_ALONE.fullmatch(text):
        text = _without_user(text)
    else:
        text = _URL_IN_TEXT.sub(lambda match: _without_user(match.group()), text)
    return _ASSIGNED.sub(_masked_value, text)


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority or ("@" in rest and ":" in authority):
        rest = f"{MASK}@{rest.rpartition('@')[2]}"
    return f"{scheme}://{rest}"


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(unquote_plus(name)) is not None


def _masked_value(match: re.Match[str]) -> str:
    if not _is_secret(match["name"]):
        return match.group()
    return f"{match['start']}{match['name']}{match['equals']}{MASK}"


def literal_secret(source: str) -> str | None:
    """What in the address is a secret written out, or None where there is none.

    >>> literal_secret("postgres://ann:pa55@db/credit")
    'a password'
    >>> literal_secret("postgres://ann:${PGPASSWORD}@db/credit") is None
    True
    """
    scheme, separator, rest = source.strip().partition("://")
    if separator:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        whole = authority if "@" in authority else rest
        user, at, _ = whole.rpartition("@")
        name, colon, password = user.partition(":")
        if at and colon and "/" not in name and password and not _REFERENCE.search(password):
            return "a password"
        if at and "@" in authority and scheme.lower() in ("http", "https") and not _REFERENCE.search(user):
            return "a user name or token"
    for match in _ASSIGNED.finditer(source):
        if _is_secret(match["name"]) and not _REFERENCE.search(match["value"]):
            return f"the value of {match['name']!r}"
    return None


def bad_reference(text: str) -> bool:
    """Whether `text` holds a `${` that is not a plain `${NAME}`.

    >>> bad_reference("${HOME}/x"), bad_reference("${HOME:-y}")
    (False, True)
    """
    return "${" in _REFERENCE.sub("", text)


def has_reference(text: str) -> bool:
    """Whether `text` asks for a variable of the environment."""
    return "${" in text


def expand(text: str, *, where: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` with each `${NAME}` replaced from the environment; an unset one is a SpecError.

    Inside an address's user part and query the value is percent-encoded, since a password may
    hold `@`, `/` or `&`.

    >>> expand("postgres://ann:${PW}@db/x", where="audit.yaml:3", environ={"PW": "a@b"})
    'postgres://ann:a%40b@db/x'
    >>> expand("${URL}", where="audit.yaml:3", environ={"URL": "s3://bucket/x.parquet"})
    's3://bucket/x.parquet'
    """
    variables = os.environ if environ is None else environ
    _, separator, rest = text.partition("://")
    start = len(text) - len(rest) if separator else len(text)
    at, query = text.rfind("@", start), text.find("?", start)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not variables.get(name):
            raise SpecError(
                f"the environment variable {name} is not set",
                where=where,
                hint=f"Set {name} before the command, or write another name in ${{…}}.",
            )
        position = match.start()
        encoded = start <= position < at or (query >= 0 and position > query)
        return quote(variables[name], safe="") if encoded else variables[name]

    return _REFERENCE.sub(value, text)
