"""`harm-audit demo`: a worked example in a folder of its own, from made data to a measured remedy."""

from __future__ import annotations

import contextlib
import io
import runpy
import shutil
from pathlib import Path

import click

from audit import bundle, resources
from audit.cli import output, run, writing
from audit.errors import OutputError, UsageError

EXAMPLE = "lending"
DEFAULT_OUT = Path("harm-audit-demo")


@click.command("demo", short_help="Audit a worked example, from data to report.")
@click.option("--out", default=DEFAULT_OUT, type=click.Path(path_type=Path), show_default=True)
@click.option("--audit-only", is_flag=True, help="Stop at the verdict: try no remedy.")
@click.option("--quiet", is_flag=True, help="Print the verdict alone.")
def command(out: Path, audit_only: bool, quiet: bool) -> int:
    """Copy the lending example into a folder, make its data, audit it, and mend what was found.

    After the verdict it says where the errors sit, tries remedies, plans, and audits the remedy that
    is advised, and a sham, on later applicants.

    \b
    Example:
      harm-audit demo --out try-it
    """
    _copy(out)
    with output.progress("Making the example's data and model", quiet=quiet):
        runpy.run_path(str(out / "make_data.py"))["main"](out)
    spec, evidence = out / "audit.yaml", out / "evidence"
    done = run.perform(spec, evidence, history=None, previous=None, quiet=quiet)
    run.tell(done.result, run.decide(done.result), evidence, bundle.read(evidence).id, quiet=quiet)
    if not audit_only:
        with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
            runpy.run_path(str(out / "mend.py"))["main"](out)
    if not quiet:
        output.echo(f"Next: read {spec}, change a bound, and `harm-audit run {spec} --out {evidence} --gate`")
        output.echo("exit 0: not gated")
    return 0


def _copy(out: Path) -> None:
    source = resources.examples() / EXAMPLE
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "make_data.py").is_file())):
        raise UsageError("holds something else", where=str(out), hint="Choose another folder with --out.")
    there = out.exists()
    try:
        shutil.copytree(source, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    except BaseException as error:
        if not there:
            shutil.rmtree(out, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(
                f"the example cannot be copied: {_reason(error)}", where=str(out), hint=writing.ROOM
            ) from error
        raise


def _reason(error: OSError) -> str:
    """What the system said, once; `shutil.Error` holds a line a file."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][2]).partition("] ")[2].partition(": ")[0]
    return error.strerror or str(error)
