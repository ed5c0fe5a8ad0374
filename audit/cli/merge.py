"""`harm-audit merge`: counts of several sites added up without moving a row."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import bundle
from audit.cli import bundles, output, writing
from audit.errors import BundleError, OutputError, UsageError
from audit.result import AuditResult

if TYPE_CHECKING:
    from audit.api import Audit
    from audit.engine.counts import Counts

COUNTS = "counts.parquet"


@click.command("merge", short_help="Add up the counts of several sites.")
@click.argument("parts", metavar="PART...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A counts file; with --spec a bundle."
)
@click.option(
    "--spec", type=click.Path(path_type=Path), help="Audit the sum by this policy file and write a bundle."
)
def command(parts: tuple[Path, ...], out: Path, spec: Path | None) -> int:
    """Add up the counts of several sites; no row is moved.

    Each PART is a bundle, or the counts.parquet of one, made at its site by the same audit.yaml but for
    the source. Without --spec the sum is written as a counts file, to be merged further; with it, the
    sum is audited as the pooled rows would be, and --out is the evidence bundle.

    \b
    Example:
      harm-audit merge north/evidence south/evidence --spec audit.yaml --out together
    """
    if spec is not None:
        bundle.check_replaceable(out)
    elif out.is_dir():
        raise OutputError("is a folder", where=str(out), hint="Name a file, or add --spec for a bundle.")
    whole = merged(parts)
    if spec is None:
        writing.whole(out, whole.save())
        output.echo(f"{whole.rows:,} rows of {len(parts)} parts. Wrote {out}.")
        return 0
    done = audited(spec, whole, parts)
    done.save(out)
    importlib.import_module("audit.cli.run").tell(
        done.result, done.decision, out, bundle.read(out).id, quiet=False
    )
    return 0


def merged(parts: Sequence[Path]) -> Counts:
    """The sum of the parts; a UsageError where one is named twice, or was taken of another model."""
    if len(parts) < 2:
        raise UsageError("one part alone has nothing to be added to", hint="Name the counts of each site.")
    counts: Any = importlib.import_module("audit.engine.counts").Counts
    engine: Any = importlib.import_module("audit.engine.merge")
    seen: dict[str, Path] = {}
    loaded = []
    for path in parts:
        content = _content(path)
        digest = hashlib.sha256(content).hexdigest()
        if digest in seen:
            raise UsageError(
                f"holds the same counts as {seen[digest]}, and nobody is to be counted twice", where=str(path)
            )
        seen[digest] = path
        try:
            loaded.append((str(path), counts.load(content)))
        except BundleError as error:
            raise BundleError(error.what, where=str(path), hint=error.hint) from error
    _check_results(parts)
    whole: Counts = engine.merge(loaded)
    return whole


def audited(spec_path: Path, whole: Counts, parts: Sequence[Path]) -> Audit:
    """The audit of merged counts by a policy file."""
    spec = importlib.import_module("audit.spec").load(spec_path)
    importlib.import_module("audit.engine.merge").check(spec, whole, str(spec_path))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result, _ = importlib.import_module("audit.engine.run").audit(spec, counts=whole, created_at=now)
    source = f"counts of {len(parts)} parts: {', '.join(map(str, parts))}"
    digest = hashlib.sha256(whole.save()).hexdigest()
    result = replace(result, data=replace(result.data, source=source, digest=digest))
    api: Any = importlib.import_module("audit.api")
    done: Audit = api.Audit(result, api.decide(result), whole)
    return done


def _content(path: Path) -> bytes:
    if path.is_dir():
        checked = bundle.verify(path)
        if not checked.ok:
            raise BundleError(checked.message, where=str(path), hint="Ask the site for its bundle again.")
        path = path / COUNTS
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint=f"Name a bundle, or its {COUNTS}.",
        ) from error


def _check_results(parts: Sequence[Path]) -> None:
    """Bundles say what was audited, and how; a counts file alone does not."""
    results = [(path, bundles.open_result(path)[1]) for path in parts if path.is_dir()]
    for path, result in results[1:]:
        for what, mine, theirs in zip(_ALIKE, _alike(results[0][1]), _alike(result), strict=True):
            if mine != theirs:
                raise UsageError(
                    f"its {what} is {theirs}, that of {results[0][0]} is {mine}",
                    where=str(path),
                    hint="Counts are added up for one model, audited in one way.",
                )


_ALIKE = ("system", "version", "model", "outcome", "threshold")


def _alike(result: AuditResult) -> tuple[object, ...]:
    system = result.system
    model = system.model.sha256 if system.model else None
    return system.name, system.version, model, system.outcome, result.data.threshold
