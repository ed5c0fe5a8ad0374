"""MLflow: a real tracking server on SQLite; the alias moves through the gate alone, and its page shows it."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import audit
from audit import bundle
from audit.cli import mlflow as command
from audit.cli.main import main
from audit.gate import Decision
from audit.integrations.mlflow import Evidence
from audit.integrations.mlflow_names import LONGEST, metric_name, metrics_of, tags_of
from audit.result import Model, Verdict
from audit.spec import from_dict
from tests.conftest import _free_port
from tests.gate.factory import passing, policy, result, violating
from tests.needs import needs_extra

SYSTEM = result(passing(), policy=policy()).system
TAKEN = re.compile(r"[/\w.\- :]*", re.ASCII)
"""What a tracking server takes in a metric's name."""


def people(women: float, each: int = 4000) -> pd.DataFrame:
    rows = [(sex, int(n < each * rate)) for sex, rate in (("m", 0.5), ("f", women)) for n in range(each)]
    return pd.DataFrame(rows, columns=["sex", "approved"])


def write(folder: Path, women: float, model: Path | None, each: int = 4000, **options: Any) -> Path:
    """A bundle of decisions with this selection rate of women, men's being a half."""
    rule = {"id": "approval", "metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}
    named = {"model": str(model)} if model else {}
    spec = from_dict(
        {
            "system": {"name": "credit", "version": "7", **named},
            "data": {"columns": {"prediction": "approved"}, "attributes": {"sex": {"reference": "m"}}},
            "policy": {"rules": [rule], **options},
        }
    )
    audit.run(spec, frame=people(women, each), out=folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tracking server with its SQLite store, alive for this module."""
    needs_extra("sqlparse")  # of mlflow's own; mlflow itself is imported where its warnings are not errors
    folder = tmp_path_factory.mktemp("mlflow")
    port = _free_port()
    store = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db")
    files = ("--artifacts-destination", str(folder / "artifacts"))
    options = (*store, *files, "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(720):  # three minutes, for a busy machine
                if process.poll() is not None or answers(address):
                    break
                time.sleep(0.25)
            assert answers(address), (folder / "log").read_text()[-2000:]
            yield address
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def registry(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from audit.integrations import mlflow

        yield mlflow.client()


@pytest.fixture
def register(registry: Any, tmp_path: Path) -> Callable[..., tuple[str, str, Path]]:
    """Registers a version of a model that holds one file: (run, version, the file)."""

    def make(name: str, content: bytes) -> tuple[str, str, Path]:
        folder = tmp_path / hashlib.sha256(content).hexdigest()[:8]
        folder.mkdir()
        (folder / "model.bin").write_bytes(content)
        known = registry.get_experiment_by_name("training")
        run = registry.create_run(known.experiment_id if known else registry.create_experiment("training"))
        registry.log_artifacts(run.info.run_id, str(folder), "model")
        if not [found for found in registry.search_registered_models() if found.name == name]:
            registry.create_registered_model(name)
        made = registry.create_model_version(name, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
        return run.info.run_id, str(made.version), folder / "model.bin"

    return make


def champion(registry: Any, name: str) -> str | None:
    found: str | None = registry.get_registered_model(name).aliases.get("champion")
    return None if found is None else str(found)


def promote(name: str, version: str, *options: str) -> int:
    return main(["mlflow", "promote", name, version, "--alias", "champion", *options])


@pytest.mark.slow
@pytest.mark.browser
def test_an_alias_moves_through_the_gate_alone(
    registry: Any,
    register: Callable[..., tuple[str, str, Path]],
    server: str,
    browser: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good_run, good, good_model = register("credit", b"the good model")
    bad_run, bad, bad_model = register("credit", b"the bad model")
    assert promote("credit", good) == 2
    assert "holds no bundle" in capsys.readouterr().err
    fine = write(tmp_path / "fine", 0.5, good_model)
    for folder, run in ((fine, good_run), (write(tmp_path / "poor", 0.25, bad_model), bad_run)):
        assert main(["mlflow", "log", str(folder), "--run", run]) == 0

    assert promote("credit", bad) == 1
    assert champion(registry, "credit") is None
    assert promote("credit", good, "--dry-run") == 0
    assert champion(registry, "credit") is None
    assert promote("credit", good) == 0
    assert champion(registry, "credit") == good
    assert promote("credit", bad) == 1
    assert champion(registry, "credit") == good
    assert "champion was not moved" in capsys.readouterr().out

    logged = registry.get_run(good_run).data
    assert logged.tags["harm_audit.bundle_id"] == bundle.read(fine).id
    assert logged.metrics["harm_audit/selection_rate/sex/f"] == 0.5
    assert registry.get_run(bad_run).data.metrics["harm_audit/rules_violation"] == 1
    kept = {Path(entry.path).name for entry in registry.list_artifacts(good_run, "harm-audit")}
    assert kept == {path.name for path in fine.iterdir()}

    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{server}/#/models/credit")
    row = page.locator("tr, [role=row]", has_text="champion")
    row.first.wait_for(timeout=120_000)
    assert row.count() == 1
    assert f"Version {good}" in row.inner_text()
    page.screenshot(path=os.environ.get("MLFLOW_PAGE_PNG", str(tmp_path / "page.png")))
    page.close()


@pytest.mark.slow
class TestRefusals:
    def test_a_bundle_of_another_model(
        self, registry: Any, register: Callable[..., tuple[str, str, Path]], tmp_path: Path
    ) -> None:
        run, version, _ = register("other", b"what is to ship")
        another = tmp_path / "another.bin"
        another.write_bytes(b"what was audited")
        assert main(["mlflow", "log", str(write(tmp_path / "e", 0.5, another)), "--run", run]) == 0
        assert promote("other", version) == 3
        assert promote("other", version, "--by-run") == 3
        assert champion(registry, "other") is None

    def test_a_bundle_of_no_model(
        self, registry: Any, register: Callable[..., tuple[str, str, Path]], tmp_path: Path
    ) -> None:
        run, version, _ = register("unnamed", b"a model")
        assert main(["mlflow", "log", str(write(tmp_path / "e", 0.5, None)), "--run", run]) == 0
        assert promote("unnamed", version) == 3
        assert champion(registry, "unnamed") is None
        assert promote("unnamed", version, "--by-run") == 0
        assert champion(registry, "unnamed") == version

    def test_a_bundle_that_was_changed_in_the_store(
        self, registry: Any, register: Callable[..., tuple[str, str, Path]], tmp_path: Path
    ) -> None:
        run, version, model = register("changed", b"one more model")
        folder = write(tmp_path / "e", 0.5, model)
        assert main(["mlflow", "log", str(folder), "--run", run]) == 0
        (folder / "report.html").write_text("<p>All is well.")
        registry.log_artifact(run, str(folder / "report.html"), "harm-audit")
        assert promote("changed", version) == 3
        other = write(tmp_path / "f", 0.4, model)
        assert main(["mlflow", "log", str(other), "--run", run]) == 2
        registry.log_artifacts(run, str(other), "harm-audit")
        assert promote("changed", version) == 3
        assert champion(registry, "changed") is None

    def test_inconclusive(
        self, registry: Any, register: Callable[..., tuple[str, str, Path]], tmp_path: Path
    ) -> None:
        run, version, model = register("few", b"a model of few")
        assert main(["mlflow", "log", str(write(tmp_path / "e", 0.45, model, each=60)), "--run", run]) == 0
        assert promote("few", version) == 3
        assert champion(registry, "few") is None

    def test_what_is_not_there(
        self, registry: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert promote("nobody", "1") == 2
        assert "tracking server says" in capsys.readouterr().err
        assert main(["mlflow", "log", str(tmp_path)]) == 4
        folder = write(tmp_path / "e", 0.5, None)
        assert main(["mlflow", "log", str(folder), "--run", "0" * 32]) == 2


def test_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert promote("credit", "1") == 2
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().err


class TestDecide:
    """The decision alone, without a server."""

    def decided(self, files: dict[str, str], model: str | None, *, by_run: bool = False) -> Decision:
        system = replace(SYSTEM, model=Model("model.pkl", model) if model else None)
        given = result(passing(), policy=policy(), system=system)
        found = Evidence("r", Path("x"), "id", files)
        return command.decide(given, found, today=date(2026, 11, 22), by_run=by_run, extra=())

    def test_the_models_file_is_one_of_the_versions(self) -> None:
        assert self.decided({"MLmodel": "a" * 64, "model.pkl": "b" * 64}, "b" * 64).exit_code == 0

    @pytest.mark.parametrize("files", [{}, {"model.pkl": "c" * 64}])
    @pytest.mark.parametrize("by_run", [False, True])
    def test_it_is_not(self, files: dict[str, str], by_run: bool) -> None:
        assert self.decided(files, "b" * 64, by_run=by_run).exit_code == 3

    def test_no_model_is_named(self) -> None:
        assert self.decided({"model.pkl": "c" * 64}, None).exit_code == 3
        assert self.decided({"model.pkl": "c" * 64}, None, by_run=True).exit_code == 0


class TestNames:
    @pytest.mark.parametrize(
        "hostile", ["a/b", "<script>", "é", "", "a:2fb", "x" * 400, "-1", "a\nb", "🦉", ".."]
    )
    def test_every_name_is_taken_and_is_its_own(self, hostile: str) -> None:
        names = [
            metric_name("selection_rate", "sex", value) for value in (hostile, "f", "a:2fb", "a b", "x" * 399)
        ]
        assert len({*names}) == len({hostile, "f", "a:2fb", "a b", "x" * 399})
        for name in names:
            assert TAKEN.fullmatch(name)
            assert len(name) <= LONGEST
            assert ".." not in name

    def test_figures(self) -> None:
        frame = people(0.25, 40)
        frame.loc[0, "sex"] = "rare"
        rules = ["four_fifths"]
        done = audit.audit(frame, prediction="approved", sensitive="sex", rules=rules)
        named = metrics_of(done.result)
        assert named["harm_audit/selection_rate/sex/f"] == 0.25
        assert named["harm_audit/rules_violation"] + named["harm_audit/rules_inconclusive"] == 1
        shut = audit.audit(frame, prediction="approved", sensitive="sex", rules=rules, suppress_below=10)
        assert not [name for name in metrics_of(shut.result) if "rare" in name]
        assert [name for name in named if "rare" in name]

    def test_no_undefined_figure_is_a_number(self) -> None:
        frame = people(0.25, 40).assign(label=lambda f: (f.sex == "m").astype(int))
        done = audit.audit(frame, label="label", prediction="approved", sensitive="sex")
        named = [name for name in metrics_of(done.result) if "/true_positive_rate/" in name]
        assert {name.split("/")[3] for name in named if "/sex/" in name} == {"m"}

    def test_tags(self) -> None:
        said = tags_of(result(violating(), policy=policy()))
        assert said["harm_audit.verdict"] == Verdict.VIOLATION.value
        assert "harm_audit.model_sha256" not in said
