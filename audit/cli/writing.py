"""Files that a command writes for the user: whole, or not at all, and never over something unasked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audit.errors import OutputError, UsageError

ROOM = "Make room there, or write to another place, where you may."


def whole(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary sibling, so that a reader never sees half of it."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise OutputError(
                f"cannot be written: {error.strerror or error}",
                where=str(path),
                hint=ROOM,
            ) from error
        raise


@contextmanager
def folder(path: Path) -> Iterator[None]:
    """Make the folder `path`; where what follows fails, what was made here and is empty goes again."""
    there = [parent for parent in (path, *path.parents) if not parent.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        for made in there:
            with suppress(OSError):
                made.rmdir()
        if isinstance(error, OSError):
            raise OutputError(
                f"cannot be made: {error.strerror or error}", where=str(path), hint=ROOM
            ) from error
        raise


def not_there(path: Path, *, force: bool) -> None:
    """A UsageError where `path` exists and is not to be overwritten."""
    if path.exists() and not force:
        raise UsageError("is there already", where=str(path), hint="Add --force to overwrite it.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
