"""A project to watch: a spec, the audited bundle, and events of days in which a group may fare worse."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import audit
from audit import bundle, codec
from audit.monitor.frozen import freeze
from audit.monitor.settings import read
from audit.monitor.watch import Watch
from audit.result import AuditResult
from audit.spec import load
from tests.monitor.log import DAY, START, iso

SPEC = """
system: {{name: {name}, outcome: favourable}}
data:
  source: test.csv
  columns: {{id: loan, label: repaid, prediction: approved, time: at, cluster: customer}}
  positive: 1
  attributes: {{sex: {{}}, region: {{}}}}
policy:
  rules:
    - {{id: approvals, metric: selection_rate, comparison: difference, at_most: 0.05}}
    - {{id: opportunity, metric: equal_opportunity, at_most: 0.2, severity: minor}}
monitor:
  {{window: 1d, grace: 1h, tolerance: 0.06, label_lag: 2d, events: logs, every: 2s{more}}}
"""


def make_project(
    folder: Path, *, name: str = "credit", regions: Sequence[str] = ("N", "S"), more: str = ""
) -> Path:
    """A folder with audit.yaml, its data and its bundle in `evidence`."""
    (folder / "audit.yaml").write_text(SPEC.format(name=json.dumps(name), more=more))
    rng = random.Random(4)
    header, rows = ["loan", "sex", "region", "approved", "repaid", "customer", "at"], []
    for i in range(20_000):
        approved, repaid = int(rng.random() < 0.4), int(rng.random() < 0.7)
        region = '"' + rng.choice(regions).replace('"', '""') + '"'
        rows.append(f"{i},{rng.choice('FM')},{region},{approved},{repaid},{i},x")
    (folder / "test.csv").write_text("\n".join([",".join(header), *rows]) + "\n")
    audit.run(folder / "audit.yaml", out=folder / "evidence")
    return folder


def opened(project: Path, place: Path, *, now: int = START) -> Watch:
    """A watch with a ledger in `place` and the project's baseline settled at `now`."""
    (place / "logs").mkdir(exist_ok=True)
    given = {"ledger": f"sqlite:///{place}/ledger.db", "events": place / "logs"}
    watch = Watch(load(project / "audit.yaml"), **given)  # type: ignore[arg-type]
    found = bundle.read(project / "evidence")
    result = codec.loads(AuditResult, found.audit_json, where="evidence")
    freeze(watch.ledger, result, found.audit_json, found.id, read(watch.spec, result), now=now)
    watch.close()
    return Watch(load(project / "audit.yaml"), **given)  # type: ignore[arg-type]


def events_of_day(
    day: int,
    *,
    per_day: int = 400,
    rate: Callable[[int, str], float] = lambda day, sex: 0.4,
    labels: bool = True,
    regions: Sequence[str] = ("N", "S"),
    start: int = START,
) -> list[dict[str, object]]:
    """Predictions and labels of one day."""
    rng, out = random.Random(day + 7), []
    for i in range(per_day):
        sex, name = rng.choice("FM"), f"{day}-{i}"
        at = iso(start + day * DAY + rng.randrange(DAY))
        event: dict[str, object] = {
            "loan": name,
            "at": at,
            "customer": f"c{name}",
            "sex": sex,
            "region": rng.choice(regions),
            "approved": int(rng.random() < rate(day, sex)),
        }
        out.append(event)
        if labels:
            out.append({"loan": name, "repaid": int(rng.random() < 0.7), "label_time": at})
    return out


def write_days(folder: Path, days: int, *, first: int = 0, **given: object) -> None:
    """A file a day."""
    for day in range(first, first + days):
        lines = "".join(json.dumps(e) + "\n" for e in events_of_day(day, **given))  # type: ignore[arg-type]
        (folder / f"{day:04d}.jsonl").write_text(lines)
