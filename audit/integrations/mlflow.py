"""Evidence in MLflow: a bundle in a run, and a registered model's alias that moves through the gate alone."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import bundle, codec
from audit.errors import BundleError, OutputError, UsageError
from audit.integrations.mlflow_names import metrics_of, tags_of
from audit.result import AuditResult
from audit.spec.secrets import redact

ARTIFACTS = "harm-audit"
"""The folder of a run's artifacts that holds its bundle."""
BUNDLE_TAG = "harm_audit.bundle_id"
BATCH = 500
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Set where they are not: mlflow reports its use to its makers, and waits minutes for an absent server."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the registry holds on one version of a model."""

    run: str | None
    """The run that the version was made by."""
    bundle: Path | None
    """The bundle that this run holds, fetched; None where it holds none."""
    expected: str | None
    """The bundle id that the run's tag names."""
    files: dict[str, str]
    """SHA-256 of each file of the version, by its path."""


def client(tracking_uri: str | None = None) -> Any:
    """An MlflowClient of this address, or of MLFLOW_TRACKING_URI; a UsageError where neither is given."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    address = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        raise UsageError(
            "no tracking server is named",
            hint="Set MLFLOW_TRACKING_URI, or give --tracking-uri http://host:5000.",
        )
    try:
        import mlflow
    except ModuleNotFoundError as error:
        raise UsageError("mlflow is not installed", hint="Type: pip install 'harm-audit[mlflow]'") from error
    with _said(address):
        return mlflow.MlflowClient(tracking_uri=address)


def log_bundle(folder: Path, server: Any, *, run: str | None = None, experiment: str = "harm-audit") -> str:
    """Put a bundle into a run: its files, metrics with stable names, tags; the run's id.

    Without `run` a new one is made in `experiment`. A bundle that does not verify is a BundleError, and
    another bundle in the same run a UsageError: evidence is not replaced.
    """
    checked = bundle.verify(folder)
    if not checked.ok:
        raise BundleError(checked.message, where=str(folder), hint="Make it anew with `harm-audit run`.")
    found = bundle.read(folder)
    result = codec.loads(AuditResult, found.audit_json, where=str(folder / bundle.AUDIT))
    with _said(folder):
        target = run or _new_run(server, experiment, result)
        before = server.get_run(target).data.tags.get(BUNDLE_TAG)
        if before is not None and before != found.id:
            raise UsageError(
                f"run {target} holds the bundle {before[:12]} already",
                hint="Log this one into a run of its own.",
            )
        server.log_artifacts(target, str(found.path), ARTIFACTS)
        _log_metrics(server, target, metrics_of(result))
        # The tag comes last: where it stands, the whole bundle does.
        for name, value in {**tags_of(result), BUNDLE_TAG: found.id}.items():
            server.set_tag(target, name, value)
        if run is None:
            server.set_terminated(target)
    return target


@contextmanager
def evidence(server: Any, name: str, version: str) -> Iterator[Evidence]:
    """What the registry holds on a model's version, fetched into a folder that goes at the end.

    Nothing is loaded or run: the version's files are hashed.
    """
    with tempfile.TemporaryDirectory(prefix="harm-audit-") as temporary:
        place = Path(temporary)
        with _said(f"models:/{name}/{version}"):
            found = server.get_model_version(name, version)
            run = found.run_id or None
            files = _hashes(_version_files(server, found, place / "model"))
            held, expected = _held(server, run, place / "run") if run else (None, None)
        yield Evidence(run, held, expected, files)


def move_alias(server: Any, name: str, version: str, alias: str, tags: dict[str, str]) -> str | None:
    """Point the alias at the version and write `tags` on it; the version that had it before."""
    with _said(f"models:/{name}/{version}"):
        before = None
        with suppress(_not_there()):
            before = str(server.get_model_version_by_alias(name, alias).version)
        for key, value in tags.items():
            server.set_model_version_tag(name, version, key, value)
        server.set_registered_model_alias(name, alias, version)
        return before


def _new_run(server: Any, experiment: str, result: AuditResult) -> str:
    known = server.get_experiment_by_name(experiment)
    place = known.experiment_id if known is not None else server.create_experiment(experiment)
    title = " ".join(part for part in (result.system.name, result.system.version) if part)
    return str(server.create_run(place, run_name=title[:250]).info.run_id)


def _log_metrics(server: Any, run: str, metrics: dict[str, float]) -> None:
    from mlflow.entities import Metric

    found = [Metric(name, value, 0, 0) for name, value in metrics.items()]
    for start in range(0, len(found), BATCH):
        server.log_batch(run, metrics=found[start : start + BATCH])


def _version_files(server: Any, found: Any, place: Path) -> Path:
    """The version's own files, downloaded."""
    from mlflow.artifacts import download_artifacts

    place.mkdir()
    source = server.get_model_version_download_uri(found.name, found.version)
    return Path(
        download_artifacts(artifact_uri=source, dst_path=str(place), tracking_uri=server.tracking_uri)
    )


def _held(server: Any, run: str, place: Path) -> tuple[Path | None, str | None]:
    expected = server.get_run(run).data.tags.get(BUNDLE_TAG)
    if expected is None:
        return None, None
    place.mkdir()
    server.download_artifacts(run, ARTIFACTS, str(place))
    return place / ARTIFACTS, str(expected)


def _hashes(folder: Path) -> dict[str, str]:
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {}
    for path in paths:
        with path.open("rb") as handle:
            name = path.name if path == folder else path.relative_to(folder).as_posix()
            hashes[name] = hashlib.file_digest(handle, "sha256").hexdigest()
    return hashes


def _not_there() -> type[Exception]:
    from mlflow.exceptions import MlflowException

    kind: type[Exception] = MlflowException
    return kind


@contextmanager
def _said(where: object) -> Iterator[None]:
    """The server's refusals as errors that say where and what, without its credentials."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        words = redact(str(error).splitlines()[0])[:500]
        kind = UsageError if "RESOURCE_DOES_NOT_EXIST" in words or "not found" in words else OutputError
        raise kind(
            f"the tracking server says: {words}",
            where=redact(str(where)),
            hint="See that the server runs, and that the name and the version are its own.",
        ) from error
    except OSError as error:
        raise OutputError(
            f"the evidence cannot be moved: {redact(str(error))[:500]}", where=str(where)
        ) from error
