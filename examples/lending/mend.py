"""From the violation to a measured remedy: where the errors sit, what was tried, the plan, the second audit.

    python mend.py FOLDER

FOLDER holds what make_data.py and `harm-audit run` wrote there. A later quarter of new applicants is
made; the remedy that the trial advises is applied to it and audited on the same people as the model
as it is. So is a sham: training again on the same rows.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.cli.main import main as harm_audit
from audit.governance.register import Book

HERE = Path(__file__).resolve().parent
NEXT_ROWS = 30_000
NEXT_SEED = 1974
REMEDIES = (
    "resample", "group-weights", "drop-proxies", "one-threshold", "correlation-remover",
    "threshold-optimizer", "reweighing", "eq-odds", "calibrated-eq-odds",
)  # fmt: skip
SHAM = "retrain"
TODAY = datetime.now(UTC).date()
PLAN = "mending"


def model() -> Pipeline:
    """The model as the lender trains it, not yet fitted."""
    return make_pipeline(StandardScaler(), LogisticRegression())


def main(folder: Path) -> None:
    """Mend what the audit in `folder` found, and measure it on people that nothing was chosen on."""
    maker = _module(folder / "make_data.py")
    write_rows(folder, maker)
    shutil.rmtree(folder / PLAN, ignore_errors=True)
    with contextlib.chdir(folder):
        print("\n## Where do the errors sit?")
        command(
            "slices", "audit.yaml", "--metric", "false_negative_rate", "--positive", "1", "--max-depth", "2",
            "--out", "slices.json", *_options("--feature", (*maker.FEATURES, "race", "sex")), shown=_first(8),
        )  # fmt: skip
        print("\n## What helps? Each remedy on the same folds, against the decisions as they are")
        command("mitigate", "audit.yaml", *_fitting(maker), "--folds", "3", "--out", "trials.json",
                *_options("--candidate", REMEDIES), shown=_figures)  # fmt: skip
        print("\n## The plan, and two of its actions carried out")
        command("plan", "draft", "evidence", "--project", PLAN, "--slices", "slices.json",
                "--trials", "trials.json", "--out", "plan", shown=_first(4))  # fmt: skip
        best = json.loads(Path("trials.json").read_text(encoding="utf-8"))["best"]
        if best is None:
            sys.exit("no remedy was advised")
        command("run", "next.yaml", "--out", "next-evidence", shown=_none)
        actions = {best: _action(best), SHAM: _sham(_action(best))}
        for name, action in actions.items():
            _carry_out(action)
            after = f"after-{name}"
            command("mitigate", "audit.yaml", *_fitting(maker), "--apply", name, "--rows", "next.csv",
                    "--out", f"{after}.csv", shown=_none)  # fmt: skip
            _spec(Path(f"{after}.csv"))
            command("run", f"{after}.yaml", "--out", f"{after}-evidence", shown=_none)
            command("plan", "check", action, "next-evidence", f"{after}-evidence", "--rows", "next.yaml",
                    f"{after}.yaml", "--project", PLAN, "--by", "Grace Hopper", shown=_first(9))  # fmt: skip
        command("plan", "show", "next-evidence", "--project", PLAN, "--out", "plan", shown=_first(1))
        command("report", "evidence", "--with", "slices.json", "--with", "trials.json",
                "--with", "plan/plan.json", "--out", "report-with-plan.html", shown=_first(1))  # fmt: skip


def write_rows(folder: Path, maker: ModuleType) -> None:
    """history.csv, which the model learned from; next.csv, a later quarter that it decided on; next.yaml."""
    rng = np.random.default_rng(maker.SEED)
    history, _ = maker.people(rng, maker.TRAIN_ROWS), maker.people(rng, maker.TEST_ROWS)
    history["repaid"] = maker.recorded_labels(rng, history)
    history.insert(0, "application_id", np.arange(1, len(history) + 1) + 10_000_000)
    history.to_csv(folder / "history.csv", index=False)
    later = maker.people(np.random.default_rng(NEXT_SEED), NEXT_ROWS)
    later.insert(0, "application_id", np.arange(1, len(later) + 1) + 20_000_000)
    fitted = model().fit(history[maker.FEATURES], history["repaid"])
    later["p_repay"] = fitted.predict_proba(later[maker.FEATURES])[:, 1].round(4)
    later["approved"] = (later["p_repay"] >= maker.THRESHOLD).astype(int)
    later.to_csv(folder / "next.csv", index=False)
    with contextlib.chdir(folder):
        _spec(Path("next.csv"))


def _spec(rows: Path) -> None:
    """The policy for other rows: the same rules, without those that read scores, which a remedy has not."""
    text = Path("audit.yaml").read_text(encoding="utf-8").replace("predictions.csv", rows.name)
    text = text.replace(", score: p_repay}", "}").replace("  model: model.joblib", "  # model:")
    rows.with_suffix(".yaml").write_text(text.split("    # The score separates")[0], encoding="utf-8")


def _fitting(maker: ModuleType) -> tuple[str, ...]:
    return (
        "--model", "mend:model", "--train", "history.csv", "--threshold", str(maker.THRESHOLD),
        *_options("--feature", tuple(maker.FEATURES)),
    )  # fmt: skip


def _options(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (name, value))


def _action(remedy: str) -> str:
    """The id that the plan gave the remedy's action."""
    rows = Book.open(Path(PLAN) / "governance" / "harms.yaml").document.data["actions"]
    return next(str(row["id"]) for row in rows if str(row.get("key")).startswith(f"remedy:{remedy}:"))


