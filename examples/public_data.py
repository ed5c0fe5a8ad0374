"""Loads the Adult data through fairlearn, trains a small model and audits it; needs a network and fairlearn.

`python examples/public_data.py [FOLDER]` writes the evidence into FOLDER, build/adult where left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from fairlearn.datasets import fetch_adult
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OrdinalEncoder

import audit

RULES = [
    {"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8},
    {"metric": "equal_opportunity", "at_most": 0.1},
]


def predictions() -> pd.DataFrame:
    """The held-out half of Adult with sex, race, label and the model's prediction."""
    data = fetch_adult(as_frame=True)
    features, label = data.data, (data.target == ">50K").astype(int)
    words = features.select_dtypes(exclude="number").columns.tolist()
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), words), remainder="passthrough"
    )
    x_train, x_test, y_train, y_test = train_test_split(features, label, test_size=0.5, random_state=0)
    encode.fit(x_train)
    model = HistGradientBoostingClassifier(random_state=0).fit(encode.transform(x_train), y_train)
    return x_test[["sex", "race"]].assign(label=y_test, prediction=model.predict(encode.transform(x_test)))


def main(out: Path) -> None:
    """Audit the predictions and write the evidence bundle."""
    done = audit.audit(
        predictions(),
        label="label",
        prediction="prediction",
        sensitive=["sex", "race"],
        rules=RULES,
        name="adult-income",
    )
    done.save(out)
    print(f"{done.verdict.value}; the report is {out / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/adult"))
