"""`gate` and `verify`: the exit code is the decision, and nothing about the bundle is taken on trust."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audit import bundle
from audit.cli.main import main
from audit.result import Model
from tests.gate.factory import passing, policy, result, rule, violating


@pytest.mark.parametrize(("name", "code"), [("green", 0), ("red", 1), ("grey", 3)])
def test_the_exit_code_is_the_verdict(
    name: str, code: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", str(request.getfixturevalue(name))]) == code
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"exit {code}"
    assert said.err == ""


def test_inconclusive_may_open_the_gate_with_words(grey: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", str(grey), "--on-inconclusive", "warn"]) == 0
    said = capsys.readouterr().out
    assert "INCONCLUSIVE" in said
    assert "lets the gate open all the same" in said
    assert "700 more rows" in said


def test_json(red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", str(red), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["exit_code"]) == ("violation", 1)
    assert said["bundle_id"] == bundle.read(red).id
    assert said["reasons"][0]["id"] == said["rules"][0]["rule"] == "approval"


def test_quiet_is_one_line(red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", str(red), "--quiet"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("name", ["report.html", "manifest.json", "audit.json"])
def test_a_changed_file_shuts_a_green_gate(
    green: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (green / name).open("ab") as handle:
        handle.write(b"\n \n")
    assert main(["gate", str(green), "--on-inconclusive", "pass"]) == 3
    assert name in capsys.readouterr().out
    assert main(["verify", str(green)]) == 4
    assert name in capsys.readouterr().out


def test_expected_id(green: Path) -> None:
    ours = bundle.read(green).id
    assert main(["gate", str(green), "--expect", ours]) == 0
    assert main(["gate", str(green), "--expect", "0" * 64]) == 3
    assert main(["verify", str(green), "--expect", ours]) == 0
    assert main(["verify", str(green), "--expect", "0" * 64]) == 4


def test_spec_and_model(save: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("policy: a")
    (tmp_path / "model.pkl").write_bytes(b"weights")
    digests = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.yaml", "model.pkl")
    }
    given = result(passing(), policy=policy(digest=digests["a.yaml"]))
    given = replace(given, system=replace(given.system, model=Model("model.pkl", digests["model.pkl"])))
    folder, spec, model = (str(p) for p in (save(given), tmp_path / "a.yaml", tmp_path / "model.pkl"))
    assert main(["gate", folder, "--spec", spec, "--model", model]) == 0
    assert main(["gate", folder, "--spec", spec]) == 3
    assert main(["gate", folder, "--spec", model, "--model", model]) == 3
    assert main(["gate", folder, "--spec", spec, "--model", spec]) == 3
    assert main(["gate", folder, "--spec", str(tmp_path / "none"), "--model", model]) == 2


def test_age(save: Callable[..., Path]) -> None:
    old = save(replace(result(passing(), policy=policy()), created_at="2020-01-01T00:00:00Z"))
    assert main(["gate", str(old)]) == 0
    assert main(["gate", str(old), "--max-age", "30"]) == 3


def test_verify_says_what_it_cannot_see(green: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(green)]) == 0
    assert "accidents, not tampering" in capsys.readouterr().out
    assert main(["verify", str(green), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"schema_version": NaN}', b"[" * 100_000]
)
@pytest.mark.parametrize("command", ["gate", "report"])
def test_an_audit_that_is_none(
    tmp_path: Path, content: bytes, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.write(tmp_path / "odd", {"audit.json": content})
    assert main([command, str(tmp_path / "odd")]) == 4
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "audit.json" in said
    assert "Traceback" not in said


class TestGitHub:
    def test_summary_outputs_and_annotations(
        self, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
            monkeypatch.setenv(name, str(tmp_path / name))
        assert main(["gate", str(red), "--github"]) == 1
        assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text().startswith("# Violation")
        outputs = dict(line.split("=") for line in (tmp_path / "GITHUB_OUTPUT").read_text().split())
        assert outputs == {"verdict": "violation", "exit-code": "1", "violations": "1", "inconclusive": "0"}
        assert "::error file=audit.yaml,line=12,title=approval::" in capsys.readouterr().out

    def test_a_name_starts_no_other_command(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        nasty = violating("x\n::set-output name=verdict::pass", rule="a,b:c\n::stop")
        folder = save(result(nasty, policy=policy(rule("a,b:c\n::stop"))))
        assert main(["gate", str(folder), "--github", "--quiet"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.startswith("::")] == [lines[-1]]
        assert "title=a%2Cb%3Ac%0A" in lines[-1]

    def test_not_in_a_job_it_writes_nothing(
        self, green: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
        before = sorted(tmp_path.rglob("*"))
        assert main(["gate", str(green), "--github"]) == 0
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", ["markdown", "junit", "sarif"])
def test_report_in_other_formats(
    red: Path, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(red), "--format", form]) == 0
    said = capsys.readouterr().out
    assert main(["report", str(red), "--format", form, "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x").read_text() == said
    assert bundle.verify(red).ok


def test_report_since_a_baseline(red: Path, green: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(red), "--format", "markdown", "--baseline-bundle", str(green)]) == 0
    assert "was pass, is violation" in capsys.readouterr().out


def _newer(folder: Path) -> None:
    document = json.loads((folder / bundle.AUDIT).read_text())
    document["schema_version"] = "9.0"
    bundle.write(folder, {bundle.AUDIT: json.dumps(document).encode()})


def _edited(folder: Path) -> None:
    path = folder / bundle.AUDIT
    path.write_text(path.read_text().replace("0.95", "0.96", 1))


@pytest.mark.parametrize("spoil", [_newer, _edited, lambda folder: (folder / bundle.MANIFEST).unlink()])
@pytest.mark.parametrize(
    "words",
    [
        ["compare", "{}", "{}"],
        ["report", "{}"],
        ["plan", "draft", "{}"],
    ],
)
def test_nothing_is_read_off_a_result_that_is_not_as_it_was_written(
    spoil: Callable[[Path], None],
    words: list[str],
    green: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(green)
    monkeypatch.chdir(green.parent)
    before = sorted(green.parent.rglob("*"))
    assert main([word.format(green) for word in words]) == 4
    assert "harm-audit" in capsys.readouterr().err
    assert sorted(green.parent.rglob("*")) == before
    assert main(["gate", str(green), "--on-inconclusive", "pass"]) == 3
