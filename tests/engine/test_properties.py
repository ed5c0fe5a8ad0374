"""Whatever the rows: the audit equals a count by hand, and does not depend on how they are handed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from audit.codec import dumps
from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.errors import AuditError, BundleError, DataError
from audit.result import AuditResult
from tests.engine import naive
from tests.engine.make import BOTH, CREATED, audited, estimate, random_rows, run, spec

SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("age", pa.float64()),
        ("y", pa.int64()),
        ("p", pa.int64()),
        ("s", pa.float64()),
        ("w", pa.float64()),
        ("k", pa.int64()),
        ("c", pa.string()),
        ("d", pa.string()),
    ]
)
ROW = st.fixed_dictionaries(
    {
        "a": st.sampled_from(["x", "y", "z", "", "x ", "NA", None]),
        "b": st.sampled_from(["u", "v", None]),
        "age": st.one_of(st.none(), st.sampled_from([17.0, 25.0, 39.5, 40.0, 90.0])),
        "y": st.sampled_from([0, 1, None]),
        "p": st.sampled_from([0, 1, 0, 1, None]),
        "s": st.one_of(st.none(), st.integers(0, 64).map(lambda n: n / 64)),
        "w": st.integers(0, 512).map(lambda n: n / 64),
        "k": st.integers(0, 4),
        "c": st.sampled_from(list("pqrstuvw")),
        "d": st.sampled_from(["law", "art", None]),
    }
)
BOTH_LABELS = [
    {"a": "x", "b": "u", "age": 30.0, "y": y, "p": 1, "s": 0.5, "w": 1.0, "k": 1, "c": "p", "d": "law"}
    for y in (0, 1)
]
"""A label of one value is refused, so both are there."""
ROWS = st.lists(ROW, max_size=40).map(lambda rows: [*rows, *BOTH_LABELS])
SETTINGS = settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.too_slow],
    # An audit takes a tenth of a second: shrinking a failure would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
FEW = settings(SETTINGS, max_examples=4)
"""For what makes two or three whole audits of each example."""
RULES = (
    {"metric": "equalized_odds", "at_most": 0.1},
    {"metric": "four_fifths"},
    {"metric": "differential_fairness", "at_most": 0.5},
)


def frame(rows: list[naive.Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def check_against(
    result: AuditResult, kept: list[naive.Row], names: tuple[str, ...], by: str | None = None
) -> None:
    tables = naive.counts(kept, names, by=by)
    by_rows = tables if by in (None, "k") else naive.counts(kept, names)
    nonempty = {group for group, cells in by_rows.items() if sum(cells.values())}
    found = {
        (e.metric, e.group): e for e in result.estimates if e.grouping == names and e.metric in naive.RATES
    }
    assert {group for _, group in found} == nonempty
    for (metric, group), item in found.items():
        expected = naive.rate(tables[group], metric)
        if by not in (None, "k") and naive.rate(by_rows[group], metric) is None:
            expected = None
        if expected is None or not expected[1]:
            assert item.value is None, (metric, group)
            assert item.why
        else:
            assert item.value == pytest.approx(float(expected[0] / expected[1]), abs=1e-9), (metric, group)
            assert item.why is None
            if by is None:
                assert (item.k, item.n) == (expected[0], expected[1])


@SETTINGS
@given(ROWS)
def test_rates_of_every_grouping_equal_a_count_by_hand(rows: list[naive.Row]) -> None:
    result = run(frame(rows), BOTH, attributes={"a": {}, "b": {}}, intersections=2)
    kept = [row for row in rows if row["p"] is not None]
    for names in ((), ("a",), ("b",), ("a", "b")):
        check_against(result, kept, names)
    assert result.data.rows_read == len(rows)
    assert result.data.rows_audited == len(kept)
    assert {item.reason: item.rows for item in result.data.excluded} == (
        {"no prediction": len(rows) - len(kept)} if len(kept) < len(rows) else {}
    )


@SETTINGS
@given(ROWS)
def test_weights_and_count_columns_equal_a_sum_by_hand(rows: list[naive.Row]) -> None:
    kept = [row for row in rows if row["p"] is not None]
    weighted = run(frame(rows), BOTH | {"weight": "w"}, attributes={"a": {}})
    check_against(weighted, kept, ("a",), by="w")
    counted = run(frame(rows), BOTH | {"count": "k"}, attributes={"a": {}})
    check_against(counted, kept, ("a",), by="k")
    assert counted.data.rows_read == sum(row["k"] for row in rows)
    assert counted.data.rows_audited == sum(row["k"] for row in kept)


@FEW
@given(ROWS)
def test_a_row_counted_k_times_is_k_rows(rows: list[naive.Row]) -> None:
    repeated = [row for row in rows for _ in range(row["k"])]
    once = spec(BOTH | {"score": "s"}, RULES[1], attributes={"a": {}, "b": {}}, intersections=2)
    counted = spec(
        BOTH | {"score": "s", "count": "k"}, RULES[1], attributes={"a": {}, "b": {}}, intersections=2
    )
    first, second = audited(once, frame(repeated))[0], audited(counted, frame(rows))[0]
    assert first.estimates == second.estimates
    assert first.findings == second.findings
    assert first.cells == second.cells


@SETTINGS
@given(ROWS)
def test_filters_bins_maps_and_exclusions_are_accounted_for(rows: list[naive.Row]) -> None:
    bins = (25.0, 40.0)
    result = run(
        frame(rows),
        BOTH,
        attributes={"age": {"bins": list(bins)}, "a": {"map": {"x": "z", "NA": "none"}}},
        missing="exclude",
        filter="b = 'u' OR b IS NULL",
    )
    left = [row for row in rows if row["b"] in ("u", None)]
    whole = [row for row in left if row["age"] is not None and row["a"] is not None]
    kept = [row for row in whole if row["p"] is not None]
    renamed = [
        {**row, "age": naive.cut(row["age"], bins), "a": {"x": "z", "NA": "none"}.get(row["a"], row["a"])}
        for row in kept
    ]
    check_against(result, renamed, ("age",))
    check_against(result, renamed, ("a",))
    ledger = {
        "left out by data.filter": len(rows) - len(left),
        "an attribute is missing (data.missing: exclude)": len(left) - len(whole),
        "no prediction": len(whole) - len(kept),
    }
    assert {item.reason: item.rows for item in result.data.excluded} == {k: v for k, v in ledger.items() if v}
    assert result.data.rows_read == result.data.rows_audited + sum(ledger.values()) == len(rows)


@SETTINGS
@given(ROWS)
def test_score_sums_equal_a_sum_by_hand(rows: list[naive.Row]) -> None:
    result = run(frame(rows), {"label": "y", "score": "s"}, attributes={"a": {}})
    kept = [row for row in rows if row["s"] is not None]
    assert result.data.rows_audited == len(kept)
    for group in {row["a"] for row in kept}:
        own = [row for row in kept if row["a"] == group and row["y"] is not None]
        brier = estimate(result, "brier", a=group).value
        if not own:
            assert brier is None
            continue
        assert brier == pytest.approx(np.mean([(r["s"] - r["y"]) ** 2 for r in own]), abs=1e-8)
        pairs = [
            (one["s"] > zero["s"]) + (one["s"] == zero["s"]) / 2
            for one in own
            for zero in own
            if one["y"] == 1 and zero["y"] == 0
        ]
        area = estimate(result, "auc", a=group)
        assert area.value == (pytest.approx(np.mean(pairs), abs=1e-12) if pairs else None)


@SETTINGS
@given(ROWS)
def test_a_prediction_beside_a_score_keeps_rows_whose_score_is_missing(rows: list[naive.Row]) -> None:
    result = run(frame(rows), BOTH | {"score": "s"}, attributes={"a": {}})
    kept = [row for row in rows if row["p"] is not None]
    check_against(result, kept, ("a",))
    for group in {row["a"] for row in kept}:
        own = [r for r in kept if r["a"] == group and r["y"] is not None and r["s"] is not None]
        item = estimate(result, "brier", a=group)
        expected = pytest.approx(np.mean([(r["s"] - r["y"]) ** 2 for r in own]), abs=1e-8) if own else None
        assert item.value == expected
        assert item.n == len(own)


FULL = spec(
    BOTH | {"score": "s", "cluster": "c"},
    RULES[1],
    {"metric": "selection_rate", "comparison": "conditional_difference", "at_most": 0.1},
    {"metric": "scoring_rate", "comparison": "ratio", "at_least": 0.8},
    attributes={"b": {"reference": "rest"}, "age": {"bins": [25, 40]}},
    control=["d"],
)


@FEW
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(rows: list[naive.Row], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    first, counts = audited(FULL, frame(rows))
    second, again = audited(FULL, frame(shuffled))
    assert dumps(first) == dumps(second)
    assert counts.save() == again.save()


def test_the_order_of_many_rows_changes_no_byte() -> None:
    rows = random_rows(11, 30_000, groups=8)
    made = spec(BOTH | {"score": "s", "weight": "w"}, *RULES, attributes={"g": {}, "h": {}}, intersections=2)
    shuffled = rows.sample(frac=1, random_state=1)
    assert dumps(audited(made, rows)[0]) == dumps(audited(made, shuffled)[0])


@FEW
@given(ROWS, ROWS)
def test_counts_of_two_halves_add_up_to_the_whole(one: list[naive.Row], two: list[naive.Row]) -> None:
    made = spec(
        BOTH | {"score": "s", "weight": "w"},
        RULES[1],
        attributes={"a": {}, "age": {"bins": [25, 40]}},
        intersections=2,
    )
    whole, counts = audited(made, frame(one + two))
    first, second = audited(made, frame(one))[1], audited(made, frame(two))[1]
    merged, _ = audited(made, counts=first + second)
    assert merged.estimates == whole.estimates
    assert merged.comparisons == whole.comparisons
    assert merged.cells == whole.cells
    assert merged.score_bins == whole.score_bins
    assert merged.data.excluded == whole.data.excluded
    assert merged.data.rows_read == len(one) + len(two)
    assert (first + second).save() == (second + first).save()
    assert replace(counts, rejected_lines=()).save() == (first + second).save()


@FEW
@given(ROWS)
def test_saved_counts_come_back_and_give_the_same_result(rows: list[naive.Row]) -> None:
    result, counts = audited(FULL, frame(rows))
    back = Counts.load(counts.save())
    assert back.save() == counts.save()
    again, _ = audited(FULL, counts=back)
    assert (again.estimates, again.findings, again.cells) == (result.estimates, result.findings, result.cells)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet" * 100])
def test_rubbish_is_no_counts_file(content: bytes) -> None:
    with pytest.raises(BundleError, match="not a counts file"):
        Counts.load(content)


def test_counts_cut_short_are_no_counts_file() -> None:
    saved = audited(spec(), random_rows(12, 100))[1].save()
    for size in (10, len(saved) // 2, len(saved) - 1):
        with pytest.raises(BundleError):
            Counts.load(saved[:size])


@pytest.mark.parametrize(
    "other",
    [
        spec(BOTH | {"score": "s"}),
        spec(BOTH | {"weight": "w"}),
        spec(attributes={"g": {}, "h": {}}),
        spec(control=["h"]),
    ],
    ids=["scores", "weights", "attributes", "control"],
)
def test_counts_under_different_roles_do_not_add(other: Any) -> None:
    rows = random_rows(13, 200)
    with pytest.raises(DataError, match="cannot be added"):
        audited(spec(), rows)[1] + audited(other, rows)[1]


RELABEL: list[tuple[str, Callable[[str], str]]] = [
    ("same order", lambda name: f"group {name}"),
    ("hostile", lambda name: f"<b>{name}</b>'\"; DROP TABLE rows"),
]


@pytest.mark.parametrize("relabel", [made for _, made in RELABEL], ids=[name for name, _ in RELABEL])
def test_names_of_groups_mean_nothing(relabel: Callable[[str], str]) -> None:
    rows = random_rows(14, 2000)
    plain = run(rows, BOTH, *RULES)
    renamed = run(rows.assign(g=rows.g.map(relabel)), BOTH, *RULES)
    assert [e.value for e in plain.estimates] == [e.value for e in renamed.estimates]
    assert [relabel(str(c.group[0])) for c in plain.comparisons] == [c.group[0] for c in renamed.comparisons]
    for one, two in zip(plain.comparisons, renamed.comparisons, strict=True):
        assert (one.value, one.p_pass, one.p_violation, one.blocked) == (
            two.value,
            two.p_pass,
            two.p_violation,
            two.blocked,
        )


def test_names_in_another_order_permute_the_findings() -> None:
    rows = random_rows(15, 3000)
    other = {"a": "3", "b": "1", "c": "2"}
    plain, renamed = run(rows, BOTH, *RULES), run(rows.assign(g=rows.g.map(other)), BOTH, *RULES)

    def figures(result: AuditResult, name: Callable[[str], str]) -> dict[Any, Any]:
        return {
            (c.rule, c.metric, name(str(c.group[0]))): (c.value, c.p_violation) for c in result.comparisons
        }

    assert figures(plain, lambda name: other[name]) == figures(renamed, lambda name: name)


def test_swapping_the_positive_class_swaps_the_rates() -> None:
    rows = random_rows(16, 500)
    plain = run(rows, BOTH)
    flipped = run(rows, BOTH, positive=0)
    for group in "abc":
        assert estimate(plain, "true_positive_rate", g=group).value == pytest.approx(
            estimate(flipped, "true_negative_rate", g=group).value, abs=1e-15
        )


def test_groupings_counted_apart_equal_those_of_one_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(17, 2000)
    made = spec(BOTH | {"score": "s"}, *RULES, attributes={"g": {}, "h": {}}, intersections=2)
    whole, _ = audited(made, rows)
    monkeypatch.setattr("audit.engine.prepare.MAX_CELLS", 1)
    apart, counts = audited(made, rows)
    assert len(counts.cells) == 3
    assert apart.estimates == whole.estimates
    assert apart.comparisons == whole.comparisons
    assert any("counted apart" in words for words in apart.data.warnings)


ENCODINGS: list[tuple[list[Any], Any]] = [
    ([1, 0], None),
    ([1.0, 0.0], None),
    ([True, False], None),
    (["1", "0"], None),
    (["1.0", "0.0"], None),
    (["yes", "no"], None),
    (["Yes", "No"], None),
    (["Y", "N"], None),
    (["TRUE", "FALSE"], None),
    ([">50K", "<=50K"], ">50K"),
    (["Yes", "No"], "Yes"),
    ([2, 1], 2),
]


@pytest.mark.parametrize(("values", "positive"), ENCODINGS, ids=[str(v) for v, _ in ENCODINGS])
def test_every_encoding_of_two_values_gives_the_same_counts(values: list[Any], positive: Any) -> None:
    rows = random_rows(18, 300)
    encoded = rows.assign(**{name: rows[name].map({1: values[0], 0: values[1]}) for name in ("y", "p")})
    more = {} if positive is None else {"positive": positive}
    assert run(encoded, BOTH, **more).estimates == run(rows, BOTH).estimates


def test_equal_input_gives_equal_bytes() -> None:
    rows = random_rows(19, 400)
    made = spec(BOTH | {"score": "s"}, *RULES)
    first = dumps(audit(made, frame=rows, created_at=CREATED)[0])
    assert first == dumps(audit(made, frame=rows.copy(), created_at=CREATED)[0])


@SETTINGS
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                name: st.one_of(
                    st.none(),
                    st.booleans(),
                    st.integers(-3, 3),
                    st.floats(),
                    st.text(max_size=3),
                    st.binary(max_size=2),
                )
                for name in ("g", "y", "p")
            }
        ),
        max_size=6,
    )
)
def test_any_frame_ends_in_a_result_or_in_words(rows: list[dict[str, Any]]) -> None:
    made = pd.DataFrame(rows, columns=["g", "y", "p"])
    refused: AuditError | None = None
    try:
        assert run(made, BOTH, *RULES).data.rows_read == len(rows)
    except AuditError as error:
        refused = error
    assert refused is None or (refused.what and refused.hint and refused.exit_code in (2, 4))
