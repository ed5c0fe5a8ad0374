"""A log judged from its beginning in a ledger of its own: same log, same policy, same alarms."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from audit.errors import DataError, UsageError
from audit.monitor import closing, files, readings
from audit.monitor.baseline import History
from audit.monitor.evaluation import Evaluation, evaluate
from audit.monitor.events import Normaliser
from audit.monitor.frozen import audited_values, freeze
from audit.monitor.ledger import Ledger
from audit.monitor.settings import Settings, read
from audit.result import AuditResult
from audit.spec import AuditSpec


def replay(
    spec: AuditSpec, bundle_id: str, audit_json: bytes, result: AuditResult, logs: Sequence[Path]
) -> Evaluation:
    """The evaluation after the whole log, as of the time at which its last window is due for labels too.

    All events are taken in before a window is closed, so none is late: what a live monitor counted as
    late takes part here.
    """
    settings = read(spec, result)
    with _ledger(settings, result, logs) as ledger:
        first, last = _span(ledger)
        frozen = freeze(ledger, result, audit_json, bundle_id, settings, now=first * settings.window)
        as_of = (last + 1) * settings.window + settings.grace + settings.label_lag
        return evaluate(ledger, frozen, settings, now=as_of, ended=True)


def history(spec: AuditSpec, result: AuditResult, logs: Sequence[Path]) -> History:
    """The closed windows of logs from a time in which all was as audited."""
    settings = read(spec, result)
    with _ledger(settings, result, logs) as ledger:
        _, last = _span(ledger)
        closing.close(ledger, (), settings.attributes, as_of=(last + 1) * settings.window)
        return History(readings.outcomes(ledger, "labels"), readings.spreads(ledger))


def digest(found: Evaluation) -> str:
    """SHA-256 of the count tables: equal for equal logs, in whatever order and shards they were read."""
    return hashlib.sha256(found.tables.to_bytes()).hexdigest()


@contextmanager
def _ledger(settings: Settings, result: AuditResult, logs: Sequence[Path]) -> Iterator[Ledger]:
    """A ledger in a temporary folder with the logs in it."""
    with tempfile.TemporaryDirectory(prefix="harm-audit-") as folder:
        ledger = Ledger(f"sqlite:///{folder}/replay.db", window=settings.window)
        ledger.expect(audited_values(result, settings.attributes))
        normaliser = Normaliser(settings.mapping)
        for path in _files(logs):
            files.ingest_file(ledger, path, normaliser, now=datetime.now(UTC))
        try:
            yield ledger
        finally:
            ledger.close()


def _files(logs: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in logs:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix in files.READERS)
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(
                "there is no such file", where=str(path), hint="Give files or folders of events."
            )
    return found


def _span(ledger: Ledger) -> tuple[int, int]:
    with ledger.engine.begin() as connection:
        first, last = connection.execute(text("SELECT min(win), max(win) FROM prediction")).one()
    if first is None:
        tallies = ledger.tallies()
        reasons = {name[9:]: n for name, n in tallies.items() if name.startswith("rejected.") and n}
        why = ", ".join(f"{n} {reason}" for reason, n in reasons.items()) or "it is empty"
        raise DataError(
            f"no prediction in the log: {tallies.get('received', 0)} events received, {why}",
            hint="`monitor:` in audit.yaml says which field means what.",
        )
    return int(first), int(last)
