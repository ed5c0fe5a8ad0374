"""False alarms in a simulated year without any disparity, and the delay after one appears.

    python benchmarks/monitor_validity.py [--quick]

A stream has 40 rows of a group and 160 of its reference a day, both favourable at rate .3; the
detector's alarm line is A = 7,300 days. After the change on day 60 the group's rate is .22. Beside
it the rules that other monitors use. Dependence: people who come again and again (one row per
person enters), and days on which a whole group fares differently (the unit of a block is chosen on
60 baseline days). The distance of scores at nine cuts is watched in the same way, with .16 of the group's
scores lost after day 60. Prints one line of JSON; exit 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
from numpy.typing import NDArray

from audit.monitor import evidence as ev
from audit.monitor.blocks import choose_unit
from audit.monitor.streams import weights

RATE, DROP, DAYS, CHANGE = 0.3, 0.08, 365, 60
BLOCKS, A_ROWS, B_ROWS = 40, 1, 4
LEVEL = 0.05
MEAN_RUN = DAYS / LEVEL
"""A in days: P(alarm within t) ≤ t/A, so a year holds a false alarm with probability at most the level."""
Array = NDArray[np.float64]
SIDES = ("above", "below")


def cell_rates(p: float, q: float) -> Array:
    """The chance of each kind of block."""
    ks = np.array([1, 4, 6, 4, 1]) * q ** np.arange(5) * (1 - q) ** np.arange(4, -1, -1)
    return np.concatenate([(1 - p) * ks, p * ks])


def days_of_blocks(
    rng: np.random.Generator, streams: int, drop_from: int | None = None, blocks: int = BLOCKS
) -> Array:
    """Count tables (days, streams, 10)."""
    before = rng.multinomial(blocks, cell_rates(RATE, RATE), (DAYS, streams))
    if drop_from is not None:
        after = rng.multinomial(blocks, cell_rates(RATE - DROP, RATE), (DAYS - drop_from, streams))
        before[drop_from:] = after
    return before


def first_alarm(increments: list[Array], weight: float, seen: NDArray[np.bool_] | None = None) -> Array:
    """The first day on which the detector reaches A/w; infinite where it never does."""
    mask = np.ones(increments[0].shape[:-1], bool) if seen is None else seen
    path = ev.both(*(ev.detector(side, mask)[0] for side in increments))
    return first(path >= ev.alarm_line(MEAN_RUN, weight))


def first(alarms: NDArray[np.bool_]) -> Array:
    return np.where(alarms.any(axis=0), alarms.argmax(axis=0), np.inf)


def block_alarms(tables: Array, weight: float) -> Array:
    bets = [ev.block_bets("difference", side, 0.0, A_ROWS, B_ROWS) for side in SIDES]
    return first_alarm([ev.log_increments(tables, b) for b in bets], weight)


def median_delay(alarms: Array) -> float | None:
    """Days from the change to the alarm, over the runs without an alarm before it."""
    later = alarms[alarms >= CHANGE]
    found = float(np.median(later - CHANGE + 1)) if later.size else float("inf")
    return found if np.isfinite(found) else None


def frozen(rng: np.random.Generator, runs: int, rows: int) -> tuple[float, float]:
    """False alarms against a baseline of `rows` rows: with its limits, and with its point."""
    weight = weights(1)
    good = rng.binomial(rows, RATE, runs)
    s = rng.binomial(BLOCKS, RATE, (DAYS, runs))
    tables = np.stack([BLOCKS - s, s], axis=-1)
    low, high = ev.rate_limits(good, rows, weight * LEVEL / 4)
    out = []
    for above, below in ((high, low), (good / rows, good / rows)):
        increments = [
            ev.log_increments(tables, ev.rate_bets(side, p))
            for side, p in (("above", above), ("below", below))
        ]
        out.append(float(np.isfinite(first_alarm(increments, weight)).mean()))
    return out[0], out[1]


def many(rng: np.random.Generator, runs: int, streams: int) -> float:
    """The share of years in which any of many streams raises a false alarm."""
    hits = sum(
        bool(np.isfinite(block_alarms(days_of_blocks(rng, streams), weights(streams))).any())
        for _ in range(runs)
    )
    return hits / runs


def returning(rng: np.random.Generator, runs: int, people: int = 3_000) -> tuple[float, float]:
    """People who return all year, each treated alike every time: one row per person, and every row."""
    alarms: list[list[bool]] = []
    for _ in range(runs):
        who = [rng.integers(0, n, (DAYS, rows)) for n, rows in ((people, 40), (4 * people, 160))]
        outcome = [(rng.random(n) < RATE)[w] for n, w in ((people, who[0]), (4 * people, who[1]))]
        new = [first_rows(w) for w in who]
        alarms.append(
            [bool(np.isfinite(block_alarms(paired(outcome, keep), weights(1)))[0]) for keep in (new, None)]
        )
    shares = np.mean(alarms, axis=0)
    return float(shares[0]), float(shares[1])


def first_rows(who: NDArray[np.int64]) -> NDArray[np.bool_]:
    flat = np.zeros(who.size, bool)
    flat[np.unique(who.ravel(), return_index=True)[1]] = True
    return flat.reshape(who.shape)


def paired(outcome: list[NDArray[np.bool_]], keep: list[NDArray[np.bool_]] | None) -> Array:
    tables = np.zeros((DAYS, 1, 10), np.int64)
    for day in range(DAYS):
        group, other = (
            o[day] if keep is None else o[day][k[day]] for o, k in zip(outcome, keep or outcome, strict=True)
        )
        n = min(len(group), len(other) // B_ROWS)
        k = other[: n * B_ROWS].reshape(n, B_ROWS).sum(axis=1)
        tables[day, 0] = np.bincount(group[:n] * 5 + k, minlength=10)
    return tables


def day_effects(
    rng: np.random.Generator, runs: int, spread: float = 0.05
) -> tuple[float, float, float | None]:
    """Days on which a whole group fares differently: with the unit chosen on the baseline, and row by row."""
    baseline = shaken(rng, runs, 60, spread)
    units = np.array([choose_unit(baseline[:, i]).unit for i in range(runs)])
    live = shaken(rng, runs, DAYS, spread)
    by_window, by_row = window_alarms(live), row_alarms(rng, live)
    chosen = np.where(units == "window", by_window, by_row)
    changed = shaken(rng, runs, DAYS, spread, drop_from=CHANGE)
    return (
        float(np.isfinite(chosen).mean()),
        float(np.isfinite(by_row).mean()),
        median_delay(window_alarms(changed)),
    )


def shaken(
    rng: np.random.Generator, runs: int, days: int, spread: float, drop_from: int | None = None
) -> Array:
    rates = np.clip(RATE + rng.normal(0, spread, (days, runs, 2)), 0.01, 0.99)
    if drop_from is not None:
        rates[drop_from:, :, 0] = np.clip(rates[drop_from:, :, 0] - DROP, 0.01, 0.99)
    good = rng.binomial([40, 160], rates)
    rows = np.broadcast_to([40, 160], good.shape)
    return np.stack([good[..., 0], rows[..., 0], good[..., 1], rows[..., 1]], axis=-1)


def window_alarms(counts: Array) -> Array:
    return first_alarm([ev.window_increments("difference", side, 0.0, counts) for side in SIDES], weights(1))


def row_alarms(rng: np.random.Generator, counts: Array) -> Array:
    """The same days counted row by row: the day's outcomes are dealt into blocks at random."""
    days, runs = counts.shape[:2]
    tables = np.zeros((days, runs, 10), np.int64)
    dealt = np.stack(
        [rng.permuted(np.arange(160) < n[:, None], axis=1).reshape(-1, 40, 4).sum(2) for n in counts[..., 2]]
    )
    group = np.stack([rng.permuted(np.arange(40) < n[:, None], axis=1) for n in counts[..., 0]])
    cell = group * 5 + dealt
    for c in range(10):
        tables[..., c] = (cell == c).sum(axis=2)
    return block_alarms(tables, weights(1))


