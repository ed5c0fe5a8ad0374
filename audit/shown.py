"""How a result, a finding and a comparison show themselves in a notebook: a small table, all text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any

MINUS = "\N{MINUS SIGN}"
COLOURS = {"violation": "#d55e00", "pass": "#009e73", "inconclusive": "#7a7a7a"}
MARKS = {"violation": "▲", "pass": "●", "inconclusive": "◆"}
"""A shape for each verdict, so that none is told by colour alone."""
LIMIT = 300
"""Characters of a text that are shown; the rest is in the value itself."""
ROWS = 30
NOTE = "For the groups and metrics examined."
_STYLE = 'style="border-collapse:collapse;font:14px/1.5 sans-serif;color:inherit"'
_CELL = 'style="text-align:left;vertical-align:top;padding:2px 14px 2px 0;background:none"'


def commands(text: str) -> Any:
    """`text` for a page, escaped, what stands between backticks as code.

    >>> str(commands("`a <b>`, then c"))
    '<code>a &lt;b&gt;</code>, then c'
    """
    from markupsafe import Markup

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


class Shown:
    """Gives a value of the result a `_repr_html_`; it runs nothing and fetches nothing."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return _VIEWS[type(self).__name__](self)


def text(value: str | None) -> str:
    """`value` as HTML text, escaped, without control characters, cut at LIMIT.

    >>> text("<b>&\\x00")
    '&lt;b&gt;&amp;\\ufffd'
    """
    if value is None:
        return ""
    cut = value if len(value) <= LIMIT else value[: LIMIT - 1] + "…"
    return escape("".join(c if c.isprintable() or c == " " else "\ufffd" for c in cut))


def figure(value: float | None) -> str:
    """Three decimals, a real minus; `undefined` where there is none.

    >>> figure(0.25), figure(None)
    ('0.250', 'undefined')
    """
    return "undefined" if value is None else f"{value:.3f}".replace("-", MINUS)


@lru_cache(maxsize=4096)
def group_name(group: tuple[str | None, ...]) -> str:
    """The group in words: its values joined by ` × `, a missing value as `(missing)`, no text as `(empty)`.

    >>> group_name(("Female", None)), group_name(("",)), group_name(())
    ('Female × (missing)', '(empty)', 'everyone')
    """
    words = ("(missing)" if value is None else value or "(empty)" for value in group)
    return " × ".join(words) if group else "everyone"


def _mark(verdict: str) -> str:
    return f'<b style="color:{COLOURS[verdict]}">{MARKS[verdict]}</b> <b>{verdict}</b>'


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of cells that are HTML already; `head` may be empty."""
    top = "".join(f'<th scope="col" {_CELL}>{text(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td {_CELL}>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table {_STYLE}>{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def _pairs(rows: list[tuple[str, str]]) -> str:
    return _table((), [(f"<b>{text(label)}</b>", value) for label, value in rows if value])


def _interval(value: Any) -> str:
    if value.value is None:
        return "undefined"
    low = f"{MINUS}∞" if value.low is None else figure(value.low)
    high = "∞" if value.high is None else figure(value.high)
    none = value.low is None and value.high is None
    return figure(value.value) + ("" if none else f" ({low} to {high})")


def _who(value: Any) -> str:
    who = f"{group_name(value.group)} against {value.reference}"
    return text(who if value.stratum is None else f"{who}, in {group_name(value.stratum)}")


def _what(value: Any) -> str:
    return text(f"{value.metric.replace('_', ' ')}, {value.comparison.replace('_', ' ')}")


def _finding(found: Any) -> str:
    waived = (
        found.waived and f"by {found.waived.approver} until {found.waived.expires}: {found.waived.reason}"
    )
    return f"<p>{_mark(found.verdict.value)}: {text(found.why)}</p>" + _pairs(
        [
            ("rule", text(f"{found.rule} ({found.severity})")),
            ("measured", _what(found)),
            ("group", _who(found)),
            ("value (interval)", _interval(found)),
            ("allowed", text(found.bound)),
            ("more rows would decide it", "" if found.rows_needed is None else f"{found.rows_needed:,}"),
            ("waived", text(waived)),
        ]
    )


def _comparison(made: Any) -> str:
    return _pairs(
        [
            ("rule", text(made.rule)),
            ("measured", _what(made)),
            ("group", _who(made)),
            ("value (plain interval)", _interval(made)),
            ("why it has no value", text(made.why)),
            ("p of a pass", _p(made.p_pass)),
            ("p of a violation", _p(made.p_violation)),
            ("cannot pass", text(made.blocked)),
            (
                "denominators",
                f"{made.n:,.6g}" + ("" if made.reference_n is None else f", {made.reference_n:,.6g}"),
            ),
        ]
    )


def _p(value: float | None) -> str:
    return "not tested" if value is None else "below 0.0001" if value < 1e-4 else f"{value:.4f}"


def _result(result: Any) -> str:
    withheld = result.policy.suppress_below is not None  # a rule's words name figures of small groups
    rows = [
        (
            _mark(rule.verdict.value),
            text(rule.rule),
            "see the report" if withheld else text(rule.why),
            f"{rule.comparisons:,}",
        )
        for rule in result.rules[:ROWS]
    ]
    more = len(result.rules) - ROWS
    data = result.data
    account = f"{data.rows_audited:,} of {data.rows_read:,} rows audited."
    name = " ".join(part for part in (result.system.name, result.system.version) if part)
    table = (
        _table(("verdict", "rule", "why", "comparisons"), rows) if rows else "<p>The policy has no rules.</p>"
    )
    return (
        f"<p>{_mark(result.verdict.value)}: {text(name)}</p>{table}"
        f"<p>{f'And {more:,} more rules. ' if more > 0 else ''}{account} {NOTE}</p>"
    )


_VIEWS = {"Finding": _finding, "Comparison": _comparison, "AuditResult": _result}
