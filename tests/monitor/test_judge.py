"""Tables to findings: alarms where a gap is, "fine" only on evidence, no data never fine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.errors import DataError
from audit.monitor.judge import assess
from audit.monitor.tables import Tables
from tests.monitor.make import SELECTION

RUN = 3_650.0


def year(gaps, *, blocks=40, stream=SELECTION, seed=0, base=0.3):
    rng, tables = np.random.default_rng(seed), Tables()
    for window, gap in enumerate(gaps):
        if stream.comparison == "rate":
            good = rng.binomial(blocks, base + gap)
            tables.add(stream.id, window, [blocks - good, good])
            continue
        j, k = rng.binomial(stream.a, base + gap, blocks), rng.binomial(stream.b, base, blocks)
        tables.add(stream.id, window, np.bincount(j * (stream.b + 1) + k, minlength=stream.cells))
    return tables


def one(stream, tables, **options):
    return assess([stream], tables, mean_run=RUN, **options)[0]


def test_a_gap_raises_an_alarm_and_is_dated():
    found = one(SELECTION, year([0.0] * 60 + [-0.2] * 120))
    assert found.state == "alarm"
    assert 60 <= found.alarm <= 100
    assert 45 <= found.since <= 75
    assert found.low < found.value < found.high


def test_no_gap_is_fine_only_after_enough_evidence():
    assert one(SELECTION, year([0.0] * 10)).state == "open"
    assert one(SELECTION, year([0.0] * 400)).state == "fine"


def test_no_data_is_never_fine():
    found = one(SELECTION, Tables())
    assert (found.state, found.value, found.why, found.log_e) == ("no data", None, "no blocks", 0.0)


def test_a_gap_at_the_bound_is_not_called_fine():
    states = [one(SELECTION, year([0.05] * 200, seed=i)).state for i in range(40)]
    assert states.count("fine") <= 4


def test_a_restart_begins_a_new_epoch():
    tables = year([-0.3] * 100 + [0.0] * 50)
    assert one(SELECTION, tables).state == "alarm"
    after = one(SELECTION, tables, restarts={SELECTION.id: 100})
    assert after.alarm is None
    assert one(SELECTION, tables, restarts={SELECTION.id: 1_000}).state == "no data"


def test_a_fixed_rate_is_tested_on_both_sides():
    rate = replace(SELECTION, comparison="rate", reference="bound", a=1, b=0, lower=0.25, upper=0.35)
    assert one(rate, year([0.15] * 60, stream=rate)).state == "alarm"
    assert one(rate, year([-0.15] * 60, stream=rate)).state == "alarm"
    assert one(rate, year([0.0] * 60, stream=rate)).alarm is None


def test_a_ratio_is_tested_against_its_band():
    ratio = replace(SELECTION, comparison="ratio", lower=0.8, upper=1.25)
    found = one(ratio, year([-0.15] * 200, stream=ratio))
    assert found.state == "alarm"
    assert found.value == pytest.approx(0.5, abs=0.05)


def test_a_window_as_one_block():
    stream, tables = replace(SELECTION, unit="window"), Tables()
    for window in range(300):
        tables.add(stream.id, window, [5, 40, 80, 160])
    found = one(stream, tables)
    assert found.state == "alarm"
    assert found.rows == 300 * 40
    assert found.low is None


def test_streams_do_not_depend_on_their_company():
    streams = [replace(SELECTION, id=f"s{i}", weight=0.01, lower=-0.01 * i) for i in range(1, 9)]
    streams += [replace(SELECTION, id="r", comparison="ratio", lower=0.8, upper=1.25)]
    tables = Tables().merge(year([-0.04] * 90, stream=s, seed=i) for i, s in enumerate(streams))
    together = assess(streams, tables, mean_run=RUN, paths=True)
    assert together == tuple(one(s, tables, paths=True) for s in streams)


def test_tables_survive_bytes_and_refuse_what_is_not_a_table():
    tables = year([0.0] * 5)
    assert Tables.from_bytes(tables.to_bytes()).to_bytes() == tables.to_bytes()
    for bad in (b"[", b"[1]", b'{"s":{"x":[1]}}', b'{"s":{"1":[-1]}}', b'{"s":3}', b"[" * 100_000):
        with pytest.raises(DataError):
            Tables.from_bytes(bad)


def test_tables_of_different_shapes_are_not_added():
    tables = Tables()
    tables.add("s", 1, [1, 2])
    with pytest.raises(DataError, match="2 cells here and 3 there"):
        tables.add("s", 1, [1, 2, 3])
