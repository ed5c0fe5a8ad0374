"""The evidence bundle: a folder that is written whole or not at all, and that shows what was changed in it.

A bundle's identity is the SHA-256 of its `audit.json`; `manifest.json` covers the other files;
`signatures/` lies outside the manifest, so that signing changes nothing that is signed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import BundleError, OutputError

if sys.platform != "win32":  # there is no flock there: a second writer is not kept out
    import fcntl

AUDIT = "audit.json"
MANIFEST = "manifest.json"
SIGNATURES = "signatures"
MANIFEST_VERSION = "1.0"
ACCIDENTS = (
    "These hashes detect accidents, not tampering: whoever can write the folder can write the manifest. "
    "Compare with an id that you got another way: `--expect ID`."
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found on disk; `files` are the names its manifest covers."""

    path: Path
    id: str
    audit_json: bytes
    files: tuple[str, ...]
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a bundle is what its manifest (and the expected id) says, and if not, which files differ."""

    ok: bool
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    id: str | None
    """None where there is no audit.json."""
    message: str


def bundle_id(audit_json: bytes) -> str:
    """SHA-256 of the bytes of `audit.json`, 64 hexadecimal digits.

    >>> bundle_id(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(audit_json).hexdigest()


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` and their manifest as the bundle `directory`; what stood there stays until all is safe.

    The files go to a sibling folder, are forced to disk, and take the place by renames. Killed at any
    point, `read` finds the old bundle or the new one. An OutputError leaves nothing behind; a folder
    that is no bundle, or holds files beside it, is not overwritten.
    """
    _check_names(files)
    directory = _real(directory)
    made = _make_parents(directory.parent)
    try:
        with _locked(directory.parent):
            _recover(directory)
            check_replaceable(directory)
            _replace(directory, files)
    except BaseException as error:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise OutputError(
                f"the bundle could not be written: {error.strerror or error}",
                where=str(directory),
                hint="Nothing was changed. Make room or allow writing there, or choose another `--out`.",
            ) from error
        raise


def read(directory: Path) -> Bundle:
    """The bundle in `directory`, as it stands; a BundleError where there is none.

    If a writer was killed between its two renames, the old bundle is put back first.
    """
    directory = _real(directory)
    if not directory.exists() and _aside(directory).exists():
        with suppress(OSError), _locked(directory.parent):
            _recover(directory)
        if not directory.exists():
            directory = _aside(directory)
    try:
        audit_json = (directory / AUDIT).read_bytes()
        names = tuple(sorted(path.name for path in directory.iterdir() if path.is_file()))
    except OSError as error:
        raise BundleError(
            f"no bundle here: {AUDIT} cannot be read ({error.strerror or error})",
            where=str(directory),
            hint="Give the folder that `harm-audit run --out` wrote.",
        ) from error
    return Bundle(directory, bundle_id(audit_json), audit_json, names, _signatures(directory))


def verify(directory: Path, expect: str | None = None) -> Verification:
    """Compare every file with the manifest, and the id with `expect` where one is given."""
    bundle = read(directory)
    entries = _manifest(bundle.path)
    if entries is None:
        present = (bundle.path / MANIFEST).exists()
        changed: tuple[str, ...] = (MANIFEST,) if present else ()
        missing: tuple[str, ...] = () if present else (MANIFEST,)
        extra: tuple[str, ...] = ()
    else:
        states = {name: _state(bundle.path / name, digest) for name, digest in entries.items()}
        states.setdefault(AUDIT, "changed")
        changed = tuple(sorted(name for name, state in states.items() if state == "changed"))
        missing = tuple(sorted(name for name, state in states.items() if state == "missing"))
        extra = _extra(bundle.path, entries)
    unexpected = expect is not None and bundle.id != expect.strip().lower()
    ok = not (changed or missing or extra or unexpected)
    message = _message(bundle, changed, missing, extra, expect, unexpected)
    return Verification(ok, changed, missing, extra, bundle.id, message)


def _message(
    bundle: Bundle,
    changed: tuple[str, ...],
    missing: tuple[str, ...],
    extra: tuple[str, ...],
    expect: str | None,
    unexpected: bool,
) -> str:
    parts = [
        f"{word}: {', '.join(names)}."
        for word, names in (("Changed", changed), ("Missing", missing), ("Not of the bundle", extra))
        if names
    ]
    if unexpected:
        parts.append(f"The id is {bundle.id}, not the expected {expect}.")
    if not parts:
        parts.append(f"All {len(bundle.files)} files are as they were written.")
    if expect is None:
        parts.append(ACCIDENTS)
    elif not unexpected:
        parts.append("The id is the expected one.")
    return " ".join(parts)


def _check_names(files: Mapping[str, bytes]) -> None:
    for name in files:
        if name in ("", MANIFEST, SIGNATURES) or name != Path(name).name or name.startswith("."):
            raise ValueError(f"{name!r} cannot be a file of a bundle")
    if AUDIT not in files:
        raise ValueError(f"a bundle needs {AUDIT}")


def _real(directory: Path) -> Path:
    """The folder itself where `directory` is a link or a relative path: renames must act on it."""
    return Path(os.path.realpath(directory))


def _make_parents(parent: Path) -> list[Path]:
    """Create what is missing of `parent`; the folders that were made, innermost first."""
    missing = []
    while not parent.exists():
        missing.append(parent)
        parent = parent.parent
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder cannot be made: {error.strerror or error}",
            where=str(missing[0] if missing else parent),
            hint="Write elsewhere with `--out`.",
        ) from error
    return missing


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Keep other writers of this parent folder out; the kernel lets go of the lock when a process dies."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _aside(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.previous"


def _fresh(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.unfinished"


def _recover(directory: Path) -> None:
    """Undo what a killed writer left: the old bundle back in its place, half-written folders gone."""
    if _aside(directory).exists():
        if directory.exists():
            shutil.rmtree(_aside(directory))
        else:
            _aside(directory).rename(directory)
    if _fresh(directory).exists():
        shutil.rmtree(_fresh(directory))


def check_replaceable(directory: Path) -> None:
    """An OutputError where `directory` holds something that is no bundle: ask before long work."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    hint = "Choose another folder with `--out`, or move what is there."
    if not directory.is_dir() or not (directory / AUDIT).is_file() or not (directory / MANIFEST).is_file():
        raise OutputError("this is no bundle, so it is not overwritten", where=str(directory), hint=hint)
    extra = _extra(directory, _manifest(directory) or {})
    if extra:
        raise OutputError(
            f"the bundle holds files that are not its own: {', '.join(extra[:5])}",
            where=str(directory),
            hint=hint,
        )


def _replace(directory: Path, files: Mapping[str, bytes]) -> None:
    fresh, aside = _fresh(directory), _aside(directory)
    try:
        fresh.mkdir()
        for name, content in files.items():
            _write_file(fresh / name, content)
        _write_file(fresh / MANIFEST, _manifest_bytes(files))
        if _same_audit(directory, files[AUDIT]) and (directory / SIGNATURES).is_dir():
            shutil.copytree(directory / SIGNATURES, fresh / SIGNATURES)
        _sync(fresh)
        if directory.exists():
            directory.rename(aside)
        fresh.rename(directory)
        _sync(directory.parent)
    except BaseException:
        with suppress(OSError):
            _recover(directory)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _same_audit(directory: Path, audit_json: bytes) -> bool:
    try:
        return (directory / AUDIT).read_bytes() == audit_json
    except OSError:
        return False


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest_bytes(files: Mapping[str, bytes]) -> bytes:
    document = {
        "manifest_version": MANIFEST_VERSION,
        "bundle": bundle_id(files[AUDIT]),
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in sorted(files.items())
        },
    }
    return _json(document)


def _manifest(directory: Path) -> dict[str, str] | None:
    """SHA-256 by file name; None where there is no manifest, or not one as it was written."""
    try:
        content = (directory / MANIFEST).read_bytes()
        document: Any = json.loads(content)
        entries = {str(name): str(entry["sha256"]) for name, entry in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    as_written = content == _json(document) and document.get("bundle") == entries.get(AUDIT)
    return entries if as_written and all(name == Path(name).name for name in entries) else None


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()


def _state(path: Path, digest: str) -> str:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return "changed"
    try:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "changed"
    return "same" if found == digest else "changed"


def _extra(directory: Path, entries: Mapping[str, str]) -> tuple[str, ...]:
    known = {*entries, MANIFEST, SIGNATURES}
    return tuple(sorted(path.name for path in directory.iterdir() if path.name not in known))


def _signatures(directory: Path) -> tuple[str, ...]:
    folder = directory / SIGNATURES
    return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()
