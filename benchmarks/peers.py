"""The same job by harm-audit and by the libraries beside it, each in an environment of its own.

    python benchmarks/peers.py                       # installs each peer from your package index; minutes
    python benchmarks/peers.py --only fairlearn      # some of them
    python benchmarks/peers.py --rows 2000           # a first look
    python benchmarks/peers.py --write docs/compare.md

The job: 20,000 decisions about two groups; how much lower is the selection rate, the true positive rate
and the false positive rate of women? Seconds are of the job alone, in a fresh process, after imports and
reading; once for the plain figures, once with intervals where the library has them, at its own defaults.
Memory is the peak of the process, imports included. "Off by" is the largest distance of a figure from one
counted by hand, signs aside. What does not install, does not import or does not have the figure is said so.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import tempfile
import venv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
ROWS = 20_000
FIGURES = ("selection rate", "true positive rate", "false positive rate")
BLOCK = re.compile(r"(?<=<!-- peers -->\n).*?(?=<!-- /peers -->)", re.DOTALL)
LIMIT = 1200
"""Seconds for an installation, and for a job."""

HEAD = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
frame = pd.read_csv(sys.argv[1])
women, men = frame[frame.sex == "Female"], frame[frame.sex == "Male"]
with_intervals = sys.argv[2] == "intervals"
"""
FOOT = """
start = time.perf_counter()
values = job()
took = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"values": values, "seconds": took,
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}))
"""


@dataclass(frozen=True)
class Peer:
    """A library, how it is installed, and its script, whose `job` gives the three figures or None."""

    name: str
    install: tuple[str, ...]
    script: str | None
    intervals: str
    """How it makes them; empty where it makes none."""
    note: str = ""


OURS = """
import audit
names = ("selection_rate", "true_positive_rate", "false_positive_rate")
rules = [{"id": n, "metric": n, "comparison": "difference", "at_most": 0.1} for n in names]
def job():
    sexes = {"sex": {"reference": "Male"}}
    done = audit.audit(frame, label="y", prediction="p", sensitive=sexes, rules=rules)
    return [made.value for made in done.result.comparisons]
"""
FAIRLEARN = """
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
def job():
    more = {"n_boot": 100, "ci_quantiles": [0.025, 0.975]} if with_intervals else {}
    made = MetricFrame(metrics={"s": selection_rate, "t": true_positive_rate, "f": false_positive_rate},
                       y_true=frame.y, y_pred=frame.p, sensitive_features=frame.sex, **more)
    if with_intervals:
        made.difference_ci()
    return list(made.by_group.loc["Female"] - made.by_group.loc["Male"])
"""
AIF360 = """
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import ClassificationMetric
def job():
    def dataset(column):
        table = pd.DataFrame({"sex": (frame.sex == "Male").astype(float), "y": frame[column].astype(float)})
        return BinaryLabelDataset(df=table, label_names=["y"], protected_attribute_names=["sex"])
    made = ClassificationMetric(dataset("y"), dataset("p"), unprivileged_groups=[{"sex": 0.0}],
                                privileged_groups=[{"sex": 1.0}])
    return [made.statistical_parity_difference(), made.true_positive_rate_difference(),
            made.false_positive_rate_difference()]
"""
AEQUITAS = """
from aequitas.group import Group
def job():
    named = frame.rename(columns={"p": "score", "y": "label_value"})
    table, _ = Group().get_crosstabs(named, attr_cols=["sex"])
    table = table.set_index("attribute_value")
    return [float(table.loc["Female", c] - table.loc["Male", c]) for c in ("pprev", "tpr", "fpr")]
"""
VFAIRNESS = """
from vfairness import evaluation as e
def job():
    if with_intervals:
        return [e.demographic_parity_difference_with_ci(frame.y, frame.p, frame.sex).point_estimate,
                e.equal_opportunity_difference_with_ci(frame.y, frame.p, frame.sex).point_estimate, None]
    made = e.get_group_metrics_with_ci(frame.y, frame.p, frame.sex)
    return [made["Female"][n].point_estimate - made["Male"][n].point_estimate
            for n in ("positive_rate", "tpr", "fpr")]
"""
CLARIFY = """
from smclarify.bias import report as r
def job():
    rows = r.bias_report(frame[["sex", "y", "p"]], r.FacetColumn("sex", ["Female"]),
                         r.LabelColumn("y", frame.y, [1]), r.StageType.POST_TRAINING,
                         r.LabelColumn("p", frame.p, [1]), metrics=["DPPL", "RD", "SD"])
    found = {m["name"]: m["value"] for m in rows[0]["metrics"]}
    return [found["DPPL"], found["RD"], found["SD"]]
"""
EVIDENTLY = """
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.metrics import FPR, TPR
def job():
    found = []
    for part in (women, men):
        kinds = BinaryClassification(target="y", prediction_labels="p", pos_label=1)
        data = Dataset.from_pandas(part[["y", "p"]], DataDefinition(classification=[kinds]))
        made = Report([TPR(), FPR()]).run(data, None).dict()["metrics"]
        found.append([m["value"]["value"] if isinstance(m["value"], dict) else m["value"] for m in made])
    return [None, float(found[0][0] - found[1][0]), float(found[0][1] - found[1][1])]
"""
TRUSTYAI = """
from trustyai.metrics.fairness.group import statistical_parity_difference
from trustyai.model import output
def job():
    chosen = [output("p", "number", 1)]
    parts = men[["y", "p"]], women[["y", "p"]]
    return [statistical_parity_difference(*parts, chosen, outputs=[1]), None, None]
"""
AIVERIFY = """
import pickle
from sklearn.tree import DecisionTreeClassifier
from aiverify_fairness_metrics_toolbox_for_classification.algo_init import AlgoInit
from aiverify_test_engine.plugins.enums.model_type import ModelType
table = pd.DataFrame({"sex": (frame.sex == "Male").astype(int), "p": frame.p, "y": frame.y})
table.to_pickle("rows.sav")
with open("model.sav", "wb") as file:  # a model that decides what was decided
    pickle.dump(DecisionTreeClassifier().fit(table[["sex", "p"]], table.p), file)
def job():
    asked = {"sensitive_feature": ["sex"], "annotated_labels_path": "", "file_name_label": ""}
    AlgoInit(False, "", "rows.sav", "model.sav", "rows.sav", "y", ModelType.CLASSIFICATION, asked).run()
    with open("output/results.json") as file:
        of_yes = json.load(file)["output"]["results"][1]
    rates = [{tuple(e["group"]): e["metric"] for e in of_yes[n]} for n in
             ("True Positive Rate", "False Positive Rate")]
    return [None, *(rate[0,] - rate[1,] for rate in rates)]
"""

