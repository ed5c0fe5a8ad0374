"""The history of looks: counted, locked, whole or as it was."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audit.errors import OutputError
from audit.looks import count_look

NOW = "2026-11-22T00:00:00+00:00"


def test_counted_by_policy_and_data(tmp_path: Path) -> None:
    history = tmp_path / "looks.jsonl"
    looks = [("p", "d"), ("p", "d"), ("q", "d"), ("p", "e"), ("p", "d")]
    assert [count_look(history, *look, created_at=NOW) for look in looks] == [1, 2, 1, 1, 3]
    assert [json.loads(line)["look"] for line in history.read_text().splitlines()] == [1, 2, 1, 1, 3]


def test_a_missing_line_end_is_mended(tmp_path: Path) -> None:
    history = tmp_path / "looks.jsonl"
    history.write_text('{"policy": "p", "data": "d"}')
    assert count_look(history, "p", "d", created_at=NOW) == 2
    assert len(history.read_text().splitlines()) == 2


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"policy": "p"}', "null"])
def test_a_line_that_is_none_is_an_error(tmp_path: Path, line: str) -> None:
    history = tmp_path / "looks.jsonl"
    history.write_text(f'{{"policy": "p", "data": "d"}}\n{line}\n')
    with pytest.raises(OutputError) as caught:
        count_look(history, "p", "d", created_at=NOW)
    assert caught.value.where == f"{history}:2"


def test_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        count_look(tmp_path / "no/such/folder", "p", "d", created_at=NOW)


def test_many_at_once_count_each(tmp_path: Path) -> None:
    history = tmp_path / "looks.jsonl"
    seen: list[int] = []

    def look() -> None:
        seen.append(count_look(history, "p", "d", created_at=NOW))

    threads = [threading.Thread(target=look) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 26))


ONE = '{"policy": "p", "data": "d", "look": 1, "at": "2026-11-21T00:00:00+00:00"}\n'


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on file size")
@pytest.mark.parametrize("room", [0, 10])
@pytest.mark.parametrize("held", [None, "", ONE, ONE.strip()])
def test_a_disk_that_is_full_leaves_what_was(tmp_path: Path, held: str | None, room: int) -> None:
    history = tmp_path / "looks.jsonl"
    if held is not None:
        history.write_text(held)
    script = (
        "import resource, signal, sys; from pathlib import Path; from audit.looks import count_look;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(held or '') + room},) * 2);"
        f"count_look(Path({str(history)!r}), 'p', 'd', created_at={NOW!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "OutputError" in done.stderr
    assert "--history" in done.stderr
    assert (history.read_text() if history.exists() else None) == held
    if held:
        assert count_look(history, "p", "d", created_at=NOW) == 2
