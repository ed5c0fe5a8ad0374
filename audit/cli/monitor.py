"""`harm-audit monitor`: watch a released system against the bundle that let it pass."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import bundle as bundles_module
from audit import gate
from audit.cli import bundles, monitor_words, output
from audit.cli.day import Day
from audit.errors import BundleError, UsageError
from audit.result import Verdict

if TYPE_CHECKING:
    from audit.monitor.evaluation import Evaluation
    from audit.monitor.watch import Watch


@click.group("monitor", short_help="Watch the released system against its audited bundle.")
def command() -> None:
    """Watch a released system: does a group now fare worse than the audit promised, or than others do?

    \b
    Example:
      harm-audit monitor baseline evidence      # settle what is watched, once a release
      harm-audit monitor run --events logs      # take events in, judge, serve the page
      harm-audit monitor check --events logs    # or once, from cron: the gate's exit codes
    """


def shared(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that several of these commands take."""
    path = click.Path(path_type=Path)
    made = {
        "spec": click.option("--spec", type=path, default="audit.yaml", show_default=True),
        "ledger": click.option(
            "--ledger", metavar="URL", help="sqlite:///file or postgresql://…, in place of the spec's."
        ),
        "events": click.option("--events", type=path, help="The folder of events, in place of the spec's."),
        "json": click.option("--json", "as_json", is_flag=True, help="Print what is known as JSON."),
        "by": click.option("--by", required=True, metavar="NAME", help="Who decides so."),
        "reason": click.option("--reason", required=True, help="Why; it is kept with the alarm."),
    }

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = made[name](function)
        return function

    return add


def _open(spec: Path, ledger: str | None, events: Path | None = None) -> Watch:
    loaded = importlib.import_module("audit.spec").load(spec)
    watch: Watch = importlib.import_module("audit.monitor.watch").Watch(loaded, ledger=ledger, events=events)
    return watch


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


@command.command("baseline", short_help="Settle what is watched, from a bundle.")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option(
    "--history",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Logs of a time in which all was as audited: whether days differ by more than chance is "
    "looked up in them.",
)
@shared("spec", "ledger")
def baseline(folder: Path, history: tuple[Path, ...], spec: Path, ledger: str | None) -> int:
    """Settle the baseline: the audited rates of BUNDLE, the streams that are watched, and their blocks.

    Done once for a release, before its first live row; another bundle in the same ledger is refused
    once a window was closed.

    \b
    Example:
      harm-audit monitor baseline evidence
    """
    found, result = bundles.open_result(folder)
    said = bundles_module.verify(folder)
    if not said.ok:
        raise BundleError(said.message, where=str(folder), hint="Make it anew with `harm-audit run`.")
    watch = _open(spec, ledger)
    frozen: Any = importlib.import_module("audit.monitor.frozen")
    replay: Any = importlib.import_module("audit.monitor.replay")
    settings = importlib.import_module("audit.monitor.settings").read(watch.spec, result)
    closed = replay.history(watch.spec, result, history) if history else None
    settled = frozen.freeze(
        watch.ledger, result, found.audit_json, found.id, settings, now=_now(), history=closed
    )
    monitor_words.tell_baseline(settled, settings, watch.url)
    return 0


@command.command("check", short_help="One evaluation, with the gate's exit codes.")
@shared("spec", "ledger", "events")
@click.option("--on-inconclusive", type=click.Choice(gate.ON_INCONCLUSIVE), default="fail", show_default=True)
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
@shared("json")
def check(
    spec: Path,
    ledger: str | None,
    events: Path | None,
    on_inconclusive: str,
    quiet: bool,
    as_json: bool,
) -> int:
    """Take in what is new, close what is due, judge it, tell the sinks: 0 pass, 1 violation, 3 inconclusive.

    Made for cron; say in `monitor: {every: 1d}` how often. A source that cannot be read ends with 4.

    \b
    Example:
      harm-audit monitor check --events logs --on-inconclusive warn
    """
    watch = _open(spec, ledger, events)
    database_errors = importlib.import_module("audit.monitor.watch").database_errors
    with database_errors(watch.url):
        frozen = watch.frozen
        taken = watch.ingest()
        found = watch.evaluate()
        follow: Any = importlib.import_module("audit.monitor.follow")
        problems = [*taken.problems, *follow.follow(watch, found)]
        untold = follow.deliver(watch)[1]
    if untold:
        problems.append(f"{untold} messages were not taken by their sinks; the next check tries again")
    if as_json:
        output.echo_json({**monitor_words.document(found), "problems": problems})
    else:
        monitor_words.tell(found, frozen, quiet=quiet)
    for problem in problems:
        output.error(problem)
    code = _exit(found, on_inconclusive)
    return 4 if problems and code in (0, 3) else code


def _exit(found: Evaluation, on_inconclusive: str) -> int:
    if found.verdict is Verdict.INCONCLUSIVE and on_inconclusive != "fail":
        return 0
    return found.exit_code


@command.command("status", short_help="What the ledger holds; nothing is closed or opened.")
@shared("spec", "ledger", "json")
def status(spec: Path, ledger: str | None, as_json: bool) -> int:
    """Say what the ledger holds and what the last evaluation left; nothing is changed by it."""
    watch = _open(spec, ledger)
    with importlib.import_module("audit.monitor.watch").database_errors(watch.url):
        found = watch.evaluate(look_only=True)
    if as_json:
        output.echo_json(monitor_words.document(found))
    else:
        monitor_words.tell(found, watch.frozen, quiet=False)
        monitor_words.tell_ledger(found)
    return 0