def _sham(like: str) -> str:
    """An action with the same target that should do nothing: somebody's idea to train again."""
    book = Book.open(Path(PLAN) / "governance" / "harms.yaml")
    row = book.row(like)
    key = f"sham:{SHAM}"
    known = [str(one["id"]) for one in book.document.data["actions"] if one.get("key") == key]
    if known:
        return known[0]
    harms = tuple(str(one) for one in row["harms"])
    made = book.add_action("model", "Train again on the same rows", harms, by="Ada Lovelace", on=TODAY)
    book.set(made.id, key=key, target=dict(row["target"]))
    book.save()
    return made.id


def _carry_out(action: str) -> None:
    """What people would do over weeks: own it, approve it, build it. The names are made up."""
    book = Book.open(Path(PLAN) / "governance" / "harms.yaml")
    book.set(action, owner="Ada Lovelace", approver="Grace Hopper", due=TODAY + timedelta(days=90))
    for step in _steps(str(book.row(action)["status"])):
        book.move(action, step, by="Ada Lovelace", on=TODAY)
    book.save()


def _steps(status: str) -> tuple[str, ...]:
    way = ("proposed", "approved", "in_progress", "implemented")
    if status in ("ineffective",):
        return way[2:]
    return way[way.index(status) + 1 :] if status in way else ()


def command(*words: str, shown: Callable[[list[str]], Iterator[str]]) -> None:
    """Run a command here, and print it with the lines of its answer that are shown."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = harm_audit(list(words))
    if code == 130:
        raise KeyboardInterrupt
    if code not in (0, 1, 3):
        print(said.getvalue())
        sys.exit(f"harm-audit {words[0]} ended with {code}")
    lines = list(shown(said.getvalue().splitlines()))
    if lines:
        print(f"$ harm-audit {' '.join(words[:2])} …")
        print("\n".join(lines), flush=True)


def _first(count: int) -> Callable[[list[str]], Iterator[str]]:
    def chosen(lines: list[str]) -> Iterator[str]:
        yield from lines[:count]

    return chosen


def _figures(lines: list[str]) -> Iterator[str]:
    """The table of remedies and what is advised, without the reasons and notes."""
    for line in lines:
        if line.startswith("Legal note"):
            break
        if not line.startswith("      "):
            yield line
    yield from (line for line in lines if line.startswith("Advised"))


def _none(lines: list[str]) -> Iterator[str]:
    yield from ()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_data", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