PEERS = (
    Peer(
        "harm-audit",
        (str(ROOT),),
        OURS,
        "of the difference, judged",
        "files, not frames, are its usual way in",
    ),
    Peer("fairlearn", ("fairlearn",), FAIRLEARN, "bootstrap, 100 draws"),
    Peer("aif360", ("aif360",), AIF360, "", "two groups at a time"),
    Peer("aequitas", ("aequitas",), AEQUITAS, ""),
    Peer(
        "vfairness",
        ("vfairness",),
        VFAIRNESS,
        "bootstrap and permutation",
        "Wilson intervals of each group at once",
    ),
    Peer("smclarify", ("smclarify",), CLARIFY, "", "two groups at a time"),
    Peer("evidently", ("evidently",), EVIDENTLY, "", "no metric by group: one report for each group"),
    Peer(
        "trustyai",
        ("trustyai",),
        TRUSTYAI,
        "",
        "on a Java machine; average odds has the other two in one figure",
    ),
    Peer(
        "aiverify-fairness-metrics-toolbox-for-classification",
        ("aiverify-fairness-metrics-toolbox-for-classification",),
        AIVERIFY,
        "",
        "opens a pickled model and runs it; a group's true positives over everybody's positives, which is no "
        "rate of the group",
    ),
    Peer("nannyml", ("nannyml",), None, "", "watches performance over time; no metric by group"),
    Peer("deon", ("deon",), None, "", "questions; reads no data"),
)
FALLBACK = ("pandas<3",)
"""Tried where a peer does not import or run beside the newest pandas."""