@command.command("replay", short_help="Judge a log from its beginning, in a ledger of its own.")
@click.argument("logs", metavar="LOG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--baseline", "folder", metavar="BUNDLE", type=click.Path(path_type=Path), required=True)
@shared("spec", "json")
def replay(logs: tuple[Path, ...], folder: Path, spec: Path, as_json: bool) -> int:
    """Judge LOG (files of events) as the monitor would have: same log, same policy, same alarms.

    The live ledger is not touched. Ends with the gate's exit codes, and prints the SHA-256 of the count
    tables, which is the same wherever and in whatever order the log is read.

    \b
    Example:
      harm-audit monitor replay logs/2026-*.jsonl --baseline evidence
    """
    found, result = bundles.open_result(folder)
    loaded = importlib.import_module("audit.spec").load(spec)
    module: Any = importlib.import_module("audit.monitor.replay")
    with output.progress("Replaying", quiet=as_json):
        evaluation = module.replay(loaded, found.id, found.audit_json, result, logs)
    digest = module.digest(evaluation)
    if as_json:
        output.echo_json({**monitor_words.document(evaluation), "tables_sha256": digest})
    else:
        monitor_words.tell(evaluation, evaluation.frozen, quiet=False)
        monitor_words.tell_ledger(evaluation)
        output.echo(f"Count tables: sha256 {digest}")
    code: int = evaluation.exit_code
    return code


@command.command("run", short_help="Take events in, judge on a schedule, serve the page and metrics.")
@shared("spec", "ledger", "events")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address needs a token.")
@click.option("--port", default=8640, show_default=True, type=click.IntRange(0, 65535))
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def run(spec: Path, ledger: str | None, events: Path | None, host: str, port: int, quiet: bool) -> int:
    """Watch until stopped: the folder and /events are taken in, windows are judged, sinks are told.

    The page is at /, Prometheus reads /metrics. Only this machine is listened to, unless the environment
    variable HARM_AUDIT_TOKEN holds a token, which every request but /healthz and /readyz then needs. TLS is
    a proxy's work.

    \b
    Example:
      harm-audit monitor run --events logs
      HARM_AUDIT_TOKEN=… harm-audit monitor run --host 0.0.0.0
    """
    try:
        server: Any = importlib.import_module("audit.monitor.server")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the service needs {error.name}, which is not installed",
            hint="Type: pip install 'harm-audit[serve]'",
        ) from error
    settings = server.listening(host, port)
    watch = _open(spec, ledger, events)
    with importlib.import_module("audit.monitor.watch").database_errors(watch.url):
        monitor_words.tell_listening(watch.frozen, watch, host, port, quiet=quiet)
        server.serve(watch, settings)
    return 0


@command.group("alarms", short_help="List alarms; acknowledge, waive, re-arm and close them.")
def alarms() -> None:
    """The alarms of the ledger: each act has a name and a reason, and both are kept.

    \b
    Example:
      harm-audit monitor alarms list
      harm-audit monitor alarms ack disparity-3f5a… --by Ada --reason "looking into it"
    """


@alarms.command("list", short_help="List the alarms, the newest first.")
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@shared("spec", "ledger", "json")
def list_(everything: bool, spec: Path, ledger: str | None, as_json: bool) -> int:
    """List the alarms with their state, and who did what to them."""
    watch = _open(spec, ledger)
    found = importlib.import_module("audit.monitor.alarms").read(watch.ledger)
    shown = [alarm for alarm in reversed(found) if everything or not alarm.closed]
    monitor_words.tell_alarms(shown, _now(), as_json=as_json)
    return 0


@alarms.command("ack", short_help="Somebody looks into it.")
@click.argument("alarm")
@shared("by", "reason", "spec", "ledger")
def ack(alarm: str, by: str, reason: str, spec: Path, ledger: str | None) -> int:
    """Acknowledge ALARM: it stays, and everybody sees who looks into it."""
    return _act(alarm, "acknowledged", spec, ledger, by=by, reason=reason)


@alarms.command("waive", short_help="It counts for nothing until a day.")
@click.argument("alarm")
@click.option("--until", required=True, type=Day(), help="The last day of the waiver, within a year.")
@shared("by", "reason", "spec", "ledger")
def waive(alarm: str, until: date, by: str, reason: str, spec: Path, ledger: str | None) -> int:
    """Waive ALARM until a day: until then its stream decides nothing; after it the alarm is open again."""
    end = datetime.combine(until + timedelta(days=1), time(), UTC)
    return _act(alarm, "waived", spec, ledger, by=by, reason=reason, until=int(end.timestamp()))


@alarms.command("rearm", short_help="Take a waiver or an acknowledgement back.")
@click.argument("alarm")
@shared("by", "reason", "spec", "ledger")
def rearm(alarm: str, by: str, reason: str, spec: Path, ledger: str | None) -> int:
    """Re-arm ALARM: it is open again, and the sinks are told again."""
    return _act(alarm, "rearmed", spec, ledger, by=by, reason=reason)


@alarms.command("close", short_help="It is settled; the detector begins anew.")
@click.argument("alarm")
@shared("by", "reason", "spec", "ledger")
def close(alarm: str, by: str, reason: str, spec: Path, ledger: str | None) -> int:
    """Close ALARM: its detector begins anew with the next window, and its promise holds from there.

    The evidence since the release stays. The sampling error of the baseline is not renewed by it.
    """
    return _act(alarm, "closed", spec, ledger, by=by, reason=reason)


def _act(alarm: str, action: str, spec: Path, ledger: str | None, **given: Any) -> int:
    watch = _open(spec, ledger)
    module: Any = importlib.import_module("audit.monitor.acts")
    done = module.act(watch.ledger, alarm, action, at=_now(), **given)
    output.echo(f"{done.id}: {done.state(_now())}")
    return 0
