"""Sign-off: real SSH signatures over one exact bundle, typed names that look different, what breaks both."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.errors import DataError, UsageError
from audit.governance.signoff import Signed, Statement, missing, read, sign

BUNDLE = "ab" * 32


def statement(name: str = "Ada Lovelace", role: str = "owner", **changes: str) -> Statement:
    fields = {
        "bundle_id": BUNDLE,
        "name": name,
        "role": role,
        "signed_at": "2026-11-22T10:00:00Z",
        "saw": "the report",
    }
    return Statement(**(fields | changes))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert shutil.which("ssh-keygen"), "OpenSSH's client programs are needed"
    path = tmp_path_factory.mktemp("keys") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)
    return path


@pytest.fixture
def allowed(tmp_path: Path, key: Path) -> Path:
    path = tmp_path / "allowed_signers"
    public = " ".join(key.with_suffix(".pub").read_text("utf-8").split()[:2])
    path.write_text(f'ada@example.org namespaces="harm-audit" {public}\n', encoding="utf-8")
    return path


def test_a_signature_is_checked_against_who_may_sign(tmp_path: Path, key: Path, allowed: Path) -> None:
    folder = tmp_path / "signatures"
    sign(folder, statement(identity="ada@example.org"), key)
    (found,) = read(folder, BUNDLE, allowed)
    assert (found.kind, found.counts) == ("signature", True)
    assert "ada@example.org" in found.words


def test_a_good_signature_of_a_stranger_does_not_count(tmp_path: Path, key: Path, allowed: Path) -> None:
    folder = tmp_path / "signatures"
    sign(folder, statement(identity="grace@example.org"), key)
    (found,) = read(folder, BUNDLE, allowed)
    assert (found.kind, found.counts) == ("unknown_key", False)
    (unlisted,) = read(folder, BUNDLE)
    assert (unlisted.kind, unlisted.counts) == ("unknown_key", False)


def test_a_typed_name_is_an_attestation_and_looks_it(tmp_path: Path) -> None:
    sign(tmp_path, statement())
    (found,) = read(tmp_path, BUNDLE)
    assert (found.kind, found.counts) == ("attestation", True)
    assert "typed name" in found.words
    assert "key" not in found.words


def test_another_bundle_is_unsigned(tmp_path: Path, key: Path, allowed: Path) -> None:
    sign(tmp_path / "s", statement(identity="ada@example.org"), key)
    (found,) = read(tmp_path / "s", "ba" * 32, allowed)
    assert (found.kind, found.counts) == ("other_bundle", False)


@pytest.mark.parametrize("field", ["name", "role", "bundle_id", "saw"])
def test_one_changed_word_breaks_the_signature(tmp_path: Path, key: Path, allowed: Path, field: str) -> None:
    path = sign(tmp_path / "s", statement(identity="ada@example.org"), key)
    words = json.loads(path.read_text("utf-8"))
    words[field] = {"role": "board", "bundle_id": "cd" * 32}.get(field, "somebody else")
    path.write_text(json.dumps(words), encoding="utf-8")
    (found,) = read(tmp_path / "s", words["bundle_id"], allowed)
    assert (found.kind, found.counts) == ("broken", False)


def test_a_signature_moved_under_another_statement_is_broken(
    tmp_path: Path, key: Path, allowed: Path
) -> None:
    folder = tmp_path / "s"
    path = sign(folder, statement(identity="ada@example.org"), key)
    other = sign(folder, statement(role="board", identity="ada@example.org"))
    shutil.copy(path.with_suffix(".json.sig"), other.with_suffix(".json.sig"))
    kinds = {found.statement.role: found.kind for found in read(folder, BUNDLE, allowed)}
    assert kinds == {"owner": "signature", "board": "broken"}


def test_taking_the_signature_away_does_not_leave_an_attestation(tmp_path: Path, key: Path) -> None:
    path = sign(tmp_path, statement(identity="ada@example.org"), key)
    path.with_suffix(".json.sig").unlink()
    (found,) = read(tmp_path, BUNDLE)
    assert found.kind == "broken"


def test_a_signature_made_for_another_purpose_is_broken(tmp_path: Path, key: Path, allowed: Path) -> None:
    path = sign(tmp_path / "s", statement(identity="ada@example.org"))
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "file", str(path)],
        check=True,
        capture_output=True,
    )
    (found,) = read(tmp_path / "s", BUNDLE, allowed)
    assert found.kind == "broken"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "{", '{"name": 1}', json.dumps({**statement().__class__.__annotations__})]
)
def test_rubbish_is_broken_and_no_crash(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner-x.json").write_text(text, encoding="utf-8")
    (found,) = read(tmp_path, BUNDLE)
    assert found.kind == "broken"


def test_nobody_signs_twice_in_a_role_or_in_no_role(tmp_path: Path) -> None:
    sign(tmp_path, statement())
    with pytest.raises(UsageError, match="has signed"):
        sign(tmp_path, statement())
    with pytest.raises(UsageError, match="no role"):
        sign(tmp_path, statement(role="king"))
    with pytest.raises(UsageError, match="saw"):
        sign(tmp_path, statement(name="Grace", saw=" "))


def test_a_key_that_cannot_sign_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "key"
    bad.write_text("no key", encoding="utf-8")
    with pytest.raises(DataError, match="could not sign"):
        sign(tmp_path / "s", statement(), bad)
    assert list((tmp_path / "s").iterdir()) == []


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    path = sign(tmp_path / "s", statement(name="../../etc/passwd\x00; rm -rf /"))
    assert path.parent == tmp_path / "s"


def signed(*pairs: tuple[str, str]) -> tuple[Signed, ...]:
    return tuple(Signed(statement(name, role), "attestation", "", "") for name, role in pairs)


@pytest.mark.parametrize(
    ("pairs", "duties", "lacking"),
    [
        ([("Ada", "owner")], {"owner": 1}, ()),
        ([("Ada", "owner"), ("ada", "reviewer")], {"owner": 1, "reviewer": 1}, ("reviewer",)),
        ([("Ada", "owner"), ("Grace", "reviewer")], {"owner": 1, "reviewer": 1}, ()),
        ([("Ada", "independent"), ("ADA", "independent")], {"independent": 2}, ("independent (1 of 2)",)),
        ([("Ada", "independent"), ("Grace", "independent")], {"independent": 2}, ()),
        ([("Ada", "reviewer")], {"owner": 1}, ("owner",)),
    ],
)
def test_one_person_fills_one_place(
    pairs: list[tuple[str, str]], duties: dict[str, int], lacking: tuple[str, ...]
) -> None:
    assert missing(signed(*pairs), duties) == lacking


def test_what_does_not_count_fills_no_place() -> None:
    broken = Signed(statement(), "broken", "", "")
    unknown = Signed(statement(), "unknown_key", "", "")
    assert missing((broken, unknown), {"owner": 1}) == ("owner",)


def test_without_the_program_a_signature_is_unchecked_and_does_not_count(
    tmp_path: Path, key: Path, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(tmp_path / "s", statement(identity="ada@example.org"), key)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = read(tmp_path / "s", BUNDLE, allowed)
    assert (found.kind, found.counts) == ("unknown_key", False)
    with pytest.raises(UsageError, match="not installed"):
        sign(tmp_path / "s", statement(role="board"), key)
