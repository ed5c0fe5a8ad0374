"""A calendar date on the command line."""

from __future__ import annotations

from datetime import date
from typing import Any

import click


class Day(click.ParamType):  # type: ignore[type-arg]
    """A calendar date on the command line."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """YYYY-MM-DD as a date."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date like 2026-11-30", param, ctx)
