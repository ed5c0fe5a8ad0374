"""Events of days in use, to try the monitor with: python make_events.py FOLDER [DAYS] [WORSE_FROM]

Applicants of the test quarter come again as new ones, 300 a day, up to yesterday. From day WORSE_FROM on,
four of ten approvals of women are lost on the way. Labels follow within two days for nine of ten.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

PER_DAY = 300
LOST = 0.4
HERE = Path(__file__).resolve().parent


def main(folder: Path, days: int, worse_from: int) -> None:
    """Write a file of JSON lines a day into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    test = pd.read_csv(HERE / "predictions.csv")
    rng = np.random.default_rng(11)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    lines: list[list[str]] = [[] for _ in range(days)]
    for day in range(days):
        rows = test.sample(PER_DAY, random_state=day).to_dict("records")
        for i, row in enumerate(rows):
            at = start + timedelta(days=day, seconds=int(rng.integers(86_400)))
            if day >= worse_from and row["sex"] == "Female" and rng.random() < LOST:
                row["approved"] = 0
            name = {"application_id": f"{day}-{i}"}
            kept = {key: row[key] for key in ("sex", "race", "age", "approved", "p_repay")}
            event = {**name, "event_time": at.isoformat(), "customer": f"c{day}-{i}", **kept}
            lines[day].append(json.dumps(event))
            known = day + int(rng.integers(3))
            if known < days and rng.random() < 0.9:
                truth = {
                    **name,
                    "repaid": row["repaid"],
                    "label_time": (at + timedelta(days=known - day)).isoformat(),
                }
                lines[known].append(json.dumps(truth))
    for day, text in enumerate(lines):
        name = (start + timedelta(days=day)).strftime("%Y-%m-%d")
        (folder / f"{name}.jsonl").write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"{sum(map(len, lines)):,} events of {days} days in {folder}")


if __name__ == "__main__":
    given = sys.argv[1:] or ["logs"]
    total = int(given[1]) if len(given) > 1 else 40
    main(Path(given[0]), total, int(given[2]) if len(given) > 2 else total - 10)