def main() -> None:
    """Install, run, print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=[peer.name for peer in PEERS])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--write", type=Path, help="a page with a block <!-- peers --> to put the table into")
    options = parser.parse_args()
    chosen = [peer for peer in PEERS if not options.only or peer.name in options.only]
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        data = Path(folder) / "rows.csv"
        expected = rows(data, options.rows)
        found = [measured(peer, Path(folder) / peer.name, data, expected) for peer in chosen]
    text = table(found, options.rows)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(BLOCK.sub(lambda _: text, page), encoding="utf-8")
    print(json.dumps({"rows": options.rows, "peers": {entry["name"]: entry for entry in found}}))


def rows(path: Path, size: int) -> list[float]:
    """Write the decisions and count the three differences by hand."""
    chance = np.random.default_rng(1)
    sex = chance.choice(["Female", "Male"], size)
    y = chance.random(size) < 0.4
    p = chance.random(size) < np.where(y, 0.7, 0.2) - np.where(sex == "Female", 0.1, 0)
    pd.DataFrame({"sex": sex, "y": y.astype(int), "p": p.astype(int)}).to_csv(path, index=False)
    parts = (np.ones(size, dtype=bool), y, ~y)
    return [float(p[part & (sex == "Female")].mean() - p[part & (sex == "Male")].mean()) for part in parts]


def measured(peer: Peer, folder: Path, data: Path, expected: list[float]) -> dict[str, Any]:
    """Install and run one peer; `trouble` says what did not work."""
    entry: dict[str, Any] = {
        "name": peer.name,
        "version": None,
        "note": peer.note,
        "intervals": peer.intervals,
    }
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    trouble = installed(python, peer.install)
    if trouble:
        return entry | {"trouble": f"does not install: {trouble}"}
    entry["version"] = version(python, peer.name)
    if peer.script is None:
        return entry
    plain = run(python, peer.script, data, "plain")
    if "trouble" in plain:
        entry["beside"] = f"{', '.join(FALLBACK)}; with the newest pandas: {plain['trouble']}"
        trouble = installed(python, FALLBACK)
        plain = {"trouble": trouble} if trouble else run(python, peer.script, data, "plain")
    if "trouble" in plain:
        return entry | {"trouble": plain["trouble"]}
    slower = run(python, peer.script, data, "intervals") if peer.intervals else {}
    gaps = [
        abs(abs(value) - abs(true))
        for value, true in zip(plain["values"], expected, strict=True)
        if value is not None
    ]
    lacking = [name for name, value in zip(FIGURES, plain["values"], strict=True) if value is None]
    return entry | {
        "seconds": plain["seconds"],
        "mb": max(plain["mb"], slower.get("mb", 0)),
        "seconds_with_intervals": slower.get("seconds"),
        "off_by": max(gaps),
        "lacking": lacking,
    }


def installed(python: Path, requirements: tuple[str, ...]) -> str | None:
    """None where pip installed it, else its last words."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    return ended(command, [])[1]


def version(python: Path, name: str) -> str:
    """The version that was installed."""
    script = f"from importlib.metadata import version; print(version({name!r}))"
    return (ended([str(python), "-c", script], [])[0] or "").strip()


def run(python: Path, script: str, data: Path, how: str) -> dict[str, Any]:
    """What the script prints, or the last words of its failure."""
    said, trouble = ended([str(python), "-c", HEAD + script + FOOT], [str(data), how])
    if trouble or not said:
        return {"trouble": trouble or "said nothing"}
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


def ended(command: list[str], arguments: list[str]) -> tuple[str | None, str | None]:
    """Standard output, and why it failed; away from the checkout, so that nothing of it is imported."""
    try:
        with tempfile.TemporaryDirectory() as away:
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            done = subprocess.run(
                [*command, *arguments],
                capture_output=True,
                text=True,
                timeout=LIMIT,
                cwd=away,
                env=environment,
            )
    except subprocess.TimeoutExpired:
        return None, f"stopped after {LIMIT} seconds"
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        words = lines[-1] if lines else f"exit {done.returncode}"
        return None, re.sub(r"\s*\(?/\S*", "", words)[:160]
    return done.stdout, None


def table(found: list[dict[str, Any]], size: int) -> str:
    """The figures as Markdown, with the day and the kind of machine."""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, Python {platform.python_version()}, {size:,} rows:",
        "",
        "| library | seconds | with intervals | peak memory | off by | intervals | notes |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    lines += [f"| {' | '.join(cells(entry))} |" for entry in found]
    return "\n".join(lines) + "\n"


def cells(entry: dict[str, Any]) -> list[str]:
    """One line of the table."""
    notes = [entry["note"], entry.get("trouble", "")]
    notes += [f"with {entry['beside']}"] if "beside" in entry else []
    notes += [f"no {', '.join(entry['lacking'])}"] if entry.get("lacking") else []
    seconds, slower, mb = entry.get("seconds"), entry.get("seconds_with_intervals"), entry.get("mb")
    return [
        f"{entry['name']} {entry['version'] or ''}".strip(),
        "–" if seconds is None else f"{seconds:.2f}",
        "–" if slower is None else f"{slower:.1f}",
        "–" if mb is None else f"{mb:.0f} MB",
        "–" if "off_by" not in entry else "0" if entry["off_by"] < 1e-12 else f"{entry['off_by']:.1g}",
        entry["intervals"] or "none",
        "; ".join(note.replace("|", "\\|") for note in notes if note) or "–",
    ]


def machine() -> str:
    """Cores and memory, and nothing that names the place."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return f"{os.cpu_count()} cores, {pages / 2**30:.0f} GB, {platform.machine()} {platform.system()}"


if __name__ == "__main__":
    main()
