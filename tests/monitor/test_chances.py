"""Selective labels with logged chances: thinned to a random sample, so that rates are those of all rows."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from audit.monitor.chances import COUNTS, UNKNOWN, not_identifiable, thinned
from audit.monitor.watch import Watch
from tests.monitor.log import DAY, START, iso
from tests.monitor.make import SELECTION, TPR
from tests.monitor.project import make_project, opened

FLOOR = 0.2
RATE = "true_positive_rate|true_positive_rate|sex=F|baseline"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    more = f", label_chance: {{field: p_label, floor: {FLOOR}}}"
    return make_project(tmp_path_factory.mktemp("chances"), more=more)


def test_every_row_has_the_same_chance_of_a_label_that_counts():
    rng = np.random.default_rng(0)
    key = rng.integers(-(2**63), 2**63 - 1, 200_000)
    chance = rng.choice([0.2, 0.5, 1.0], key.size)
    labelled = rng.random(key.size) < chance
    kept = labelled & (thinned(chance, key, FLOOR) == COUNTS)
    for value in (0.2, 0.5, 1.0):
        assert kept[chance == value].mean() == pytest.approx(FLOOR, abs=0.005)
    top = (key >> 60) & 15
    shares = [kept[top == digit].mean() for digit in range(16)]
    assert max(shares) - min(shares) < 0.03
    assert (thinned([0.1, None, 1.5, "nan"], key[:4], FLOOR) == UNKNOWN).all()


def write(folder, days: int, *, logged: bool = True, per_day: int = 1_200) -> None:
    """Approved rows get a label, refused ones with the chance .2; who repays is approved more often."""
    for day in range(days):
        rng, lines = random.Random(day), []
        for i in range(per_day):
            repaid = int(rng.random() < 0.5)
            approved = int(rng.random() < (0.4 if repaid else 0.2))
            chance = 1.0 if approved else 0.2
            name = f"{day}-{i}"
            at = iso(START + day * DAY + rng.randrange(DAY))
            event = {
                "loan": name,
                "at": at,
                "customer": f"c{name}",
                "sex": "FM"[i % 2],
                "region": "N",
            }
            lines.append(event | {"approved": approved} | ({"p_label": chance} if logged else {}))
            if rng.random() < chance:
                lines.append({"loan": name, "repaid": repaid, "label_time": at})
        (folder / f"{day:03d}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def judged(watch: Watch, place, **given: bool):
    write(place / "logs", 6, **given)
    watch.ingest(whole=True)
    found = watch.evaluate(now=START + 9 * DAY)
    return found, {one.stream.id: one for one in found.assessments}


def test_rates_over_a_label_are_those_of_all_rows(project, tmp_path):
    found, streams = judged(opened(project, tmp_path), tmp_path)
    one = streams["true_positive_rate|true_positive_rate|sex=F|baseline"]
    # Among all who repay 40 % are approved; among those with a label it is 77 %.
    assert one.value == pytest.approx(0.4, abs=0.07)
    assert one.low < 0.4 < one.high
    assert one.stream.id not in found.unknowable
    shares = {c.prediction: c.share for c in found.coverage if (c.attribute, c.group) == ("sex", "F")}
    assert shares[0] == pytest.approx(FLOOR, abs=0.03)
    assert shares[1] == pytest.approx(FLOOR, abs=0.05)


def test_without_logged_chances_they_stay_unknown(project, tmp_path):
    found, _ = judged(opened(project, tmp_path), tmp_path, logged=False)
    assert "no logged chance of a label" in found.unknowable[RATE]
    assert not any(name.startswith("selection_rate") for name in found.unknowable)


def test_a_few_rows_without_a_chance_are_let_pass_and_others_groups_do_not_count():
    assert not_identifiable(TPR, {("sex", "F"): (1, 100)}) is None
    assert "sex=F" in (not_identifiable(TPR, {("sex", "F"): (2, 100)}) or "")
    assert not_identifiable(TPR, {("age", "F"): (50, 100)}) is None
    assert not_identifiable(SELECTION, {("sex", "F"): (50, 100)}) is None