def score_alarms(rng: np.random.Generator, runs: int, drop_from: int | None = None) -> Array:
    """Days to an alarm of the distance of scores at nine cuts, of uniform scores in tenths, bound 0.

    From `drop_from` on, each of the group's scores is lost with the chance .16: it becomes the lowest.
    """
    found = []
    for first_run in range(0, runs, 50):
        some = min(50, runs - first_run)
        group = rng.integers(0, 10, (DAYS, some, BLOCKS))
        other = rng.integers(0, 10, (DAYS, some, BLOCKS, B_ROWS))
        if drop_from is not None:
            group[drop_from:][rng.random(group[drop_from:].shape) < 2 * DROP] = 0
        sides: list[list[Array]] = [[], []]
        for cut in range(1, 10):
            cell = 5 * (group >= cut) + (other >= cut).sum(axis=-1)
            tables = np.stack([(cell == kind).sum(axis=-1) for kind in range(10)], axis=-1)
            for bets, side in zip(sides, SIDES, strict=True):
                bets.append(ev.log_increments(tables, ev.block_bets("difference", side, 0.0, A_ROWS, B_ROWS)))
        found.append(first_alarm([np.concatenate(bets, axis=-1) for bets in sides], weights(1)))
    return np.concatenate(found)


def incumbents(tables: Array, halves: tuple[Array, Array]) -> dict[str, float]:
    """The share of years with a false alarm under the rules of other monitors, on the same rows."""
    good = np.stack([tables[..., 5:].sum(-1), tables @ np.tile(np.arange(5), 2)], axis=-1)
    n = np.array([BLOCKS, BLOCKS * B_ROWS])

    def gap(counts: Array, rows: Array) -> tuple[Array, Array]:
        rate = counts / rows
        return rate[..., 0] - rate[..., 1], np.sqrt((rate * (1 - rate) / rows).sum(-1))

    last, _ = gap(halves[1], n / 2)
    daily, error = gap(good, n)
    total, total_error = gap(np.cumsum(good, axis=0), n * np.arange(1, DAYS + 1)[:, None, None])
    centre, spread = daily[:30].mean(0), daily[:30].std(0, ddof=1)
    rules = {
        "last_100_rows": np.abs(last) > 0.1,
        "daily_z": np.abs(daily) > 1.96 * error,
        "three_sigma_of_30_days": np.abs(daily - centre) > 3 * spread,
        "interval_outside_0.1": np.abs(daily) - 1.96 * error > 0.1,
        "cumulative_z": np.abs(total) > 1.96 * total_error,
    }
    rules["three_sigma_of_30_days"][:30] = False
    return {name: round(float(alarms.any(axis=0).mean()), 3) for name, alarms in rules.items()}


