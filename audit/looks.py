"""How often one policy looked at the same data: each look spends a part of α, so none may be lost."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from audit.errors import OutputError

if sys.platform != "win32":
    import fcntl


def count_look(history: Path, policy: str, data: str, *, created_at: str) -> int:
    """Write this look into the history and return its number, from 1, under this policy at this data.

    The history holds one JSON object a line and is only ever appended to, under a lock; a look that
    cannot be written whole leaves it as it was. A line that cannot be read is an error: a look that
    is not counted would spend α twice.
    """
    try:
        with _opened(history) as handle:
            content = handle.read()
            seen = _looks(content, history, policy, data)
            entry = {"policy": policy, "data": data, "look": seen + 1, "at": created_at}
            start = b"" if not content or content.endswith(b"\n") else b"\n"
            _append(handle, start + json.dumps(entry).encode() + b"\n", size=len(content))
    except OSError as error:
        raise OutputError(
            f"the history of looks cannot be written: {error.strerror or error}",
            where=str(history),
            hint="Make room there, or copy the file to another place and name that with `--history`.",
        ) from error
    return seen + 1


@contextlib.contextmanager
def _opened(history: Path) -> Iterator[io.FileIO]:
    """The history, locked; one that was made here and stayed empty is taken away again.

    Who waited for the lock of a file that was taken away opens the new one.
    """
    while True:
        made = not history.exists()
        with io.FileIO(os.open(history, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666), "r+") as handle:
            _lock(handle.fileno())
            if not _is_at(handle, history):
                continue
            try:
                yield handle
            finally:
                if made and not os.fstat(handle.fileno()).st_size:
                    with contextlib.suppress(OSError):
                        history.unlink()
            return


def _append(handle: io.FileIO, line: bytes, *, size: int) -> None:
    """Write `line` at the end, whole, or cut off again what was written of it."""
    try:
        if handle.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            handle.truncate(size)
        raise


def _is_at(handle: io.FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)


def _looks(content: bytes, history: Path, policy: str, data: str) -> int:
    seen = 0
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            seen += (entry["policy"], entry["data"]) == (policy, data)
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                "not a look that can be read",
                where=f"{history}:{number}",
                hint="Mend or remove the line; looks that are not counted make later verdicts too sure.",
            ) from error
    return seen
