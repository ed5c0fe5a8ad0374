"""A monitor opened by its spec: the ledger, the baseline, the folder that is watched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError, DataError, UsageError
from audit.monitor import evaluation, files, frozen
from audit.monitor.evaluation import Evaluation
from audit.monitor.events import Normaliser
from audit.monitor.frozen import Frozen
from audit.monitor.ledger import Ledger, Received
from audit.monitor.settings import Settings, read, watching
from audit.spec import AuditSpec, redact
from audit.spec.monitor import Table
from audit.spec.secrets import expand
from audit.spec.values import seconds

DEFAULT_LEDGER = Path("monitor") / "ledger.db"


@dataclass
class Taken:
    """What one look at the folder and the databases brought."""

    received: int = 0
    problems: list[str] = field(default_factory=list)
    """Sources that could not be read, in words; the next look tries them again."""

    def add(self, found: list[Received]) -> None:
        """Count what one source brought."""
        self.received += sum(one.received for one in found)


class Watch:
    """One monitor: what `audit.yaml` says, the ledger that it names, and the baseline in it."""

    def __init__(self, spec: AuditSpec, *, ledger: str | None = None, events: Path | None = None) -> None:
        self.spec = spec
        self.url = ledger_url(spec, ledger)
        self.settings: Settings = read(spec)
        self.every = seconds(spec.monitor.every)
        self.folder = events or (spec.base / spec.monitor.events if spec.monitor.events else None)
        with database_errors(self.url):
            self.ledger = Ledger(self.url, window=self.settings.window)
            self._take(frozen.thaw(self.ledger, self.settings))
        self._normaliser: Normaliser | None = None

    def _take(self, found: Frozen | None) -> None:
        self._frozen = found
        if found is not None:
            # What was settled with the baseline holds, whatever the spec says by now.
            self.settings = watching(read(self.spec, found.result), found.scores, found.no_scores)
            self.ledger.expect(frozen.audited_values(found.result, self.settings.attributes))

    @property
    def frozen(self) -> Frozen:
        """The baseline; a UsageError where none is settled."""
        return self._frozen or frozen.need(self.ledger, self.settings)

    @property
    def normaliser(self) -> Normaliser:
        """What makes numbers of events; one thread at a time may use it."""
        if self._normaliser is None:
            self._normaliser = Normaliser(self.settings.mapping)
        return self._normaliser

    def ingest(self, *, now: datetime | None = None, whole: bool = False) -> Taken:
        """Takes in what is new in the folder; a source that cannot be read stops no other."""
        taken = Taken()
        moment = now or datetime.now(UTC)
        for path in self._paths():
            try:
                taken.add(files.ingest_file(self.ledger, path, self.normaliser, now=moment, whole=whole))
            except (AuditError, OSError) as error:
                taken.problems.append(str(error).replace("\n", " "))
        for place, table in enumerate(self.spec.monitor.sql):
            try:
                taken.add(self._from_table(table, place, moment))
            except AuditError as error:
                taken.problems.append(str(error).replace("\n", " "))
        return taken

    def _from_table(self, table: Table, place: int, moment: datetime) -> list[Received]:
        # Ibis is loaded only where events lie in a database.
        from audit.monitor.databases import ingest_table

        where = self.spec.where("monitor", "sql", place)
        return ingest_table(self.ledger, table, self.normaliser, base=self.spec.base, now=moment, where=where)

    def _paths(self) -> list[Path]:
        if self.folder is None:
            return []
        if not self.folder.is_dir():
            raise UsageError(
                "the folder of events is not there",
                where=str(self.folder),
                hint="Make it, or name another: `monitor: {events: …}` or --events.",
            )
        return sorted(
            p for p in self.folder.iterdir() if p.suffix in files.READERS and not p.name.startswith(".")
        )

    def evaluate(self, *, now: int | None = None, look_only: bool = False) -> Evaluation:
        """Closes what is due and judges it."""
        at = int(datetime.now(UTC).timestamp()) if now is None else now
        return evaluation.evaluate(
            self.ledger, self.frozen, self.settings, now=at, every=self.every, look_only=look_only
        )

    def close(self) -> None:
        self.ledger.close()


def ledger_url(spec: AuditSpec, given: str | None) -> str:
    """The ledger's address for SQLAlchemy; a relative SQLite file lies beside the spec."""
    said = given or spec.monitor.ledger
    if said is None:
        path = spec.base / DEFAULT_LEDGER
        path.parent.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{path}"
    url = expand(said, where=spec.where("monitor", "ledger"))
    if "://" not in url:
        url = f"sqlite:///{url}"
    if found := re.fullmatch(r"sqlite:///(?!/)(.+)", url):
        path = (Path() if given else spec.base) / found[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{path.absolute()}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """What the database says as a DataError with its address, passwords masked."""
    try:
        yield
    except (SQLAlchemyError, ImportError) as error:
        words = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise DataError(
            f"the ledger cannot be used: {redact(words[0] if words else type(error).__name__)}",
            where=redact(url),
            hint="Look whether the database runs, and whether this user may write there.",
        ) from error
