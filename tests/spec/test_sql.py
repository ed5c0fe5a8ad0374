"""One SELECT, one condition; nothing that writes, opens or ends the statement."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.spec.sql import condition_problem, select_problem


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t",
        "SELECT 1;",
        "select a, count(*) as n from t group by a -- by group",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
        "SELECT 1 UNION ALL SELECT 2",
        "(SELECT 1)",
        "FROM t",
        "SELECT 'a; DROP TABLE t' AS words",
    ],
)
def test_selects(sql):
    assert select_problem(sql, None) is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE t",
        "DROP TABLE t",
        "DELETE FROM t",
        "UPDATE t SET a = 1",
        "INSERT INTO t SELECT 1",
        "CREATE TABLE x AS SELECT 1",
        "SELECT * INTO x FROM t",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "COPY t TO 'x.csv'",
        "COPY (SELECT 1) TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "SET enable_external_access = true",
        "EXPORT DATABASE 'x'",
        "CALL f()",
        "EXPLAIN SELECT 1",
        "SELECT * FROM t FOR UPDATE",
        "TRUNCATE t",
        "VACUUM",
        "",
        "-- nothing",
        "SELECT FROM WHERE",
        "(" * 5000,
        "SELECT " + "1, " * 50_000 + "1",
    ],
)
@pytest.mark.parametrize("source", [None, "postgres://h/d", "pyspark://local"])
def test_all_else_is_refused(sql, source):
    assert select_problem(sql, source) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "age >= 18",
        "kept",
        "NOT kept",
        "a = 'x; -- y' OR b IS NULL",
        "(a > 1 OR b < 2) AND c BETWEEN 1 AND 2",
        "lower(country) IN ('at', 'de')",
        "\"a column\" = 'it''s'",
    ],
)
def test_conditions(sql):
    assert condition_problem(sql, None) is None


@pytest.mark.parametrize(
    "sql",
    [
        "a > 1; DROP TABLE t",
        "a > 1;",
        "a > 1 -- and then",
        "a > 1 /* and then */",
        "a > 1 /* and then",
        "a > 1) OR (1 = 1",
        "a IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "SELECT 1",
        "DROP TABLE t",
        "a > 1 UNION SELECT 2",
        "a > 1 ORDER BY a",
        "sum(a) > 1",
        "row_number() OVER () = 1",
        "a AS b",
        "a, b",
        "1",
        "'x'",
        "NULL",
        "*",
        "",
    ],
)
def test_no_conditions(sql):
    assert condition_problem(sql, None) is not None


def test_the_dialect_is_the_sources():
    assert select_problem("SELECT `a b` FROM t", "bigquery://project/set") is None
    assert select_problem("SELECT a::int FROM t", "postgres://h/d") is None


PIECES = [*"abAB'\"();-*/,=.1 \n$", "SELECT ", "FROM ", "DROP ", " AND "]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_rubbish_gets_an_answer(sql):
    for problem in (select_problem(sql, None), condition_problem(sql, None)):
        assert problem is None or problem


def test_nothing_is_said_in_the_log(caplog):
    with caplog.at_level("DEBUG"):
        select_problem("VACUUM ANALYZE t", None)
    assert not caplog.records
