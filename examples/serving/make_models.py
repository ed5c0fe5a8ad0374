"""Three models of the lending example and their audits: one in use, a better one, and one that must not pass.

    python make_models.py FOLDER

`v1` knows the applicant alone; `v2` has a credit bureau's score beside it; `v3` was made to prefer men.
Each is audited on the same test quarter into `evidence-v1`, `evidence-v2`, `evidence-v3`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import audit

ROWS = 30_000
THRESHOLD = 0.6
PLAIN = ["income", "debt_ratio", "years_employed", "late_payments"]
SPEC = """\
system: {{name: small-loans, version: {version}, output: "approve, or refuse", model: {version}.joblib}}
data:
  source: {version}.csv
  columns: {{id: event_id, label: repaid, prediction: approved, cluster: customer}}
  positive: 1
  attributes: {{sex: {{as: sex}}}}
policy:
  rules:
    - {{id: approvals, metric: selection_rate, comparison: ratio, at_least: 0.8}}
    - {{id: opportunity, metric: equal_opportunity, at_most: 0.08, severity: blocker}}
monitor:
  # Windows of two seconds, so that the show takes a minute; a lender would write 1d.
  {{window: 2s, grace: 1s, every: 1s, tolerance: 0.03, version: model_version, events: logs{sinks}}}
"""


def lending() -> ModuleType:
    """The lending example's generator."""
    path = Path(__file__).resolve().parents[1] / "lending" / "make_data.py"
    spec = importlib.util.spec_from_file_location("make_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def people(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Applicants, with the score that the bureau has of them: 0 where it does not know them."""
    frame = lending().people(rng, rows)
    known = rng.normal(600 + 90 * frame["repaid"], 60, rows).clip(300, 850)
    frame["bureau"] = np.where(rng.random(rows) < 0.03, 0, known).round(0)
    return frame


def main(folder: Path, sinks: str = "") -> None:
    """Train, score the test quarter, audit: v1, v2 and v3."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1973)
    history, test = people(rng, ROWS), people(rng, ROWS)
    for version, features in (("v1", PLAIN), ("v2", [*PLAIN, "bureau"]), ("v3", PLAIN)):
        model = make_pipeline(StandardScaler(), LogisticRegression())
        labels = history["repaid"].to_numpy()
        if version == "v3":
            labels = np.where((history["sex"] == "Female") & (rng.random(ROWS) < 0.4), 0, labels)
            features = [*PLAIN, "is_male"]
            for frame in (history, test):
                frame["is_male"] = (frame["sex"] == "Male").astype(int)
        model.fit(history[features].to_numpy(), labels)
        score = model.predict_proba(test[features].to_numpy())[:, 1]
        rows = test[["sex", "repaid"]].assign(approved=(score >= THRESHOLD).astype(int))
        rows.insert(0, "event_id", np.arange(ROWS))
        rows.insert(1, "customer", np.arange(ROWS))
        rows.to_csv(folder / f"{version}.csv", index=False)
        joblib.dump((model, features, THRESHOLD), folder / f"{version}.joblib")
        spec = folder / f"{version}.yaml"
        spec.write_text(SPEC.format(version=version, sinks=sinks))
        found = audit.run(spec, out=folder / f"evidence-{version}")
        print(f"{version}: {found.result.verdict.value}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
