"""`harm-audit completion`: the script with which a shell completes the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from audit.cli import output
from audit.errors import UsageError


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL; add it to the shell's start-up file.

    \b
    Example:
      harm-audit completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion is known for {shell!r}")
    source = kind(context.find_root().command, {}, "harm-audit", "_HARM_AUDIT_COMPLETE").source_template
    script = source % {
        "complete_func": "_harm_audit_completion",
        "complete_var": "_HARM_AUDIT_COMPLETE",
        "prog_name": "harm-audit",
    }
    output.echo(script.strip())
    return 0
