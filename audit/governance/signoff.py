"""Who signed a bundle, in which role, and how far that can be checked.

A statement names the bundle's id; it lies in the bundle's `signatures/`, outside the manifest. With a
key it carries a detached SSH signature (`ssh-keygen -Y`); without one it is an attestation, a typed
name, and is shown as that. A statement on another id signs nothing here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from audit.errors import DataError, UsageError
from audit.governance import people
from audit.governance.tier import ROLES

NAMESPACE = "harm-audit"
ALLOWED_SIGNERS = "allowed_signers"
_TIMEOUT = 30


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person puts a name to."""

    bundle_id: str
    name: str
    role: str
    signed_at: str
    saw: str
    """What was looked at before signing, in the signer's words."""
    identity: str | None = None
    """The name under which the key stands in `allowed_signers`."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement found beside a bundle, as it was checked."""

    statement: Statement
    kind: str
    """signature (checked, the key is known), unknown_key, attestation, broken, or other_bundle."""
    words: str
    file: str

    @property
    def counts(self) -> bool:
        """True where it stands for its role: a checked signature, or a typed name that says so."""
        return self.kind in ("signature", "attestation")


def sign(signatures: Path, statement: Statement, key: Path | None = None) -> Path:
    """Write the statement, signed where a key is given; the path of the statement.

    Nobody signs twice in one role: a UsageError. Where ssh-keygen fails, nothing is left behind.
    """
    if statement.role not in ROLES:
        raise UsageError(f"no role is called {statement.role!r}", hint=f"There are: {', '.join(ROLES)}.")
    for field in ("name", "saw"):
        if not getattr(statement, field).strip():
            raise UsageError(f"a sign-off needs {field!r}", hint="Say who signs, and what was looked at.")
    path = signatures / f"{statement.role}-{_slug(statement.name)}.json"
    if path.exists():
        raise UsageError(
            f"{statement.name} has signed as {statement.role} already",
            where=str(path),
            hint="Delete that file first if it is to be signed anew.",
        )
    signatures.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(statement))
    if key is not None:
        path.with_suffix(".json.sig").unlink(missing_ok=True)
        try:
            _keygen("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path


def read(signatures: Path, bundle_id: str, allowed_signers: Path | None = None) -> tuple[Signed, ...]:
    """Every statement in the folder, checked against this bundle."""
    if not signatures.is_dir():
        return ()
    return tuple(_check(path, bundle_id, allowed_signers) for path in sorted(signatures.glob("*.json")))


def missing(signed: tuple[Signed, ...], duties: Mapping[str, int]) -> tuple[str, ...]:
    """The sign-offs that the tier asks for and nobody gave, in words.

    One person counts once, in the first of the roles in which they signed.

    >>> missing((), {"owner": 1, "independent": 2})
    ('owner', 'independent (2 of 2)')
    """
    used: set[str] = set()
    lacking = []
    for role, wanted in duties.items():
        names = {people.key(s.statement.name) for s in signed if s.counts and s.statement.role == role} - used
        counted = set(sorted(names)[:wanted])
        used |= counted
        short = wanted - len(counted)
        if short > 0:
            lacking.append(role if wanted == 1 else f"{role} ({short} of {wanted})")
    return tuple(lacking)


def _check(path: Path, bundle_id: str, allowed: Path | None) -> Signed:
    raw = path.read_bytes()
    try:
        statement = Statement(**json.loads(raw))
        text = all(isinstance(v, str) for v in (statement.bundle_id, statement.name, statement.role))
        if not text or statement.role not in ROLES:
            raise ValueError("no known role")
    except (ValueError, TypeError):
        nobody = Statement("", path.stem, "", "", "")
        return Signed(nobody, "broken", f"{path.name} is no statement", path.name)
    who = f"{statement.name} ({statement.role})"
    if statement.bundle_id != bundle_id:
        words = f"{who} signed another bundle, {statement.bundle_id[:12]}, not this one"
        return Signed(statement, "other_bundle", words, path.name)
    signature = path.with_suffix(".json.sig")
    if not signature.exists():
        if statement.identity is not None:
            return Signed(statement, "broken", f"{who}: the signature's file is gone", path.name)
        return Signed(statement, "attestation", f"{who} attests by typed name", path.name)
    kind, words = _verify(raw, signature, statement, allowed)
    return Signed(statement, kind, f"{who}: {words}", path.name)


def _verify(raw: bytes, signature: Path, statement: Statement, allowed: Path | None) -> tuple[str, str]:
    if shutil.which("ssh-keygen") is None:
        return "unknown_key", "the signature cannot be checked here: ssh-keygen is not installed"
    base = ["-n", NAMESPACE, "-s", str(signature)]
    if not _passes(["-Y", "check-novalidate", *base], raw):
        return "broken", "the signature does not fit the statement"
    if allowed is None or not allowed.exists():
        return "unknown_key", f"a good signature by a key that nobody vouches for (no {ALLOWED_SIGNERS})"
    identity = statement.identity or statement.name
    if _passes(["-Y", "verify", "-f", str(allowed), "-I", identity, *base], raw):
        return "signature", f"signed with the key of {identity}"
    return "unknown_key", f"a good signature, but not by a key of {identity} in {allowed.name}"


def _passes(arguments: list[str], stdin: bytes) -> bool:
    done = subprocess.run(
        [_program(), *arguments], input=stdin, capture_output=True, check=False, timeout=_TIMEOUT
    )
    return done.returncode == 0


def _keygen(*arguments: str) -> None:
    done = subprocess.run(
        [_program(), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise DataError(
            f"ssh-keygen could not sign: {' '.join(done.stderr.split())[:200]}",
            hint="Give a private key that can be used, or have it in the agent and give its public part.",
        )


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise UsageError("ssh-keygen is not installed", hint="Install OpenSSH's client programs.")
    return found


def _bytes(statement: Statement) -> bytes:
    return (json.dumps(asdict(statement), ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _slug(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name.strip().casefold()).strip("-")[:60] or "unnamed"
