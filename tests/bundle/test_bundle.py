"""The bundle: whole or not at all, never over something else, and it names what was changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from audit import bundle
from audit.errors import BundleError, OutputError

FILES = {"audit.json": b'{"a": 1}\n', "report.html": b"<p>old</p>", "counts.parquet": b"PAR1"}
NEW = {"audit.json": b'{"a": 2}\n', "report.html": b"<p>new</p>"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    bundle.write(tmp_path / "audit-out", FILES)
    return tmp_path / "audit-out"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_read_and_verified(made: Path) -> None:
    found = bundle.read(made)
    assert found.audit_json == FILES["audit.json"]
    assert found.id == hashlib.sha256(FILES["audit.json"]).hexdigest()
    assert found.files == ("audit.json", "counts.parquet", "manifest.json", "report.html")
    said = bundle.verify(made)
    assert (said.ok, said.changed, said.missing, said.extra, said.id) == (True, (), (), (), found.id)
    assert "accidents, not tampering" in said.message
    assert names(made.parent) == ["audit-out"]


def test_equal_files_give_an_equal_manifest(made: Path, tmp_path: Path) -> None:
    bundle.write(tmp_path / "again", dict(reversed(FILES.items())))
    assert (tmp_path / "again/manifest.json").read_bytes() == (made / "manifest.json").read_bytes()


def test_an_expected_id(made: Path) -> None:
    ours = bundle.read(made).id
    assert bundle.verify(made, ours.upper()).ok
    assert "tampering" not in bundle.verify(made, ours).message
    said = bundle.verify(made, "0" * 64)
    assert not said.ok
    assert ours in said.message


def test_changed_missing_and_extra_by_name(made: Path) -> None:
    (made / "report.html").write_bytes(b"<p>all well</p>")
    (made / "counts.parquet").unlink()
    (made / "note.txt").write_text("hello")
    said = bundle.verify(made)
    assert not said.ok
    assert (said.changed, said.missing, said.extra) == (("report.html",), ("counts.parquet",), ("note.txt",))
    for name in ("report.html", "counts.parquet", "note.txt"):
        assert name in said.message


def test_a_changed_audit_is_changed_even_if_the_manifest_follows(made: Path) -> None:
    ours = bundle.read(made).id
    (made / "audit.json").write_bytes(b"{}")
    assert bundle.verify(made).changed == ("audit.json",)
    document = json.loads((made / "manifest.json").read_text())
    document["files"]["audit.json"]["sha256"] = document["bundle"] = hashlib.sha256(b"{}").hexdigest()
    (made / "manifest.json").write_text(json.dumps(document, indent=1) + "\n")
    assert bundle.verify(made).ok
    assert not bundle.verify(made, ours).ok


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"files": []}',
        '{"files": {"../x": {"sha256": "0"}}, "bundle": "1"}',
        "\x00",
        "[" * 9999,
    ],
)
def test_a_manifest_that_is_none(made: Path, text: str) -> None:
    (made / "manifest.json").write_text(text)
    assert bundle.verify(made).changed == ("manifest.json",)


def test_no_manifest(made: Path) -> None:
    (made / "manifest.json").unlink()
    assert bundle.verify(made).missing == ("manifest.json",)


def test_a_link_or_a_folder_in_a_file_s_place_is_a_change(made: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(FILES["report.html"])
    (made / "report.html").unlink()
    (made / "report.html").symlink_to(tmp_path / "elsewhere")
    (made / "counts.parquet").unlink()
    (made / "counts.parquet").mkdir()
    assert bundle.verify(made).changed == ("counts.parquet", "report.html")


def test_signatures_lie_outside_the_manifest(made: Path) -> None:
    (made / "signatures").mkdir()
    (made / "signatures/a.json").write_text("{}")
    assert bundle.verify(made).ok
    assert bundle.read(made).signatures == ("a.json",)


def test_signatures_stay_with_the_audit_they_sign(made: Path) -> None:
    (made / "signatures").mkdir()
    (made / "signatures/a.json").write_text("{}")
    bundle.write(made, {**FILES, "report.html": b"<p>newer</p>"})
    assert bundle.read(made).signatures == ("a.json",)
    bundle.write(made, NEW)
    assert bundle.read(made).signatures == ()


def test_a_new_bundle_takes_the_old_one_s_place(made: Path) -> None:
    bundle.write(made, NEW)
    assert bundle.verify(made).ok
    assert names(made) == ["audit.json", "manifest.json", "report.html"]
    assert names(made.parent) == ["audit-out"]


@pytest.mark.parametrize("folder", ["missing", "empty", "plain"])
def test_no_bundle_here(tmp_path: Path, folder: str) -> None:
    if folder == "empty":
        (tmp_path / folder).mkdir()
    if folder == "plain":
        (tmp_path / folder).write_text("x")
    with pytest.raises(BundleError) as caught:
        bundle.read(tmp_path / folder)
    assert caught.value.hint


def test_an_empty_folder_and_missing_parents_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bundle.write(tmp_path / "empty", FILES)
    bundle.write(tmp_path / "a/b/c", FILES)
    assert bundle.verify(tmp_path / "empty").ok
    assert bundle.verify(tmp_path / "a/b/c").ok


def test_through_a_link_the_folder_itself_is_replaced(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made)
    bundle.write(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert bundle.read(made).audit_json == NEW["audit.json"]


class TestRefused:
    def refused(self, target: Path) -> OutputError:
        before = sorted(str(path) for path in target.parent.rglob("*"))
        with pytest.raises(OutputError) as caught:
            bundle.write(target, NEW)
        assert sorted(str(path) for path in target.parent.rglob("*")) == before
        assert caught.value.where == str(target)
        assert caught.value.exit_code == 4
        return caught.value

    def test_a_folder_that_is_no_bundle(self, tmp_path: Path) -> None:
        (tmp_path / "src").mkdir()
        (tmp_path / "src/main.py").write_text("print()")
        assert "no bundle" in self.refused(tmp_path / "src").what

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        self.refused(tmp_path / "file")

    def test_a_bundle_with_a_stranger_s_file(self, made: Path) -> None:
        (made / "thesis.docx").write_text("x")
        assert "thesis.docx" in self.refused(made).what

    def test_a_parent_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError):
            bundle.write(tmp_path / "file" / "out", NEW)

    @pytest.mark.parametrize("name", ["../x", "a/b", "manifest.json", "signatures", ".hidden", ""])
    def test_names_that_would_lead_elsewhere(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="cannot be a file"):
            bundle.write(tmp_path / "out", {**NEW, name: b""})

    def test_without_an_audit(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"audit\.json"):
            bundle.write(tmp_path / "out", {"report.html": b""})


@pytest.mark.parametrize("call", ["fsync", "rename", "write"])
@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_what_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    at: int,
    existing: bool,
    error: BaseException,
) -> None:
    target = tmp_path / "new" / "deep" / "out" if not existing else tmp_path / "out"
    if existing:
        bundle.write(target, FILES)
    seen = 0

    def failing(real):  # type: ignore[no-untyped-def]
        def step(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal seen
            seen += 1
            if seen == at + 1:
                raise error
            return real(*args, **kwargs)

        return step

    with monkeypatch.context() as patch:
        if call == "fsync":
            patch.setattr(os, "fsync", failing(os.fsync))
        elif call == "rename":
            patch.setattr(Path, "rename", failing(Path.rename))
        else:
            patch.setattr(bundle, "_write_file", failing(bundle._write_file))
        try:
            bundle.write(target, NEW)
        except (OutputError, KeyboardInterrupt):
            failed = True
        else:
            failed = False
    if target.exists():
        content = bundle.read(target).audit_json
        assert bundle.verify(target).ok
        assert content in (FILES["audit.json"], NEW["audit.json"])
        assert failed or content == NEW["audit.json"]
        assert names(target.parent) == ["out"]
    else:
        assert failed
        assert not existing
        assert names(tmp_path) == []


def test_a_killed_writer_s_traces_are_cleared(made: Path) -> None:
    parent = made.parent
    made.rename(parent / ".audit-out.previous")
    (parent / ".audit-out.unfinished").mkdir()
    (parent / ".audit-out.unfinished/audit.json").write_bytes(b"{")
    assert bundle.read(made).audit_json == FILES["audit.json"]
    assert bundle.verify(made).ok
    assert names(parent) == ["audit-out"]

    shutil.copytree(made, parent / ".audit-out.previous")
    bundle.write(made, NEW)
    assert names(parent) == ["audit-out"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_no_permission(made: Path) -> None:
    made.parent.chmod(0o555)
    try:
        with pytest.raises(OutputError):
            bundle.write(made, NEW)
        assert bundle.verify(made).ok
    finally:
        made.parent.chmod(0o755)


def test_two_writers_at_once_leave_one_whole_bundle(tmp_path: Path) -> None:
    target = tmp_path / "out"
    failures: list[BaseException] = []

    def work(which: int) -> None:
        try:
            for turn in range(10):
                bundle.write(target, {"audit.json": f"{which}-{turn}".encode(), "a.bin": bytes(5000)})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert bundle.verify(target).ok
    assert names(tmp_path) == ["out"]
