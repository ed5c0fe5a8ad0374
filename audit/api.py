"""The Python API: `run` by a policy file, `audit` on a frame; both give an `Audit` to save and to show."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from audit import bundle, codec, gate
from audit.engine import run as engine
from audit.engine.counts import Counts
from audit.errors import UsageError
from audit.gate import Decision
from audit.looks import count_look
from audit.registry import OTHER_TASKS
from audit.report import html, junit, markdown, sarif
from audit.result import AuditResult, Verdict, group_name
from audit.spec import AuditSpec, from_dict, load

FRAMES = ("findings", "rules", "comparisons", "estimates", "cells", "conditional")
"""What `Audit.to_frame` gives."""
RULE = str | Mapping[str, Any]
"""A rule as in the policy file; a name alone where its definition fixes the bound (four_fifths)."""


@dataclass(frozen=True)
class Audit:
    """One audit: the result, the decision on the day it was made, and the counts that it stands on.

    Its parts are values: `save` writes them as a bundle, `to_frame` gives them as tables, a notebook
    shows the verdict and its findings.
    """

    result: AuditResult
    decision: Decision
    counts: Counts = field(repr=False)
    previous: AuditResult | None = field(default=None, repr=False)
    """An earlier result; the summary says what changed since."""

    @property
    def verdict(self) -> Verdict:
        """What the gate says of this result: pass, violation or inconclusive."""
        return self.decision.verdict

    def to_frame(self, what: str = "findings") -> pd.DataFrame:
        """One part of the result as a pandas frame, a row an entry; undefined values are missing.

        `what` is findings, rules, comparisons, estimates, cells or conditional. Groupings and groups
        are in words, as `sex × race` and `Female × (missing)`.
        """
        if what not in FRAMES:
            raise UsageError(f"there is no frame {what!r}", hint=f"Allowed: {', '.join(FRAMES)}.")
        return pd.DataFrame([_row(entry) for entry in codec.to_plain(self.result)[what]])

    def to_arrow(self, what: str = "findings") -> pa.Table:
        """As `to_frame`, as a pyarrow table; undefined values are null."""
        return pa.Table.from_pandas(self.to_frame(what), preserve_index=False)

    def to_polars(self, what: str = "findings") -> Any:
        """As `to_frame`, as a polars DataFrame; polars must be installed."""
        try:
            import polars
        except ModuleNotFoundError as error:
            raise UsageError("polars is not installed", hint="Type: pip install polars") from error
        return polars.from_arrow(self.to_arrow(what))

    def files(self) -> dict[str, bytes]:
        """The files of this audit's bundle, by name."""
        return bundle_files(self.result, self.counts, previous=self.previous)

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write the evidence bundle, whole or not at all, and return its folder.

        An earlier bundle there is replaced; anything else there is an OutputError.
        """
        bundle.write(Path(directory), self.files())
        return Path(directory)

    def __repr__(self) -> str:
        rules = ", ".join(f"{rule.rule}: {rule.verdict.value}" for rule in self.result.rules) or "no rules"
        return f"Audit({self.verdict.value}; {rules}; {self.result.data.rows_audited:,} rows)"

    def _repr_html_(self) -> str:
        return html.render_fragment(self.result, self.decision)


def run(
    spec_path: str | os.PathLike[str] | AuditSpec,
    *,
    out: str | os.PathLike[str] | None = None,
    frame: Any = None,
    created_at: str | None = None,
    history: str | os.PathLike[str] | None = None,
    previous: AuditResult | None = None,
) -> Audit:
    """Audit by a policy file; with `out` also write the bundle there.

    `frame` stands in for the spec's source: pandas, polars, pyarrow or Ibis. `history` is a file
    that counts the looks at this data under this policy, each of which spends a part of α.
    `created_at` (UTC, ISO 8601) is now where left out; give it to get equal bytes from equal input.
    Errors: SpecError, UsageError, DataError, OutputError, each with where, what and what to do.
    """
    spec = spec_path if isinstance(spec_path, AuditSpec) else load(_path(spec_path))
    if out is not None:
        bundle.check_replaceable(Path(out))
    made = _moment(created_at)
    result, counts = engine.audit(spec, frame=frame, created_at=made)
    if history is not None:
        look = count_look(Path(history), *_look_key(result), created_at=made)
        again, _ = engine.audit(spec, counts=counts, created_at=made, look=look)
        # Counts do not know where they came from: the first pass does.
        result = replace(again, data=result.data)
    done = Audit(result, decide(result), counts, previous)
    if out is not None:
        done.save(out)
    return done


def audit(
    frame: Any,
    *,
    sensitive: str | Sequence[str] | Mapping[str, Any],
    label: str | None = None,
    prediction: str | None = None,
    score: str | None = None,
    threshold: float | None = None,
    task: str | None = None,
    exposure: str | None = None,
    query: str | None = None,
    rank: str | None = None,
    relevance: str | None = None,
    top: int | None = None,
    weight: str | None = None,
    weights: str | None = None,
    count: str | None = None,
    id: str | None = None,
    cluster: str | None = None,
    positive: Any = None,
    rules: Iterable[RULE] = (),
    control: Sequence[str] = (),
    intersections: int = 1,
    missing: str = "group",
    outcome: str = "favourable",
    utility: Mapping[str, float] | None = None,
    name: str = "model",
    version: str | None = None,
    created_at: str | None = None,
    history: str | os.PathLike[str] | None = None,
    **policy: Any,
) -> Audit:
    """Audit a frame (pandas, polars, pyarrow, Ibis), its columns named here as in the policy file.

    `sensitive` names the attributes, or maps each to its options (`{"age": {"bins": [25, 40]}}`).
    `task` is as in the policy file (regression, multiclass, ranking, …), guessed where left out;
    `exposure` serves a regression, `query`, `rank`, `relevance` and `top` a ranking. `rules` are as in
    the policy file; without any the verdict is inconclusive. Further keywords are
    the policy's: confidence, min_group, family, small_groups, on_inconclusive, suppress_below.

    >>> import pandas as pd
    >>> rows = {"sex": ["f", "m"] * 400, "hired": [0, 1, 1, 1] * 200}
    >>> audit(pd.DataFrame(rows), prediction="hired", sensitive="sex", rules=["four_fifths"]).verdict.value
    'violation'
    """
    attributes = sensitive if isinstance(sensitive, Mapping) else _several(sensitive, "sensitive")
    columns = {
        "label": label,
        "prediction": prediction,
        "score": score,
        "exposure": exposure,
        "query": query,
        "rank": rank,
        "relevance": relevance,
        "weight": weight,
        "count": count,
        "id": id,
        "cluster": cluster,
    }
    data = {
        "columns": _given(columns),
        "attributes": dict(attributes) if isinstance(attributes, Mapping) else {a: {} for a in attributes},
        "threshold": threshold,
        "task": task,
        "top": top,
        "weights": weights,
        "positive": positive,
        "control": _several(control, "control"),
        "intersections": intersections,
        "missing": missing,
    }
    system = {"name": name, "version": version, "outcome": outcome, "utility": utility}
    return run(_spec(system, data, policy, rules), frame=frame, created_at=created_at, history=history)


def _spec(
    system: dict[str, Any], data: dict[str, Any], policy: dict[str, Any], rules: Iterable[RULE]
) -> AuditSpec:
    """The policy file that says the same."""
    written = [{"metric": rule} if isinstance(rule, str) else rule for rule in _several(rules, "rules")]
    return from_dict({"system": _given(system), "data": _given(data), "policy": {**policy, "rules": written}})


def _path(given: Any) -> str | os.PathLike[str]:
    if isinstance(given, (str, os.PathLike)):
        return given
    raise UsageError(
        f"a policy file is a path, not a {type(given).__name__}",
        where="audit.run",
        hint="Give the path of audit.yaml; `audit.audit(frame, …)` takes everything as arguments.",
    )


def _moment(given: str | None) -> str:
    if given is None:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        date.fromisoformat(given[:10])
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"created_at is {str(given)[:40]!r}", where="created_at", hint="Write it as 2026-11-30T12:00:00Z."
        ) from error
    return given


def _several(given: Any, name: str) -> list[Any]:
    """A list of what was given, which may be one name or rule alone."""
    if isinstance(given, (str, Mapping)):
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    raise UsageError(f"{name} is {given!r:.40}", where=name, hint=f"Give a list, as {name}=[…].")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def decide(result: AuditResult) -> Decision:
    """The gate's decision on the day the result was made, of the model that it names."""
    model = result.system.model
    return gate.decide(
        result, today=date.fromisoformat(result.created_at[:10]), model_sha256=model.sha256 if model else None
    )


