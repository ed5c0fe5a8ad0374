"""What is withheld cannot be read from the page, nor worked out from it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.gate import decide
from audit.report.facts import Case, fact
from audit.report.html import render
from audit.report.suppress import withheld
from audit.result import Attribute, AuditResult, Estimate
from tests.report.sample import sample_result

LIMIT = 10


def page_of(result: AuditResult) -> str:
    return render(result, decide(result, today=date(2026, 11, 22)), bundle_id="0" * 64)


def crossed(sizes: list[list[int]]) -> AuditResult:
    """A result that holds the sizes of a cross of two attributes and of its margins, and nothing else."""
    base = sample_result(3, scores=False, intersections=False)
    down = [str(i) for i in range(len(sizes))]
    across = [chr(97 + j) for j in range(len(sizes[0]))]
    margins = [sum(row) for row in sizes], [sum(column) for column in zip(*sizes, strict=True)]

    def estimate(grouping: tuple[str, ...], group: tuple[str, ...], n: int) -> Estimate:
        if n == 0:
            return Estimate("selection_rate", grouping, group, None, None, None, 0, 0, "no rows")
        return Estimate("selection_rate", grouping, group, 0.5, 0.4, 0.6, n / 2, n, None)

    estimates = [estimate((), (), sum(margins[0]))]
    estimates += [estimate(("x",), (d,), n) for d, n in zip(down, margins[0], strict=True)]
    estimates += [estimate(("y",), (a,), n) for a, n in zip(across, margins[1], strict=True)]
    estimates += [
        estimate(("x", "y"), (d, a), sizes[i][j]) for i, d in enumerate(down) for j, a in enumerate(across)
    ]
    attributes = (
        Attribute("x", None, "largest", tuple(down), tuple(margins[0])),
        Attribute("y", None, "largest", tuple(across), tuple(margins[1])),
    )
    return replace(
        base,
        policy=replace(base.policy, suppress_below=LIMIT, rules=()),
        data=replace(base.data, attributes=attributes, label_coverage=()),
        estimates=tuple(estimates),
        comparisons=(),
        findings=(),
        rules=(),
        conditional=(),
        cells=(),
    )


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 60), min_size=columns, max_size=columns), min_size=2, max_size=4
        )
    )
)
def test_no_withheld_count_is_the_difference_of_shown_ones(sizes: list[list[int]]) -> None:
    result = crossed(sizes)
    found = withheld(result)
    size = {(e.grouping, e.group): e.n for e in result.estimates}
    hidden = {key for key in size if found.group(*key)}
    assert {key for key, n in size.items() if 0 < n < LIMIT} <= hidden
    for (grouping, group), _ in size.items():
        for parts_of in {g for g, _ in size if len(g) == len(grouping) + 1 and set(grouping) <= set(g)}:
            parts = [
                (g, values)
                for g, values in size
                if g == parts_of
                and all(values[g.index(name)] == value for name, value in zip(grouping, group, strict=True))
            ]
            gone = [part for part in parts if part in hidden]
            others = [part for part in parts if part not in hidden and size[part] > 0]
            if (grouping, group) not in hidden:
                assert len(gone) != 1 or not others
            else:
                assert gone or not others


def test_a_page_shows_neither_small_counts_nor_their_complement() -> None:
    result = crossed([[100, 3], [200, 300]])
    found = withheld(result)
    assert found.group(("x", "y"), ("0", "b"))
    assert found.group(("x", "y"), ("0", "a"))
    text = page_of(result)
    table = text.split('id="intersections"')[1].split("</table>")[0]
    assert len(re.findall(r">withheld<", table)) == 4
    assert "n 3<" not in text
    assert "n 100<" not in text


def test_verdicts_stand_while_figures_are_withheld() -> None:
    plain, held = sample_result(6), sample_result(6, suppress_below=400)
    found = withheld(held)
    gone = [c for c in held.comparisons if found.comparison(c)]
    assert gone
    assert len(gone) < len(held.comparisons)
    text = page_of(held)
    assert "are withheld on this page" in text
    shown = {
        f"{n:,.0f}" for c in held.comparisons if not found.comparison(c) for n in (c.n, c.reference_n or 0)
    }
    shown |= {f"{e.n:,.0f}" for e in held.estimates if not found.group(e.grouping, e.group)}
    for row in gone:
        count = f"{row.n:,.0f}"
        if row.n < 400 and count not in shown:
            assert not re.search(rf"(?:>|n ){count}<", text), count
    assert [v.verdict for v in plain.rules] == [v.verdict for v in held.rules]


def test_no_p_value_tells_what_is_withheld() -> None:
    held = sample_result(6, suppress_below=400)
    case = Case(held)
    gone = [fact(case, judged) for judged in case.judged if case.withheld.comparison(judged.row)]
    assert gone
    assert {(f.p_pass, f.p_violation, f.value, f.size) for f in gone} == {("withheld",) * 4}
    rows = re.findall(r"<tr><th.*?</tr>", page_of(held).split('id="rule-1"')[1].split("</table>")[0])
    hidden = [re.sub(r"<[^>]*>", " ", one) for one in rows if one.count(">withheld<") > 1]
    assert hidden
    assert not [one for one in hidden if re.search(r"\b0\.\d", one)]


def test_without_a_limit_nothing_is_withheld() -> None:
    result = sample_result(6)
    assert not withheld(result).small
    assert ">withheld<" not in page_of(result)
