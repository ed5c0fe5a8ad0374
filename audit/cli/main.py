"""`harm-audit`: finds the command, and turns whatever happens into an exit code and clear words."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

import click

import audit
from audit.cli import interrupts, output
from audit.errors import AuditError, UsageError

USAGE, DEFECT, INTERRUPTED = 2, 4, 130

COMMANDS = {
    "init": "Look at a file, guess its columns' roles, write audit.yaml.",
    "data": "Look at a table before training: who is in it, what gives groups away.",
    "choose": "Say what the decision does; get the metrics that follow.",
    "validate": "Check audit.yaml and the answers, without the data.",
    "run": "Audit by audit.yaml and write the evidence bundle.",
    "gate": "Decide from a bundle whether to ship, by exit code.",
    "report": "Render a bundle again: page, summary or test format.",
    "verify": "Say what was changed in a bundle.",
    "verify-report": "Compute a published table again; say what does not add up.",
    "checklist": "Answer the questions of a release, and see what is open.",
    "harms": "Keep the register of harms: find, rate, treat, accept, close.",
    "standards": "Search laws and standards by place and use.",
    "sign": "Sign this exact bundle in a role, with a key or by name.",
    "mlflow": "Log evidence to MLflow, and move an alias through the gate.",
    "merge": "Add up the counts of several sites.",
    "slices": "Find where the errors sit, and test it on other people.",
    "individuals": "Say whether like people are decided alike.",
    "diagnose": "Say why a group's error is high: bias, variance, mismatch, noise.",
    "augment-check": "Say whether added rows are like the test rows.",
    "mitigate": "Try remedies on equal terms, and say what each did.",
    "plan": "Draft the mitigation plan from evidence; judge its actions.",
    "compare": "Put two bundles side by side: what changed, what is noise.",
    "monitor": "Watch the released system against its audited bundle.",
    "metrics": "List the metrics and named comparisons.",
    "explain": "Say what a metric means and what it cannot see.",
    "schema": "Print the JSON Schema of audit.yaml or of a result.",
    "doctor": "Check what this machine has and lacks.",
    "demo": "Audit a worked example, from data to report.",
    "completion": "Print the shell's completion script.",
}
"""Each command's module beside this file, and its line in the help, so that help loads none of them."""

EXIT_CODES = """\b
Exit codes:
  0  the gate passes, or the command did its work and was not asked to gate
  1  violation
  2  what the command or audit.yaml says is wrong
  3  inconclusive
  4  what the data or a bundle holds is wrong, or an internal error
  130  interrupted
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command `name`, its module imported; None where there is none."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"audit.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name where there is no such command."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = output.nearest(name, COMMANDS)
            raise UsageError(
                f"there is no command {name!r}",
                hint=f"Did you mean {near}?" if near else "`harm-audit --help` lists the commands.",
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(audit.__version__, prog_name="harm-audit")
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
def cli(debug: bool) -> None:
    """Audit a model that decides about people: disparities with evidence, a report, a release gate.

    \b
    Example:
      harm-audit init predictions.csv
      harm-audit run audit.yaml --out evidence
      harm-audit gate evidence
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no exception leaves it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = [word for word in words if word != "--debug"]
    debug = given != words
    with interrupts.noted() as pressed, warnings.catch_warnings():
        if not debug and not sys.warnoptions:
            warnings.simplefilter("ignore")
        try:
            _check_package()
            done = cli.main(given, prog_name="harm-audit", standalone_mode=False)
            code = done if isinstance(done, int) else 0
            pressed.end()
        except BaseException as error:
            pressed.end()
            code = INTERRUPTED if pressed.seen else _explain(error, debug=debug)
            if code == INTERRUPTED:
                output.error("interrupted; nothing half written is left")
                # Caught within an exec of text (a library being imported), the interrupt leaves CPython's
                # note of an unhandled one, and `python -m` would end by the signal; the next exec clears it.
                exec("")
    output.finish()
    return code


def _explain(error: BaseException, *, debug: bool) -> int:
    """Say what went wrong, and the exit code that it has."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DEFECT if error.code else 0
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if _ended_at_a_question(error):
        output.error(
            "the input ended at a question\n"
            "  Hint: Answer at a terminal, or by options: the command's `--help` names them."
        )
        return USAGE
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, AuditError):
        output.error(str(error))
        return error.exit_code
    if isinstance(error, click.UsageError):
        where = f" {error.ctx.command_path}" if error.ctx else "harm-audit"
        output.error(f"{error.format_message()}\n  Hint: `{where.strip()} --help` shows what is allowed.")
        return USAGE
    if isinstance(error, click.ClickException):
        output.error(error.format_message())
        return USAGE
    if debug:
        traceback.print_exception(error)
    if isinstance(error, OSError) and (said := _of_the_system(error)):
        output.error(said)
        return DEFECT
    kind = "out of memory" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
    step = (
        ""
        if debug
        else "\n  Hint: Run again as `harm-audit --debug …` for the traceback, and please report it."
    )
    output.error(f"internal error: {output.one_line(kind)}{step}")
    return DEFECT


def _ended_at_a_question(error: BaseException) -> bool:
    """Whether a question was put where nobody sits to answer it: Ctrl-D at a terminal is an interrupt."""
    if sys.stdin is None:
        return isinstance(error, (click.Abort, RuntimeError)) and "stdin" in str(error.__context__ or error)
    return (
        isinstance(error, click.Abort)
        and not isinstance(error.__context__, KeyboardInterrupt)
        and not sys.stdin.isatty()
    )


def _of_the_system(error: OSError) -> str:
    """Words for what the system refused; empty where it refused nothing that a user can mend."""
    try:
        os.getcwd()
    except OSError:
        return "the folder that you are in is gone\n  Hint: `cd` into one that exists."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}\n  Hint: Make room, or write where you may."
    return ""


def _check_package() -> None:
    """An error where another module called `audit` was imported in place of this package."""
    ours = Path(__file__).resolve().parents[1]
    found = getattr(audit, "__file__", None)
    if found is None or Path(found).resolve().parent != ours:
        raise AuditError(
            f"another module named `audit` stands before this one: {found}",
            where=str(ours),
            hint="Work in a virtual environment, and take the other's folder off PYTHONPATH.",
        )
