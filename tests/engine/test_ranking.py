"""Ranking: hand-computed lists, each figure anew over plain rows, ties, gaps, and lists that are none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.engine.counts import Counts
from audit.engine.run import audit
from audit.errors import AuditError, DataError, UsageError
from audit.result import AuditResult
from audit.spec import from_dict
from audit.spec.load import AuditSpec
from tests.engine.make import CREATED, estimate

RANKED = {"query": "q", "rank": "rank", "relevance": "rel"}
SCORED = {"query": "q", "score": "score", "relevance": "rel"}
RULE = {"metric": "exposure", "comparison": "ratio", "at_least": 0.8}


def spec_of(columns: dict[str, str] = RANKED, rules: Any = (RULE,), **data: Any) -> AuditSpec:
    given = {"task": "ranking", "columns": columns, "attributes": {"g": {}}, **data}
    return from_dict({"system": {"name": "search"}, "data": given, "policy": {"rules": list(rules)}})


def run(frame: pd.DataFrame, *args: Any, **more: Any) -> AuditResult:
    return audit(spec_of(*args, **more), frame=frame, created_at=CREATED)[0]


def lists(queries: int, seed: int = 1, gap: float = 0.5, size: int = 9) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    made = []
    for query in range(queries):
        g = random.choice(["a", "b", "c"], size, p=[0.5, 0.4, 0.1])
        rel = random.integers(0, 3, size)
        score = rel + random.normal(size=size) + gap * (g == "a")
        rank = (-score).argsort().argsort() + 1
        made.append(pd.DataFrame({"q": f"q{query}", "g": g, "rel": rel, "score": score, "rank": rank}))
    return pd.concat(made, ignore_index=True)


def plain(frame: pd.DataFrame, group: str, top: int) -> dict[str, float]:
    """Each figure by loops over rows."""
    frame = frame.assign(e=1 / np.log2(1 + frame["rank"]), t=frame["rank"] <= top)
    mine = frame[frame.g == group]
    right = pairs = 0.0
    divergences = []
    for _, rows in frame.groupby("q"):
        rows = rows.sort_values("rank")
        for one in rows[rows.g == group].itertuples():
            for other in rows[rows.g != group].itertuples():
                if one.rel > other.rel:
                    pairs += 1
                    right += one.rank < other.rank
        flags = (rows.g == group).to_numpy()
        if flags.all() or not flags.any():
            continue
        q, total, weights = flags.mean(), 0.0, 0.0
        for i in range(1, len(flags) + 1):
            p = flags[:i].mean()
            kl = sum(x * math.log(x / y) for x, y in ((p, q), (1 - p, 1 - q)) if x > 0)
            total += kl / math.log2(i + 1)
            weights += 1 / math.log2(i + 1)
        divergences.append(total / weights)
    return {
        "top_k_rate": mine.t.mean(),
        "top_k_share": mine.t.sum() / frame.t.sum(),
        "skew_at_k": math.log(mine.t.sum() / frame.t.sum() / (len(mine) / len(frame))),
        "exposure": mine.e.mean(),
        "exposure_share": mine.e.sum() / frame.e.sum(),
        "exposure_per_relevance": mine.e.sum() / mine.rel.sum(),
        "pairwise_accuracy": right / pairs,
        "ndkl": float(np.mean(divergences)),
    }


@pytest.mark.parametrize("columns", [RANKED, SCORED], ids=["rank", "score"])
def test_each_figure_is_its_definition_over_rows(columns: dict[str, str]) -> None:
    frame = lists(60)
    result = run(frame, columns, top=3)
    for group in "abc":
        for name, value in plain(frame, group, 3).items():
            assert estimate(result, name, g=group).value == pytest.approx(value, abs=1e-8), (name, group)


def test_a_list_by_hand() -> None:
    frame = pd.DataFrame({"q": 1, "g": ["a", "b", "a", "b"], "rank": [1, 2, 3, 4], "rel": [1, 1, 0, 0]})
    result = run(frame, top=1)
    second, fourth = 1 / math.log2(3), 1 / math.log2(5)
    expected = {
        ("exposure", "a"): 0.75,
        ("exposure", "b"): (second + fourth) / 2,
        ("exposure_share", "a"): 1.5 / (1.5 + second + fourth),
        ("exposure_per_relevance", "b"): second + fourth,
        ("top_k_rate", "a"): 0.5,
        ("top_k_rate", "b"): 0.0,
        ("skew_at_k", "a"): math.log(2),
        # b's relevant row is second, above a's irrelevant one at 3; a's relevant row above b's at 4.
        ("pairwise_accuracy", "a"): 1.0,
        ("pairwise_accuracy", "b"): 1.0,
    }
    for (name, group), value in expected.items():
        assert estimate(result, name, g=group).value == pytest.approx(value, abs=1e-9), name
    assert estimate(result, "skew_at_k", g="b").why == "nobody of the group is in the top"
    two = run(pd.DataFrame({"q": 1, "g": ["a", "b"], "rank": [1, 2], "rel": 1}))
    assert estimate(two, "ndkl", g="a").value == pytest.approx(math.log(2) / (1 + second), abs=1e-9)
    assert estimate(two, "pairwise_accuracy", g="a").value is None


def test_ties_of_scores_share_the_places_that_they_hold() -> None:
    frame = pd.DataFrame({"q": 1, "g": ["a", "b", "b"], "score": [2.0, 2.0, 1.0], "rel": [1, 0, 0]})
    result = run(frame, SCORED, top=1)
    shared = (1 + 1 / math.log2(3)) / 2
    assert estimate(result, "exposure", g="a").value == pytest.approx(shared, abs=1e-9)
    assert estimate(result, "top_k_rate", g="a").value == pytest.approx(0.5, abs=1e-9)
    assert estimate(result, "top_k_rate", g="b").value == pytest.approx(0.25, abs=1e-9)
    assert estimate(result, "pairwise_accuracy", g="a").value == pytest.approx(0.75, abs=1e-9)
    assert estimate(result, "ndkl", g="a").why == "no list without ties holds the group and others"
    assert any("2 rows share their score" in warning for warning in result.data.warnings)


def test_gaps_in_ranks_stay_gaps() -> None:
    frame = pd.DataFrame({"q": 1, "g": ["a", "b"], "rank": [1, 5], "rel": 1})
    result = run(frame)
    assert estimate(result, "exposure", g="b").value == pytest.approx(1 / math.log2(6), abs=1e-9)
    assert any("1 queries have gaps" in warning for warning in result.data.warnings)


BAD: dict[str, tuple[dict[str, Any], type[AuditError], str]] = {
    "a rank twice": ({"rank": [1, 1, 2, 3]}, DataError, "share their rank"),
    "a rank of 0": ({"rank": [0, 1, 2, 3]}, DataError, "no whole number from 1"),
    "half a rank": ({"rank": [1, 2, 2.5, 3]}, DataError, "no whole number from 1"),
    "an infinite rank": ({"rank": [1, 2, 3, np.inf]}, DataError, "infinite"),
    "negative relevance": ({"rel": [1, -1, 0, 0]}, DataError, "relevance that is negative"),
    "text as rank": ({"rank": ["x", "y", "z", "w"]}, DataError, "numbers are needed"),
    "a row without a query": ({"q": ["1", "1", None, "1"]}, DataError, "1 rows have no query"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_ranking_is_an_error_in_words(name: str) -> None:
    changed, kind, words = BAD[name]
    frame = pd.DataFrame({"q": "1", "g": ["a", "b", "a", "b"], "rank": [1, 2, 3, 4], "rel": [1, 1, 0, 0]})
    with pytest.raises(kind, match=words):
        run(frame.assign(**changed))


def test_columns_that_a_ranking_has_no_use_for_are_refused() -> None:
    with pytest.raises(UsageError, match="no strata"):
        run(lists(3).assign(h="x"), control=["h"])
    with pytest.raises(UsageError, match="no meaning in it"):
        run(lists(3).assign(k=2), {**RANKED, "count": "k"})
    with pytest.raises(UsageError, match="no column is called 'place'"):
        run(lists(3), {**RANKED, "rank": "place"})
    with pytest.raises(AuditError, match="`top` serves the task ranking"):
        from_dict(
            {
                "system": {"name": "x"},
                "data": {"columns": {"label": "y", "prediction": "p"}, "attributes": {"g": {}}, "top": 3},
            }
        )


def test_rows_without_a_rank_are_left_out_and_accounted_for() -> None:
    frame = lists(40)
    gone = frame.assign(rank=frame["rank"].where(frame["rank"] != 9, np.nan))
    result = run(gone)
    assert (result.data.rows_read, result.data.rows_audited) == (360, 320)
    assert [(item.reason, item.rows) for item in result.data.excluded] == [("no place in a list", 40)]


def test_one_group_one_query_and_one_row_are_no_pass() -> None:
    alone = run(
        lists(60).assign(g="a"), rules=({"metric": "skew_at_k", "comparison": "worst_group", "at_most": 0.2},)
    )
    assert alone.verdict.value == "inconclusive"
    assert estimate(alone, "skew_at_k", g="a").why == "there is no other group"
    single = run(lists(1, size=400))
    assert single.verdict.value == "inconclusive"
    few = run(lists(20))
    assert few.verdict.value != "pass"
    assert any("20 queries" in finding.why for finding in few.findings)


def test_without_relevance_what_needs_it_is_not_measured() -> None:
    result = run(lists(40), {"query": "q", "rank": "rank"})
    assert {item.what for item in result.not_measured} >= {
        "Exposure for relevance",
        "Pairwise accuracy against other groups",
    }
    assert estimate(result, "exposure", g="a").value is not None


def test_lists_that_are_too_long_make_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.engine.tasks.ranking.LONGEST", 5)
    result = run(lists(40))
    assert estimate(result, "pairwise_accuracy", g="a").why == "no pairs were compared"
    assert any("no pairs are compared" in warning for warning in result.data.warnings)


def test_a_plain_advantage_is_a_violation_and_none_is_a_pass() -> None:
    rules = (
        {"metric": "top_k_rate", "comparison": "difference", "at_most": 0.1, "attributes": ["h"]},
        {"metric": "pairwise_accuracy", "comparison": "difference", "at_most": 0.1, "attributes": ["h"]},
    )
    frame = lists(400, gap=0.0)
    frame["h"] = np.random.default_rng(3).choice(["x", "y"], len(frame))
    attributes = {"h": {}}
    assert run(frame, rules=rules, attributes=attributes, top=3).verdict.value == "pass"
    unequal = lists(400, gap=1.5).rename(columns={"g": "h"})
    assert run(unequal, rules=rules, attributes=attributes, top=3).verdict.value == "violation"


def test_intersections_and_sites_add_up() -> None:
    frame = lists(80)
    frame["h"] = np.where(frame.index % 3 == 0, "x", "y")
    spec = spec_of(attributes={"g": {}, "h": {}}, intersections=2)
    whole, counts = audit(spec, frame=frame, created_at=CREATED)
    first = frame.q.isin([f"q{at}" for at in range(40)])
    parts = [audit(spec, frame=frame[chosen], created_at=CREATED)[1] for chosen in (first, ~first)]
    joined, _ = audit(spec, counts=parts[0] + parts[1], created_at=CREATED)
    kept, _ = audit(spec, counts=Counts.load(counts.save()), created_at=CREATED)
    for other in (joined, kept):
        assert [(e.metric, e.group, e.value, e.low) for e in other.estimates] == [
            (e.metric, e.group, e.value, e.low) for e in whole.estimates
        ]
    crossed = estimate(whole, "exposure", g="a", h="x")
    rows = frame[(frame.g == "a") & (frame.h == "x")]
    assert crossed.value == pytest.approx((1 / np.log2(1 + rows["rank"])).mean(), abs=1e-8)


def test_dependence_within_queries_is_allowed_for() -> None:
    """One group has all top places of a list or none: sixty lists say what sixty coins say, not 600 rows."""
    random = np.random.default_rng(9)
    made = []
    for query in range(60):
        ahead = random.random() < 0.5
        g = np.array(["a"] * 5 + ["b"] * 5 if ahead else ["b"] * 5 + ["a"] * 5)
        made.append(pd.DataFrame({"q": query, "g": g, "rank": np.arange(1, 11), "rel": 1}))
    result = run(pd.concat(made), top=5)
    found = estimate(result, "top_k_rate", g="a")
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    half = 2.0 * math.sqrt(found.value * (1 - found.value) / 60)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


def test_relevance_that_is_known_of_some_groups_alone_blocks_a_pass() -> None:
    frame = lists(400, gap=0.0)
    hidden = (frame.g == "b") & (np.arange(len(frame)) % 4 > 0)
    rules = [
        {"metric": name, "comparison": "ratio", "at_least": 0.5}
        for name in ("exposure_per_relevance", "exposure")
    ]
    whole, part = (run(each, rules=rules) for each in (frame, frame.assign(rel=frame.rel.where(~hidden))))
    assert [rule.verdict.value for rule in whole.rules] == ["pass", "pass"]
    assert [rule.verdict.value for rule in part.rules] == ["inconclusive", "pass"]
    assert "relevance coverage runs from" in part.rules[0].why
