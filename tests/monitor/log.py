"""A made log of events with everything that goes wrong in one, and its truth worked out in plain Python."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from audit.monitor.blocks import pair
from audit.monitor.mapping import Attribute, Mapping
from audit.monitor.streams import Stream

DAY = 86_400
START = 1_767_225_600
"""2026-01-01 in seconds, the beginning of a window."""
NOW = datetime(2026, 12, 31, tzinfo=UTC)
LABEL_LAG = 3 * DAY
MAPPING = Mapping({"sex": Attribute("sex"), "age": Attribute("age", bins=(25, 65))}, person="person")
ATTRIBUTES = ("sex", "age")


def key_of(event_id: str) -> int:
    return int(hashlib.md5(f"default\x1f{event_id}".encode()).hexdigest()[:16], 16)


def unit_of(person: str) -> int:
    return int(hashlib.md5(person.encode()).hexdigest()[:16], 16)


@dataclass
class Log:
    """The days' lines; a day's file holds that day's predictions, labels, repeats, late and broken lines."""

    days: list[list[str]] = field(default_factory=list)


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_log(
    *,
    days: int,
    per_day: int,
    seed: int = 0,
    twice: float = 0.05,
    late: float = 0.03,
    broken: float = 0.01,
    corrected: float = 0.02,
) -> Log:
    """Predictions with labels two days on average later; some sent twice, late, broken or corrected."""
    rng = random.Random(seed)
    out: list[list[str]] = [[] for _ in range(days)]
    people = max(10, days * per_day // 2)

    def put(day: int, event: dict[str, object]) -> None:
        line = json.dumps(event)
        if rng.random() < broken:
            line = line[: len(line) // 2]
        if day < days:
            out[day].append(line)
            if rng.random() < twice:
                out[min(days - 1, day + rng.randrange(3))].append(line)

    for day in range(days):
        for i in range(per_day):
            name, sex, age = (
                f"e{day}-{i}",
                rng.choice("FM") if rng.random() > 0.02 else None,
                rng.randrange(18, 90),
            )
            at = START + day * DAY + rng.randrange(DAY)
            person = f"p{rng.randrange(people)}"
            yhat, score = int(rng.random() < (0.3 if sex == "F" else 0.4)), rng.random()
            # Late: it arrives when its window has been closed.
            arrives = day + (2 + rng.randrange(3) if rng.random() < late else 0)
            event = {
                "event_id": name,
                "event_time": iso(at),
                "person": person,
                "sex": sex,
                "age": age,
                "prediction": yhat,
                "model_version": "1",
                "noise": score,
            }
            put(arrives, event)
            if rng.random() < 0.8:
                due = rng.randrange(8 if rng.random() < late else 3)
                truth = {
                    "event_id": name,
                    "label": int(rng.random() < 0.5),
                    "label_time": iso(at + due * DAY + 60),
                    "revision": 0,
                }
                put(day + due, truth)
                if rng.random() < corrected:
                    put(day + due + 1, truth | {"label": 1 - int(str(truth["label"])), "revision": 1})
    for lines in out:
        rng.shuffle(lines)
    return Log(out)


class Truth:
    """What a ledger must hold after the same days, closed after each, from plain dictionaries."""

    def __init__(self, streams: list[Stream], *, label_lag: int = LABEL_LAG) -> None:
        self.streams, self.label_lag = streams, label_lag
        self.predictions: dict[str, dict[str, object]] = {}
        self.in_time: dict[int, list[str]] = {}
        """Ids by window, the late ones left out."""
        self.labels: dict[str, set[tuple[int, str, int]]] = {}
        self.counts: Counter[str] = Counter()
        self.closed = {"predictions": -(2**31), "labels": -(2**31)}
        self.seen: set[tuple[str, str]] = set()
        self.tables: dict[str, dict[int, list[int]]] = {}
        self.outcome: Counter[tuple[str, int, str, str, int | None, int]] = Counter()

    def read(self, lines: list[str]) -> None:
        for line in lines:
            self.counts["received"] += 1
            try:
                event = json.loads(line)
            except ValueError:
                self.counts["rejected.malformed"] += 1
                continue
            (self._prediction if "prediction" in event else self._label)(event)

    def _prediction(self, event: dict[str, object]) -> None:
        name = str(event["event_id"])
        if name in self.predictions:
            self.counts["duplicate"] += 1
            return
        self.counts["accepted"] += 1
        self.counts["predictions"] += 1
        win = seconds(event["event_time"]) // DAY
        self.predictions[name] = event | {"win": win}
        if win <= self.closed["labels"]:
            self.counts["late.labels"] += len(self.labels.get(name, ()))
        if win <= self.closed["predictions"]:
            self.counts["late.predictions"] += 1
        else:
            self.in_time.setdefault(win, []).append(name)

    def _label(self, event: dict[str, object]) -> None:
        known = self.labels.setdefault(str(event["event_id"]), set())
        value = (int(str(event["revision"])), str(event["label_time"]), int(str(event["label"])))
        if value in known:
            self.counts["duplicate"] += 1
            return
        known.add(value)
        self.counts["accepted"] += 1
        self.counts["labels"] += 1
        row = self.predictions.get(str(event["event_id"]))
        self.counts["late.labels"] += row is not None and row["win"] <= self.closed["labels"]  # type: ignore[operator]

    def close(self, as_of: int) -> None:
        due = {"predictions": as_of // DAY - 1, "labels": (as_of - self.label_lag) // DAY - 1}
        for cohort, last in due.items():
            for win in sorted(w for w in self.in_time if self.closed[cohort] < w <= last):
                self._close(cohort, win)
            self.closed[cohort] = max(self.closed[cohort], last)

    def _close(self, cohort: str, win: int) -> None:
        rows = []
        for name in self.in_time[win]:
            event = self.predictions[name]
            labels = self.labels.get(name) if cohort == "labels" else None
            label = max(labels)[2] if labels else None
            rows.append((seconds(event["event_time"]), key_of(name), event, label))
            age = MAPPING.attributes["age"].group(str(event["age"]))
            kind = (cohort, win, str(event["sex"]), str(age), label, int(str(event["prediction"])))
            self.outcome[kind] += 1
        rows.sort(key=lambda row: (row[0], row[1] - 2**64 * (row[1] >> 63)))
        taken = {}
        for denominator in {s.denominator for s in self.streams if s.needs_label == (cohort == "labels")}:
            use = []
            for _, _, event, label in rows:
                mark = (repr(sorted(map(str, denominator))), str(event["person"]))
                if (label, event["prediction"]) in denominator and mark not in self.seen:
                    self.seen.add(mark)
                    use.append((event, label))
            taken[denominator] = use
        for stream in self.streams:
            if stream.denominator in taken and stream.needs_label == (cohort == "labels"):
                self._table(stream, win, taken[stream.denominator])

    def _table(self, stream: Stream, win: int, use: list[tuple[dict[str, object], int | None]]) -> None:
        def value(event: dict[str, object]) -> str | None:
            attribute = MAPPING.attributes[stream.attribute]
            return attribute.group(None if event[attribute.column] is None else str(event[attribute.column]))

        use = [(e, y) for e, y in use if value(e) == stream.group or stream.other(value(e))]
        counts = pair(
            [unit_of(str(event["person"])) for event, _ in use],
            [value(event) == stream.group for event, _ in use],
            [int((label, event["prediction"]) in stream.numerator) for event, label in use],
            stream.a,
            stream.b,
        ).tolist()
        if any(counts):
            self.tables.setdefault(stream.id, {})[win] = counts

    def tallies(self) -> dict[str, int]:
        unmatched = sum(len(labels) for name, labels in self.labels.items() if name not in self.predictions)
        return {k: n for k, n in sorted((self.counts | {"labels.unmatched": unmatched}).items()) if n}

    def table_bytes(self) -> bytes:
        plain = {s: {str(w): c for w, c in sorted(t.items())} for s, t in sorted(self.tables.items())}
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def seconds(text: object) -> int:
    return int(datetime.fromisoformat(str(text)).timestamp())
