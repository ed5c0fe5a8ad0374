"""`harm-audit validate`: the policy file and the answers, all that is wrong in them, and no data."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.cli.main import main
from tests.integrations.cases import RULES, SPEC

ANSWERS = "list: LAUNCH\nanswers: {}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without data: the command must not miss it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.yaml").write_text(SPEC.format(name="x", word="fail", rule=RULES[0]))
    (tmp_path / "governance" / "answers").mkdir(parents=True)
    (tmp_path / "governance" / "answers" / "launch.yaml").write_text(ANSWERS)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "paths", [[], ["audit.yaml"], ["."], ["audit.yaml", "governance/answers/launch.yaml"]]
)
def test_each_file_once(place: Path, paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", *paths]) == 0
    assert capsys.readouterr().out.splitlines() == ["✓ audit.yaml", "✓ governance/answers/launch.yaml"]


def test_quiet(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_answers_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "audit.yaml").unlink()
    assert main(["validate", "governance/answers/launch.yaml"]) == 0
    assert main(["validate"]) == 2
    assert "audit.yaml: no such file" in said(capsys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("list: LAUNCH\nanswers:\n  LAUNCH-99: {answer: yes}\n", "launch.yaml:3: LAUNCH has no item"),
        ("list: DATA\nanswers: {}\n", "this file says list DATA"),
        ("list: LAUNCH\nanswers: {\n", "launch.yaml:"),
        ("list: LAUNCH\n<<<<<<< ours\n", "launch.yaml:2: the mark of an unfinished merge"),
    ],
)
def test_wrong_answers(text: str, words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "governance" / "answers" / "launch.yaml").write_text(text)
    assert main(["validate"]) == 2
    assert words in said(capsys)


def test_answers_to_no_list(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "governance" / "answers" / "lunch.yaml").write_text(ANSWERS)
    assert main(["validate"]) == 2
    error = said(capsys)
    assert "lunch.yaml: no checklist is called 'lunch'" in error
    assert "Did you mean LAUNCH?" in error


def test_everything_wrong_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "governance" / "answers" / "launch.yaml").write_text("list: DATA\n")
    spec = place / "audit.yaml"
    spec.write_text(spec.read_text().replace("selection_rate", "selecton_rate"))
    assert main(["validate"]) == 2
    error = said(capsys)
    assert "audit.yaml:9: " in error
    assert "launch.yaml:1: " in error