def halves_of(rng: np.random.Generator, runs: int) -> tuple[Array, tuple[Array, Array]]:
    """Days of blocks, and the favourable counts of each half of a day."""
    parts = [rng.multinomial(BLOCKS // 2, cell_rates(RATE, RATE), (DAYS, runs)) for _ in range(2)]
    counts = [np.stack([t[..., 5:].sum(-1), t @ np.tile(np.arange(5), 2)], axis=-1) for t in parts]
    return parts[0] + parts[1], (counts[0], counts[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    options = parser.parse_args()
    runs = 200 if options.quick else 1_000
    rng, begun = np.random.default_rng(20260101), time.perf_counter()
    of_scores = np.random.default_rng(20260102)
    year, halves = halves_of(rng, runs)
    limits, point = frozen(rng, runs, 500)
    people, every_row = returning(rng, runs // 4)
    by_day, day_by_row, day_delay = day_effects(rng, runs // 4)
    out = {
        "runs": runs,
        "false_alarm_year": float(np.isfinite(block_alarms(year, weights(1))).mean()),
        "false_alarm_year_frozen500": limits,
        "false_alarm_year_50x4": many(rng, runs // 10 if options.quick else runs // 4, 200),
        "false_alarm_year_scores": float(np.isfinite(score_alarms(of_scores, runs)).mean()),
        "false_alarm_year_dependent": max(people, by_day),
        "returning_people": people,
        "day_effects": by_day,
        "median_delay_days": median_delay(block_alarms(days_of_blocks(rng, runs, CHANGE), weights(1))),
        "median_delay_days_50x4": median_delay(block_alarms(days_of_blocks(rng, runs, CHANGE), weights(200))),
        "median_delay_days_scores": median_delay(score_alarms(of_scores, runs, CHANGE)),
        "median_delay_days_window_blocks": day_delay,
        "without_the_precautions": {
            "baseline_point": point,
            "every_row_of_returning_people": every_row,
            "day_effects_row_by_row": day_by_row,
        },
        "incumbents": incumbents(year, halves),
        "seconds": round(time.perf_counter() - begun),
    }
    print(json.dumps(out))
    shares = [value for name, value in out.items() if name.startswith("false_alarm")]
    delay = out["median_delay_days"]
    return int(max(shares) > LEVEL or delay is None or delay > 20)


if __name__ == "__main__":
    sys.exit(main())
