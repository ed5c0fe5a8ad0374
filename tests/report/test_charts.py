"""Plots: an honest scale, a mark for each group, the same bytes, and no name that can break them."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.report.axes import tick_values, tick_word
from audit.report.charts import MOST_ROWS, PANEL, forest, forests
from audit.report.forest_rows import TALLEST, Axis, Row, domain, parts
from audit.report.numbers import clean, width, wrap
from audit.report.remedy_charts import HEIGHT, NEAR, beside, pareto
from audit.report.scores import calibration, roc, sweep, thresholds
from audit.report.svg import draw
from audit.result import ScoreBins
from tests.report.sample import HOSTILE

RATIO = Axis("ratio", log=True, lower=0.8, upper=1.25, parity=1.0, columns=("value", "n", "verdict"))
DIFFERENCE = Axis("difference", log=False, lower=-0.05, upper=0.05, parity=0.0)


def row(value: float | None, half: float = 0.1, kind: str = "pass", label: str = "a") -> Row:
    if value is None:
        return Row(label, kind, note="undefined")
    return Row(label, kind, "word", f"{value:.2f}", "10", value, (value - half / 2, value + half / 2),
               (value - half, value + half))  # fmt: skip


def parsed(body: str) -> ET.Element:
    return ET.fromstring(f"<svg>{body}</svg>")


def test_equal_specifications_give_equal_bytes() -> None:
    rows = [row(0.7, kind="violation"), row(0.9), row(None, kind="inconclusive")]
    assert draw(forest(rows, RATIO), figure="f").body == draw(forest(rows, RATIO), figure="f").body


def test_every_verdict_has_a_shape_of_its_own() -> None:
    marks = set()
    for kind in ("violation", "pass", "inconclusive"):
        body = draw(forest([row(0.9, kind=kind)], RATIO), figure="f").body
        marks.add(re.findall(r'<path[^>]* d="(M[^"]*)" fill="[^"]*" stroke="var', body)[-1])
    assert len(marks) == 3


def test_a_ratio_and_its_inverse_are_equally_far_from_parity() -> None:
    body = draw(forest([row(0.5, 0.0), row(2.0, 0.0)], RATIO), figure="f").body
    lines = [
        float(x)
        for x in re.findall(r'<line transform="translate\(([\d.]+),0\)" y2="[\d.]+" stroke="var', body)
    ]
    lower, upper, parity = (next(x for x in lines[-3:] if x == at) for at in lines[-3:])
    assert parity - lower == pytest.approx(upper - parity, abs=0.2)


def test_an_interval_that_leaves_the_scale_ends_in_an_arrow() -> None:
    inside = draw(forest([row(0.9)], RATIO), figure="f").body
    open_ended = Row("a", "inconclusive", value=0.9, thin=(0.8, None))
    beyond = Row("a", "inconclusive", value=0.9, thin=(0.0001, 1.0))
    for leaving, at in ((open_ended, PANEL), (beyond, 0)):
        arrow = f'<path transform="translate({at},'
        assert arrow not in inside
        assert draw(forest([leaving], RATIO), figure="f").body.count(arrow) == 1


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_the_axis_holds_all_values_and_both_bounds(values: list[float], half: float) -> None:
    low, high = domain([row(v, half) for v in values], DIFFERENCE)
    assert low < min([*values, -0.05])
    assert high > max([*values, 0.05])
    positive = [abs(v) + 0.01 for v in values]
    low, high = domain([row(v, half) for v in positive], RATIO)
    assert 0 < low < min([*positive, 0.8])
    assert high > max([*positive, 1.25])


@given(st.floats(0.001, 0.99), st.floats(1.01, 1000))
def test_ticks_lie_on_the_axis_apart_from_each_other(low: float, high: float) -> None:
    ticks = tick_values(low, high, log=True, span=PANEL)
    assert all(low * 0.999 <= t <= high * 1.001 for t in ticks)
    places = [PANEL * math.log(t / low) / math.log(high / low) for t in ticks]
    assert all(b - a >= 43.9 for a, b in pairwise(places))
    linear = tick_values(-low, high, log=False, span=PANEL)
    assert linear == sorted(set(linear))
    assert len(linear) >= 1


@given(st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_no_label_of_a_tick_reaches_its_neighbour(low: float, reach: float) -> None:
    ticks = tick_values(low, low + reach, log=False, span=PANEL)
    places = [PANEL * (t - low) / reach for t in ticks]
    wide = [7 * len(tick_word(t)) for t in ticks]
    assert all(b - a > (v + w) / 2 for (a, b), (v, w) in zip(pairwise(places), pairwise(wide), strict=True))


def test_ticks_have_commas_between_thousands() -> None:
    axis = Axis("Error", log=False, parity=0.0)
    drawing = draw(forest([row(21_000, 9_000, label="a"), row(-9_000, 9_000, label="b")], axis), figure="f")
    said = " ".join(parsed(drawing.body).itertext())
    assert "20,000" in said
    assert "−10,000" in said
    assert tick_word(2e11) == "200,000,000,000"


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_is_drawn_as_text(name: str) -> None:
    shown = clean(name) or "(empty)"
    drawing = draw(forest([row(0.9, label=shown)], RATIO), figure="f")
    text = "".join(parsed(drawing.body).itertext())
    assert re.sub(r"\s", "", shown) in re.sub(r"\s", "", text)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60))
def test_no_text_ends_the_process_or_breaks_the_drawing(name: str) -> None:
    parsed(draw(forest([row(0.9, label=clean(name))], RATIO), figure="f").body)


def test_text_that_looks_like_an_attribute_is_left_alone() -> None:
    body = draw(forest([row(0.9, label='d="1.23456" id="x" role="y"')], RATIO), figure="f").body
    assert 'd="1.23456" id="x"' in "".join(parsed(body).itertext()).replace("&quot;", '"')


def test_a_plot_of_the_most_groups_is_small_and_tall_enough() -> None:
    drawing = draw(forest([row(0.9) for _ in range(MOST_ROWS)], RATIO), figure="f")
    assert len(drawing.body) < 60_000
    assert drawing.height > 20 * MOST_ROWS


sections = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 90)), min_size=1, max_size=6)


@given(sections)
def test_a_long_plot_is_cut_into_parts_that_fit_a_page_and_keep_every_row(
    shape: list[tuple[int, int]],
) -> None:
    rows = []
    for at, (many, long) in enumerate(shape):
        rows.append(Row(f"section {at}", "heading"))
        rows += [row(0.9, label=f"{at}-{i} " + "x" * long) for i in range(many)]
    cut = parts(rows)
    assert [one for part in cut for one in part if not one.label.endswith(", continued")] == rows
    assert all(part and part[-1].kind != "heading" for part in cut)
    assert all(part[0].kind == "heading" for part in cut)
    assert all(spec["height"] <= TALLEST * 1.2 for spec in forests(rows, RATIO))


def test_the_parts_of_a_plot_share_one_scale() -> None:
    rows = [Row("a", "heading"), *(row(0.5 + i / 100) for i in range(80))]
    scales = {
        str(layer["encoding"]["x"]["scale"])
        for spec in forests(rows, RATIO)
        for layer in spec["layer"]
        if "scale" in layer.get("encoding", {}).get("x", {}) and layer["encoding"]["x"]["scale"]
    }
    assert len(forests(rows, RATIO)) == 3
    assert len(scales) == 1
    assert len(forests(rows[:20], RATIO)) == 1


spots = st.tuples(st.floats(0, 560), st.floats(0, HEIGHT))


@given(st.lists(st.tuples(st.text("abc-", min_size=1, max_size=24), spots), min_size=1, max_size=9))
def test_names_beside_points_meet_neither_each_other_nor_a_point(named: list) -> None:
    given_ = [([name], spot) for name, spot in named]
    boxes = beside(given_)
    for i, box in enumerate(boxes):
        assert not any(box.meets(other) for other in boxes[i + 1 :])
        for j, (_, (x, y)) in enumerate(given_):
            assert i == j or not (box.left < x < box.right and abs(box.middle - y) < NEAR)


def test_remedies_that_stand_close_are_all_named() -> None:
    close = [(f"remedy-{i}", 0.02 + i / 1000, 0.71, i % 2 == 0) for i in range(8)]
    body = draw(pareto(close, (0.021, 0.71), 0.05), figure="f").body
    assert {f"remedy-{i}" for i in range(8)} | {"as it is"} <= set(parsed(body).itertext())


@given(st.text(max_size=120), st.integers(4, 40))
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(width(line) <= columns for line in lines)


def bins(positives: list[int], negatives: list[int]) -> ScoreBins:
    count = len(positives)
    means = tuple((i + 0.5) / count if positives[i] + negatives[i] else None for i in range(count))
    return ScoreBins(
        ("a",), ("x",), tuple(map(float, positives)), tuple(map(float, negatives)), (0.0,) * count, means
    )


COUNTS = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 20), min_size=n, max_size=n) for _ in range(2)))
)


@given(COUNTS)
def test_calibration_accounts_for_every_labelled_row(counts: tuple[list[int], list[int]]) -> None:
    curve = calibration(bins(*counts))
    assert sum(c.n for c in curve) == sum(map(sum, counts))
    assert sum(c.n * c.share for c in curve) == pytest.approx(sum(counts[0]))
    assert [c.score for c in curve] == sorted(c.score for c in curve)
    assert all(c.low - 1e-9 <= c.share <= c.high + 1e-9 for c in curve)
    assert len(curve) <= 11


@given(COUNTS)
def test_a_sweep_counts_rows_at_or_above_each_threshold(counts: tuple[list[int], list[int]]) -> None:
    positives, negatives = counts
    edges = [i / len(positives) for i in range(len(positives) + 1)]
    for point, at in zip(sweep(bins(*counts), edges), thresholds(edges, edges), strict=True):
        assert point.threshold == edges[at]
        total = sum(positives) + sum(negatives)
        above = sum(positives[at:]) + sum(negatives[at:])
        assert point.selected == (above / total if total else None)
        assert point.tpr == (sum(positives[at:]) / sum(positives) if sum(positives) else None)
        assert point.fpr == (sum(negatives[at:]) / sum(negatives) if sum(negatives) else None)


@given(COUNTS)
def test_a_roc_curve_rises_from_corner_to_corner(counts: tuple[list[int], list[int]]) -> None:
    curve = roc(bins(*counts))
    if not sum(counts[0]) or not sum(counts[1]):
        assert curve == ()
        return
    assert curve[0] == (0, 0)
    assert curve[-1] == pytest.approx((1, 1))
    assert list(curve) == sorted(curve)
