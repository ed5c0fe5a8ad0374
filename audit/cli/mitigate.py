"""`harm-audit mitigate`: remedies tried on equal terms, and what each did."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit import codec
from audit.cli import output, writing
from audit.cli.estimator import open_estimator
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.mitigation.paired import Change
    from audit.mitigation.trial_report import Trial, Trials


@click.command("mitigate", short_help="Try remedies on equal terms, and say what each did.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--candidate", "names", multiple=True, help="A remedy; repeat it. Default: the usual ones.")
@click.option("--list", "listing", is_flag=True, help="List the remedies and end.")
@click.option("--model", help="MODULE:NAME or a .skops file, fitted again; default a logistic regression.")
@click.option("--trust", is_flag=True, help="Open a pickled model: it can run any code.")
@click.option("--feature", "features", multiple=True, help="A feature of the model; repeat it.")
@click.option("--train", type=click.Path(path_type=Path), help="Other rows to fit on, as a history.")
@click.option("--threshold", type=float, help="From which score a decision is positive; default the spec's.")
@click.option("--rule", help="The rule to work on; default that of the strongest evidence.")
@click.option("--group", help="The group to work on.")
@click.option("--id", "person", help="Column that names the person; default the spec's cluster or id.")
@click.option("--folds", type=int, default=5, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--limit", type=float, default=0.05, show_default=True, help="Worsening allowed to any group.")
@click.option("--accuracy-limit", type=float, default=0.02, show_default=True, help="Fall allowed.")
@click.option(
    "--positives-limit", type=float, default=0.1, show_default=True, help="Move allowed of all positives."
)
@click.option("--budget", type=float, help="Minutes; what is under way then is finished, no more begun.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Fits at the same time.")
@click.option("--resume", type=click.Path(path_type=Path), help="Keep finished fits here; default by --out.")
@click.option("--apply", "applied", help="Fit this remedy on all rows and decide on --rows, without a trial.")
@click.option("--rows", type=click.Path(path_type=Path), help="With --apply: the rows to decide on.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the trials, or the decided rows, here.")
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
def command(spec: Path, listing: bool, out: Path | None, as_json: bool, **options: Any) -> int:
    """Try remedies for the disparity that the audit by SPEC finds, and measure what each does.

    Each remedy is fitted without a fold of the people and decides on it, its own choices made on
    inner folds. The change of the gap is measured on pairs of decisions, against the decisions as
    they are, and against training again alone. Finished fits are kept: the same command goes on
    from there.

    \b
    Example:
      harm-audit mitigate audit.yaml --train history.csv --out trials.json --budget 10
      harm-audit mitigate audit.yaml --apply drop-proxies --rows next.csv --out decided.csv
    """
    catalogue: Any = importlib.import_module("audit.mitigation.catalogue")
    if listing:
        for one in catalogue.METHODS.values():
            mark = " (legal note)" if one.legal_note else ""
            output.echo(output.paragraph(f"{one.name}: {one.does}{mark}", first="", indent="    "))
        return 0
    if options["budget"] is not None and options["budget"] < 0:
        raise UsageError("a budget is not negative", where="--budget")
    if options["jobs"] == 0:
        raise UsageError("at least one job is needed", where="--jobs")
    with output.progress("Reading the rows", quiet=as_json):
        problem = _problem(spec, options)
    if options["applied"] is not None:
        return _apply(catalogue, problem, options, out)
    if options["rows"] is not None:
        raise UsageError("--rows goes with --apply", where="--rows")
    moment: str = importlib.import_module("audit.mitigation.with_fairlearn").moment_for(problem.target.metric)
    names = list(dict.fromkeys(options["names"])) or list(catalogue.usual(moment))
    if catalogue.RETRAIN not in names:
        names.insert(0, catalogue.RETRAIN)
    methods = tuple(catalogue.method(name) for name in names)
    found = _run(problem, methods, options, out, quiet=as_json)
    if out is not None:
        writing.whole(out, codec.dumps(found))
    if as_json:
        output.echo_json(codec.to_plain(found))
    else:
        _tell(found, out)
    return 0


def _problem(path: Path, options: dict[str, Any]) -> Any:
    module: Any = importlib.import_module("audit.mitigation.problem")
    rows: Any = importlib.import_module("audit.mitigation.rows")
    tables: Any = importlib.import_module("audit.analysis.tables")
    spec = importlib.import_module("audit.spec").load(path)
    train = options["train"]
    named = ("features", "threshold", "rule", "group", "person", "folds", "seed")
    model = options["model"]
    return module.make_problem(
        spec,
        rows.frame_of(spec),
        training=None if train is None else tables.as_table(train).to_pyarrow().to_pandas(),
        estimator=None if model is None else open_estimator(model, trust=options["trust"]),
        **{name: options[name] for name in named},
    )


def _run(
    problem: Any, methods: tuple[Any, ...], options: dict[str, Any], out: Path | None, *, quiet: bool
) -> Trials:
    trials: Any = importlib.import_module("audit.mitigation.trials")
    store = options["resume"] or (None if out is None else out.with_name(out.name + ".fits.jsonl"))
    budget = options["budget"]
    with output.counted("Trying remedies", quiet=quiet) as step:
        found: Trials = trials.run_trials(
            problem,
            methods,
            limit=options["limit"],
            accuracy_limit=options["accuracy_limit"],
            positives_limit=options["positives_limit"],
            store=store,
            budget=None if budget is None else 60 * budget,
            n_jobs=options["jobs"],
            progress=step,
        )
    return found


def _apply(catalogue: Any, problem: Any, options: dict[str, Any], out: Path | None) -> int:
    if options["rows"] is None or out is None:
        raise UsageError("--apply needs --rows and --out", hint="Name the rows and the file to write.")
    tables: Any = importlib.import_module("audit.analysis.tables")
    frame = tables.as_table(options["rows"]).to_pyarrow().to_pandas()
    method = catalogue.method(options["applied"])
    made = importlib.import_module("audit.mitigation.apply").apply(problem, method, frame)
    writing.whole(out, made.to_csv(index=False).encode())
    output.echo(f"{method.name} decided on {len(made):,} rows: {out}")
    if method.legal_note:
        output.echo(output.paragraph(method.legal_note, first="Legal note: ", indent="  "))
    return 0


def _tell(found: Trials, out: Path | None) -> None:
    target = found.target
    value = "undefined" if target.value is None else f"{target.value:+.3f}"
    output.echo(
        output.style(
            f"{target.metric.replace('_', ' ').capitalize()}, {output.one_line(target.group)} against "
            f"{output.one_line(target.reference)}: {target.comparison} {value}, bound {target.bound}",
            bold=True,
        )
    )
    output.echo(
        f"{found.folds} folds of {found.rows:,} rows, fitted on {found.training_rows:,}; "
        f"accuracy now {_plain(found.accuracy_before)}"
    )
    output.echo(f"{'remedy':<28}{'gap after':>10}{'better by':>27}{'accuracy':>10}")
    for one in sorted(found.trials, key=_order):
        _tell_trial(one)
    marks = [one for one in found.trials if one.legal_note and one.effect is not None]
    for note in dict.fromkeys(one.legal_note for one in marks if one.legal_note):
        which = ", ".join(one.name for one in marks if one.legal_note == note)
        output.echo(output.paragraph(f"Legal note ({which}): {note}", first="", indent="  "))
    for note in found.notes:
        output.echo(output.paragraph(note, first="Note: ", indent="  "))
    for left in found.not_measured:
        output.echo(output.paragraph(f"{left.what}: {left.why}.", first="Left out: ", indent="  "))
    _tell_best(found)
    if out is not None:
        output.echo(f"Trials: {out}")


def _order(one: Trial) -> tuple[bool, float]:
    value = one.effect.value if one.effect is not None else None
    return (value is None, -(value or 0.0))


def _tell_trial(one: Trial) -> None:
    mark = "*" if one.on_front else "§" if one.legal_note else " "
    if one.effect is None or one.effect.value is None:
        why = one.why or (one.effect.why if one.effect is not None else None) or ""
        output.echo(output.paragraph(f"{one.name:<26} {one.status}: {why}", indent="    ", first="  "))
        return
    mark = ("*" if one.on_front else " ") + ("§" if one.legal_note else " ")
    accuracy = "" if one.accuracy is None else _signed(one.accuracy)
    after = "" if one.effect.after is None else f"{one.effect.after:+.3f}"
    output.echo(f"{mark}{output.cell(one.name, 26)}{after:>10}{_interval(one.effect):>27}{accuracy:>10}")
    for against in one.not_advised:
        output.echo(output.paragraph(against, first="      ", indent="      "))


def _interval(change: Change) -> str:
    if change.value is None:
        return change.why or ""
    return f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})"


def _signed(change: Change) -> str:
    return "" if change.value is None else f"{change.value:+.3f}"


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _tell_best(found: Trials) -> None:
    output.echo("*: no other has a smaller gap and a higher accuracy. §: see the legal note.")
    best = found.trial(found.best) if found.best is not None else None
    if best is None:
        output.echo(output.style("No remedy is advised by this evidence.", bold=True))
        return
    credit = "".join(f"; against {c.against} alone {_interval(c.change)}" for c in best.credit)
    output.echo(output.style(f"Advised: {best.name}", bold=True) + credit)
    output.echo(
        output.paragraph(
            "It was chosen by looking at all of them, so its figures flatter it: apply it, audit again on "
            "rows that no trial has seen, and let `harm-audit plan check` judge."
        )
    )