def bundle_files(
    result: AuditResult, counts: Counts, *, previous: AuditResult | None = None
) -> dict[str, bytes]:
    """The files of a bundle by name, without the manifest; equal arguments give equal bytes."""
    audit_json = codec.dumps(result)
    decision = decide(result)
    texts = {
        "report.html": html.render(result, decision, bundle_id=bundle.bundle_id(audit_json)),
        "summary.md": markdown.summary(result, decision, previous=previous),
        "junit.xml": junit.render(result, decision),
        "results.sarif": sarif.render(result, decision),
    }
    encoded = {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    return {bundle.AUDIT: audit_json, "counts.parquet": counts.save(), **encoded}


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its groupings and groups in words, and nested values left out of the table."""
    row = dict(entry)
    for key in ("group", "stratum"):
        if row.get(key) is not None:
            row[key] = group_name(tuple(row[key]))
    for key in ("grouping", "control"):
        if key in row:
            row[key] = " × ".join(row[key])
    if row.get("waived"):
        row["waived"] = row["waived"]["approver"]
    row.pop("strata", None)
    return row


def _look_key(result: AuditResult) -> tuple[str, str]:
    """What a look is counted by: the policy, and the data; a frame is known by its cells."""
    policy = result.policy.digest or _digest([*result.policy.rules, result.policy.confidence])
    values = result.estimates if result.data.task in OTHER_TASKS else ()
    return policy, result.data.digest or _digest([*result.cells, *values])


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(codec.to_plain(values)).encode()).hexdigest()
