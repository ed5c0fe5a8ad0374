"""Makes the lending example: applicants, a history that treated some worse, and a model trained on it.

`python make_data.py` writes beside this file; `python make_data.py FOLDER` writes there.

The mechanism of the bias, in three parts, each a constant below:

1. Labels. The history marks a loan as bad on its first missed instalment for Black and Hispanic borrowers
   more often than for others, so good payers of these groups were recorded as bad ones. The test quarter
   is free of it: its `repaid` is what happened within two years.
2. A proxy. People live apart: an area's index differs by race, and says nothing of repayment.
   The model is not given race. The index lets it learn part 1 all the same.
3. A measurement. Women's recorded income leaves out irregular earnings, so it understates what they can
   pay back.

In the test quarter every applicant was given the loan (a trial), so that the label is known for all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 1973
TRAIN_ROWS = 20_000
TEST_ROWS = 7_000
THRESHOLD = 0.64

RACES = ("White", "Hispanic", "Black", "Asian", "Other")
SHARES = (0.60, 0.16, 0.14, 0.08, 0.02)
STRICTER_MARKING = {"Black": 0.30, "Hispanic": 0.10}
"""The share of good loans that the history records as bad."""
AREA_INDEX = {"White": 0.5, "Asian": 0.4, "Other": 0.0, "Hispanic": -0.2, "Black": -1.0}
UNRECORDED_INCOME = 0.04
"""The part of women's income that is not on record."""

FEATURES = ["income", "debt_ratio", "years_employed", "late_payments", "area_index"]


def people(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Applicants, with their features as recorded and whether they repay."""
    race = rng.choice(RACES, size=rows, p=SHARES)
    sex = rng.choice(["Female", "Male"], size=rows, p=[0.47, 0.53])
    age = np.clip(rng.gamma(2.4, 9.5, size=rows) + 18, 18, 85).astype(int)
    income = rng.lognormal(10.52 + 0.005 * np.minimum(age - 18, 30), 0.45)
    years = rng.uniform(0, np.maximum(1, (age - 18) * 0.6))
    debt = rng.beta(2, 4, size=rows)
    late = rng.poisson(0.5 + 1.2 * debt)
    chance = 1.1 + 1.1 * (np.log(income) - 10.6) - 2.0 * (debt - 0.33) + 0.02 * years - 0.45 * (late - 0.9)
    repaid = rng.random(rows) < 1 / (1 + np.exp(-chance))
    recorded = np.where(sex == "Female", income * (1 - UNRECORDED_INCOME), income)
    area = pd.Series(race).map(AREA_INDEX).to_numpy() + rng.normal(0, 0.7, size=rows)
    return pd.DataFrame(
        {
            "sex": sex,
            "race": race,
            "age": age,
            "income": recorded.round(0),
            "debt_ratio": debt.round(3),
            "years_employed": years.round(1),
            "late_payments": late,
            "area_index": area.round(2),
            "repaid": repaid.astype(int),
        }
    )


def recorded_labels(rng: np.random.Generator, history: pd.DataFrame) -> np.ndarray:
    """What the history says of each loan: some good ones are marked bad, more of them in two groups."""
    stricter = history["race"].map(STRICTER_MARKING).fillna(0.0).to_numpy()
    marked = rng.random(len(history)) < stricter
    return np.where(marked, 0, history["repaid"])


def main(out: Path) -> None:
    """Write predictions.csv (the test quarter) and model.joblib (what made the scores) into `out`."""
    rng = np.random.default_rng(SEED)
    history, test = people(rng, TRAIN_ROWS), people(rng, TEST_ROWS)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(history[FEATURES], recorded_labels(rng, history))
    score = model.predict_proba(test[FEATURES])[:, 1]
    test.insert(0, "application_id", np.arange(1, len(test) + 1))
    test["p_repay"] = score.round(4)
    test["approved"] = (test["p_repay"] >= THRESHOLD).astype(int)
    test.to_csv(out / "predictions.csv", index=False)
    joblib.dump(model, out / "model.joblib")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
