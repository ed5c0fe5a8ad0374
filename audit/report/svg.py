"""From a Vega-Lite specification to SVG inside a page: small, themed, the same bytes each time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import vl_convert

VL_VERSION = "5.20"
INK, MUTED, FAINT, BAND, GROUND = (
    "var(--ink)",
    "var(--muted)",
    "var(--line)",
    "var(--band)",
    "var(--ground)",
)
FONT_SIZE = 13
HALO = {"stroke": GROUND, "strokeWidth": 4, "strokeJoin": "round"}
"""Of a text's mark: what lies behind it does not touch its letters; the page paints the stroke first."""

_EMPTY = re.compile(
    r'<path class="(?:background|foreground)"[^>]*d="(?:M0,0h0v0h0Z)?"[^>]*/>'
    r'|<path class="background"[^>]*/>|<text[^>]*/>|<g[^>]*></g>'
)
_NOISE = re.compile(
    r' (?:font-family|pointer-events|aria-hidden|aria-roledescription|role|class)="[^"]*"'
    rf'| font-size="{FONT_SIZE}px"| opacity="1"| stroke-width="1"(?=[ />])'
    r'| stroke-opacity="1"| [xy]2="0"(?=[ />])'
    r'| text-anchor="start"| font-weight="400"| stroke-dasharray="1,0"'
)
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_ATTRIBUTE = re.compile(r' (?:transform|d|x|y|x2|y2|width|height|viewBox|cx|cy|r)="[^"]*"')
_TAG = re.compile(r"<[^>]*>")
"""Names of groups stand between tags, never in them, and are left alone."""
_ID = re.compile(r'(\bid="|url\(#|href="#)([\w-]+)')


@dataclass(frozen=True, slots=True)
class Drawing:
    """What stands inside an `<svg>` element, and the size of its view box in CSS pixels."""

    body: str
    width: int
    height: int


def draw(spec: dict[str, Any], *, figure: str) -> Drawing:
    """`spec` drawn; the page writes the `<svg>` element around it, with its text alternative.

    Ids begin with `figure`, so that several drawings can share a page and equal input gives equal
    bytes. Colours in the specification are CSS variables of the page, its text has the page's font.
    Names must have gone through `numbers.clean`: a control character ends the process here.
    """
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": None,
        "config": _CONFIG,
        **spec,
    }
    return slim(vl_convert.vegalite_to_svg(whole, vl_version=VL_VERSION), figure=figure)


def draw_parts(specs: list[dict[str, Any]], *, figure: str) -> tuple[Drawing, ...]:
    """The parts of one plot, in order, their ids apart."""
    if len(specs) == 1:
        return (draw(specs[0], figure=figure),)
    return tuple(draw(spec, figure=f"{figure}-part-{place}") for place, spec in enumerate(specs, 1))


def slim(svg: str, *, figure: str) -> Drawing:
    """The drawing without what the page's style says anyway, its numbers at a tenth of a pixel."""
    head, body = svg.removesuffix("</svg>").split(">", 1)
    view = re.search(r'viewBox="([^"]*)"', head)
    size = view[1] if view else "0 0 1 1"
    names: dict[str, str] = {}

    def tidy(tag: re.Match[str]) -> str:
        text = _ATTRIBUTE.sub(lambda found: _NUMBER.sub(_tenth, found[0]), _NOISE.sub("", tag[0]))
        return _ID.sub(lambda m: f"{m[1]}{names.setdefault(m[2], f'{figure}-{len(names) + 1}')}", text)

    before = ""
    while before != body:
        before, body = body, _EMPTY.sub("", body)
    body = _unwrap(_TAG.sub(tidy, body))
    wide, high = (round(float(part)) for part in size.split()[2:])
    return Drawing(body, wide, high)


def _tenth(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _unwrap(body: str) -> str:
    """Bare `<g>` elements carry nothing: they go, with the closing tags that belong to them."""
    pieces = re.split(r"(<g(?: [^>]*)?>|</g>)", body)
    stack: list[bool] = []
    kept = []
    for piece in pieces:
        if piece == "</g>":
            if stack.pop():
                kept.append(piece)
        elif re.fullmatch(r"<g(?: [^>]*)?>", piece):
            stack.append(piece not in ("<g>", '<g transform="translate(0,0)">'))
            if stack[-1]:
                kept.append(piece)
        else:
            kept.append(piece)
    return "".join(kept)


_CONFIG: dict[str, Any] = {
    "aria": False,
    "view": {"stroke": None},
    "font": "sans-serif",
    "text": {"fontSize": FONT_SIZE, "fill": INK, "baseline": "middle"},
    "axis": {
        "labelFontSize": FONT_SIZE,
        "titleFontSize": FONT_SIZE,
        "titleFontWeight": "normal",
        "labelColor": MUTED,
        "titleColor": MUTED,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "gridColor": FAINT,
        "labelFlush": False,
        "labelOverlap": False,
        "tickSize": 4,
        "titlePadding": 8,
    },
    "header": {"labelFontSize": FONT_SIZE, "labelColor": INK, "titleColor": INK},
}
