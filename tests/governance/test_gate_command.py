"""`gate` and `verify` with governance: each reason through the real command, with its exit code."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from audit import bundle, codec
from audit.cli.main import main
from audit.governance import seeding, signoff
from audit.governance.catalogue import load_catalogue
from audit.governance.register import Book
from audit.result import AuditResult, Model
from tests.governance.prepared import URL, prepare
from tests.governance.project import DAY, answer, failing, look, passing

MODEL = b"weights"
LATE = str(DAY + timedelta(days=1))


def of_model(result: AuditResult) -> AuditResult:
    model = Model("m.joblib", hashlib.sha256(MODEL).hexdigest())
    return replace(result, system=replace(result.system, model=model))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "m.joblib").write_bytes(MODEL)
    result = of_model(passing())
    bundle.write(folder / "evidence", {"audit.json": codec.dumps(result)})
    prepare(folder, result, bundle.read(folder / "evidence").id, folder / "evidence" / "signatures")
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    """A project that passes, to spoil; the working folder is elsewhere."""
    return Path(shutil.copytree(prepared, tmp_path / "project"))


Gate = Callable[..., tuple[int, set[tuple[str, str]]]]


@pytest.fixture
def gate(project: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    """Runs the gate and gives its exit code with (kind, id) of each reason."""

    def run(*options: str, as_of: str = str(DAY)) -> tuple[int, set[tuple[str, str]]]:
        words = ["gate", str(project / "evidence"), "--model", str(project / "m.joblib")]
        code = main([*words, "--project", str(project), "--as-of", as_of, "--json", *options])
        said = json.loads(capsys.readouterr().out)
        assert said["exit_code"] == code
        assert said["governance"]["as_of"] == as_of
        return code, {(reason["kind"], reason["id"]) for reason in said["reasons"]}

    return run


def test_a_ready_project_passes(gate: Gate) -> None:
    assert gate() == (0, set())


def test_an_open_blocker_blocks_with_one(gate: Gate, project: Path) -> None:
    answer(project, "OVER-04", answer="no")
    assert gate() == (1, {("governance", "OVER-04")})


def test_a_self_approved_na_blocks_with_one(gate: Gate, project: Path) -> None:
    answer(project, "SCOPE-02", na={"reason": "not ours", "approved_by": "ada"})
    assert gate() == (1, {("governance", "SCOPE-02")})


def test_a_blanket_na_blocks_with_one(gate: Gate, project: Path) -> None:
    for item in load_catalogue().list("OVER").items:
        answer(project, item.id, na={"reason": "not for us", "approved_by": "Grace"})
    assert gate() == (1, {("governance", "OVER")})


def test_an_item_waiver_past_its_day_blocks_with_one(gate: Gate, project: Path) -> None:
    answer(project, "OVER-04", answer="no", waiver={"reason": "x", "approved_by": "Grace", "until": DAY})
    assert gate() == (0, set())
    assert gate(as_of=LATE) == (1, {("governance", "OVER-04")})


def test_no_waivers_leaves_none(gate: Gate) -> None:
    code, reasons = gate("--no-waivers")
    assert code == 3
    assert reasons


def test_expired_evidence_is_stale_and_blocks_with_three(gate: Gate, project: Path) -> None:
    answer(project, "OVER-04", answer="yes", evidence=URL, waiver=None, expires_at=DAY)
    assert gate() == (0, set())
    assert gate(as_of=LATE) == (3, {("stale", "OVER-04")})


def test_a_changed_policy_is_stale_and_blocks_with_three(gate: Gate, project: Path) -> None:
    bound = dict(look(project, of_model(passing())).hashes())
    answer(project, "EVAL-02", answer="yes", evidence=URL, bound=bound, waiver=None)
    result = of_model(passing())
    changed = replace(result, policy=replace(result.policy, digest="ff" * 32))
    bundle.write(project / "evidence", {"audit.json": codec.dumps(changed)})
    code, reasons = gate()
    assert code == 3
    assert {("stale", "EVAL-02"), ("governance", "sign-off:owner")} <= reasons


def test_one_byte_of_the_model_says_what_no_longer_fits(gate: Gate, project: Path) -> None:
    (project / "m.joblib").write_bytes(MODEL + b"\n")
    assert gate() == (3, {("mismatch", "model")})


def test_an_unowned_harm_blocks_a_launch_and_no_earlier_stage(gate: Gate, project: Path) -> None:
    book = Book.open(project / "governance/harms.yaml")
    seeding.from_result(book, failing(), "ee" * 32, on=DAY)
    book.save()
    code, reasons = gate()
    assert code == 1
    assert ("governance", "H-001") in reasons
    assert ("governance", "H-001") not in gate("--stage", "test")[1]


@pytest.mark.parametrize("lax", ["warn", "pass"])
def test_a_missing_sign_off_blocks_with_three_whatever_the_policy_excuses(
    gate: Gate, project: Path, lax: str
) -> None:
    shutil.rmtree(project / "evidence/signatures")
    assert gate() == (3, {("governance", "sign-off:owner")})
    assert gate("--on-inconclusive", lax)[0] == 3


def test_a_broken_statement_blocks_with_one(gate: Gate, project: Path) -> None:
    (file,) = (project / "evidence/signatures").iterdir()
    file.write_text("{}", encoding="utf-8")
    assert gate() == (1, {("governance", f"signature:{file.name}"), ("governance", "sign-off:owner")})
    assert main(["verify", str(project / "evidence")]) == 4


def test_the_folder_of_the_spec_or_the_current_one_is_asked(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "evidence/signatures")
    words = ["gate", str(project / "evidence"), "--model", str(project / "m.joblib"), "--as-of", str(DAY)]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    assert "governance: no folder, not asked" in capsys.readouterr().out
    (project / "audit.yaml").write_text("x", encoding="utf-8")
    assert main([*words, "--spec", str(project / "audit.yaml")]) == 3
    assert "sign-off:owner" in capsys.readouterr().out
    monkeypatch.chdir(project)
    assert main(words) == 3
    assert "sign-off:owner" in capsys.readouterr().out
    assert main([*words, "--project", str(tmp_path)]) == 2
    assert "no governance folder" in capsys.readouterr().err


def test_a_folder_of_corrupt_files_is_named_with_its_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "governance/harms.yaml").write_text("harms:\n<<<<<<< ours\n- {id: H-001}\n", encoding="utf-8")
    words = ["gate", str(project / "evidence"), "--model", str(project / "m.joblib")]
    assert main([*words, "--project", str(project)]) == 2
    assert "harms.yaml:2" in capsys.readouterr().err


def test_verify_checks_who_signed(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen on this machine")
    evidence = project / "evidence"
    for name in ("ours", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    public = (tmp_path / "ours.pub").read_text().split()
    allowed = tmp_path / "allowed"
    allowed.write_text(f"Grace {public[0]} {public[1]}\n", encoding="utf-8")
    words = ["verify", str(evidence), "--allowed-signers", str(allowed)]
    stated = signoff.Statement(bundle.read(evidence).id, "Grace", "reviewer", "2026-11-22T10:00:00Z", "all")
    path = signoff.sign(evidence / "signatures", replace(stated, identity="Grace"), tmp_path / "ours")
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "✓ Grace (reviewer): signed with the key of Grace" in said
    assert "– Ada (owner) attests by typed name" in said
    path.unlink()
    signoff.sign(evidence / "signatures", replace(stated, identity="Grace"), tmp_path / "other")
    assert main(words) == 4
    assert "✗ Grace (reviewer)" in capsys.readouterr().out
    assert main(["verify", str(evidence)]) == 0
    assert main([*words[:-1], str(tmp_path / "none")]) == 2
