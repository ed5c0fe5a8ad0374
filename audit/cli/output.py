"""Printing: colour on terminals only, plain letters where there are no others, no fuss on a closed pipe."""

from __future__ import annotations

import difflib
import json
import os
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

PLAIN = str.maketrans(
    {
        "✗": "x",
        "✓": "+",
        "−": "-",
        "–": "-",
        "—": "-",
        "×": "x",
        "±": "+/-",
        "≥": ">=",
        "≤": "<=",
        "…": "...",
        "→": "->",
        "’": "'",
        "∞": "inf",
        "\u202f": " ",
        "\u00a0": " ",
    }
)
MARKS = {"violation": "✗", "pass": "✓", "inconclusive": "?", "waived": "–", "reported": "–"}
COLOURS = {"violation": "red", "pass": "green", "inconclusive": "yellow"}
SLOW = 1.0
"""Seconds after which a work in progress is announced."""
_closed: set[str] = set()


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a line; once the reader has gone, print nothing more and let the command end with its code."""
    stream = sys.stderr if err else sys.stdout
    name = "stderr" if err else "stdout"
    if stream is None or name in _closed:
        return
    try:
        click.echo(fit(text, stream), file=stream, color=_colour(stream))
        stream.flush()
    except BrokenPipeError:
        _closed.add(name)


def error(text: str) -> None:
    """Print an error, `text` made safe for a terminal."""
    echo(style("error: ", fg="red", bold=True) + safe(text), err=True)


def echo_json(document: Any) -> None:
    """Print JSON, in letters that every encoding has."""
    echo(json.dumps(document, indent=1, allow_nan=False))


def finish() -> None:
    """Leave no half-closed stream for the interpreter to complain about when it ends."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None and name not in _closed:
                stream.flush()
        except (BrokenPipeError, ValueError):
            _closed.add(name)
        if name in _closed:
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    _closed.clear()


def style(text: str, **options: Any) -> str:
    """Coloured text; the colour is taken out again where it is not wanted."""
    return click.style(text, **options)


def fit(text: str, stream: TextIO) -> str:
    """`text` in letters that the stream's encoding has."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(PLAIN).encode(encoding, "replace").decode(encoding, "replace")
    return text


def safe(text: str) -> str:
    """`text` without what would move a terminal's cursor or change its colours; line breaks stay.

    >>> safe("a\\x1b[31mb\\nc")
    'a\\ufffd[31mb\\nc'
    """
    return "".join(
        "\ufffd" if c != "\n" and unicodedata.category(c) in ("Cc", "Cs", "Cf") else c for c in text
    )


def one_line(text: str, limit: int = 500) -> str:
    """`text` on one line, cut at `limit`."""
    flat = safe(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, if any is close."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def columns() -> int:
    """The terminal's width, at least 80: a table is made for that."""
    with suppress(OSError, ValueError, AttributeError):
        return max(80, os.get_terminal_size(sys.stdout.fileno()).columns)
    return 80


def cell(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` columns of a terminal, cut with an ellipsis where it is longer.

    >>> cell("abcdef", 4), cell("ab", 4, right=True), cell("中文字", 5)
    ('abc…', '  ab', '中文…')
    """
    flat = safe(" ".join(text.split()))
    if _width(flat) > width:
        while _width(flat) > width - 1:
            flat = flat[:-1]
        flat += "…"
    fill = " " * (width - _width(flat))
    return fill + flat if right else flat + fill


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def paragraph(text: str, *, indent: str = "", first: str | None = None) -> str:
    """`text` on one paragraph of the terminal's width, its lines indented, the first as `first` says."""
    flat = one_line(text, 2000)
    lead = indent if first is None else first
    return textwrap.fill(flat, columns(), initial_indent=lead, subsequent_indent=indent)


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[None]:
    """Say on stderr that work goes on, once it takes over a second: a spinner on a terminal, else a line."""
    if quiet:
        yield
        return
    spinners: list[Any] = []
    done = threading.Lock()

    def announce() -> None:
        with done:
            if stopped:
                return
            if sys.stderr is None or not sys.stderr.isatty():
                echo(f"{what} …", err=True)
                return
            from rich.console import Console

            spinner = Console(stderr=True).status(f"{what} …")
            spinner.start()
            spinners.append(spinner)

    stopped: list[bool] = []
    timer = threading.Timer(SLOW, announce)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with done:
            stopped.append(True)
            for spinner in spinners:
                spinner.stop()


@contextmanager
def counted(what: str, *, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Tell how far a long work is: a bar on a terminal, elsewhere a line at each tenth, on stderr.

    Gives a function to call with what is done, what there is in all, and what is at hand.
    """
    if quiet or sys.stderr is None:
        yield lambda done, whole, now: None
        return
    if not sys.stderr.isatty():
        told: list[int] = [0]

        def line(done: int, whole: int, now: str) -> None:
            tenth = 10 * done // max(1, whole)
            if tenth > told[0]:
                told[0] = tenth
                echo(f"{what} … {done} of {whole}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, whole, now: bar.update(
            task, completed=done, total=whole, description=f"{what}: {now}"
        )
