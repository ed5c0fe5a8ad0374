"""Files that people and programs share: nothing is lost, and every mistake has a file and a line."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import OutputError, SpecError, UsageError
from audit.governance import yamlfile
from audit.governance.answers import AnswerFile, load_answers
from audit.governance.catalogue import load_catalogue
from audit.governance.facts import TEMPLATE as FACTS
from audit.governance.facts import Facts, load_facts
from audit.governance.register import TEMPLATE as HARMS
from audit.governance.register import Book
from audit.governance.team import TEMPLATE as TEAM
from audit.governance.team import load_team
from tests.governance.project import DAY, answer

LIST = load_catalogue().list("SCOPE")
ITEM = LIST.items[0]


def scope(folder: Path) -> AnswerFile:
    return AnswerFile.open(folder, LIST)


def made(folder: Path) -> Path:
    file = scope(folder)
    file.fill()
    file.save()
    return file.document.path


def test_making_twice_changes_nothing(tmp_path: Path) -> None:
    path = made(tmp_path)
    before = path.read_bytes()
    again = scope(tmp_path)
    assert again.fill() == 0
    assert again.save() is False
    assert path.read_bytes() == before
    assert all(item.question in path.read_text("utf-8") for item in LIST.items)


def test_comments_order_and_quotes_of_a_person_are_kept(tmp_path: Path) -> None:
    path = made(tmp_path)
    text = path.read_text("utf-8").replace(
        "    note:\n", "    note: 'as agreed'  # asked legal on Monday\n", 1
    )
    path.write_text("# ours, do not reformat\n" + text, encoding="utf-8")
    file = scope(tmp_path)
    file.give(ITEM, by="Ada", on=DAY, answer="yes")
    file.save()
    kept = path.read_text("utf-8")
    assert kept.startswith("# ours, do not reformat\n")
    assert "note: 'as agreed'  # asked legal on Monday" in kept
    assert "&id" not in kept


def test_history_only_grows(tmp_path: Path) -> None:
    for said in ("yes", "no", "yes"):
        answer(tmp_path, "SCOPE-01", answer=said)
    text = (tmp_path / "governance/answers/SCOPE.yaml").read_text("utf-8")
    assert text.count("by: Ada, ") + text.count("by: Ada,\n") >= 3
    assert "from: yes, to: no" in text
    assert "from: no, to: yes" in text


def test_the_second_of_two_writers_is_told(tmp_path: Path) -> None:
    path = made(tmp_path)
    first, second = scope(tmp_path), scope(tmp_path)
    first.give(ITEM, by="Ada", on=DAY, answer="yes")
    first.save()
    kept = path.read_bytes()
    second.give(ITEM, by="Grace", on=DAY, answer="no")
    with pytest.raises(UsageError, match="somebody else"):
        second.save()
    assert path.read_bytes() == kept


def test_a_file_made_by_somebody_else_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    mine = scope(tmp_path)
    mine.fill()
    made(tmp_path)
    mine.give(ITEM, by="Ada", on=DAY, answer="yes")
    with pytest.raises(UsageError, match="somebody else"):
        mine.save()


def test_merge_marks_are_named_by_line(tmp_path: Path) -> None:
    path = made(tmp_path)
    lines = path.read_text("utf-8").splitlines()
    lines[10:10] = ["<<<<<<< ours", "    answer: yes", "=======", "    answer: no", ">>>>>>> theirs"]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SpecError, match="unfinished merge") as raised:
        scope(tmp_path)
    assert raised.value.where == f"{path}:11"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("list: SCOPE\nanswers:\n  SCOPE-01: {answer: yes\n", None),
        ("list: SCOPE\nanswers:\n\tSCOPE-01:\n", 3),
        ("list: SCOPE\nanswers:\n  SCOPE-01:\n  SCOPE-01:\n", 4),
        ("- a\n- b\n", 1),
        ("just words", 1),
        ("list: SCOPE\nanswers: [1, 2]\n", None),
        ("list: SCOPE\nanswers:\n  SCOPE-01: yes\n", None),
        ("list: SCOPE\nanswers:\n  SCOPE-01:\n    answer: perhaps\n", 4),
        ("list: SCOPE\nanswers:\n  SCOPE-01:\n    anser: yes\n", 4),
        ("list: SCOPE\nanswers:\n  SCOPE-99:\n    answer: yes\n", 3),
        ("list: SCOPE\nanswers:\n  SCOPE-01:\n    answered_at: tomorrow\n", 4),
        ("list: SCOPE\nanswers:\n  SCOPE-01:\n    waiver: {reason: x}\n", None),
        ("list: HARM\nanswers: {}\n", 1),
        ("\x00", None),
    ],
)
def test_a_corrupt_file_is_named_with_its_line(tmp_path: Path, text: str, line: int | None) -> None:
    path = tmp_path / "SCOPE.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        scope(tmp_path)
    where = str(raised.value.where)
    assert where.startswith(str(path))
    assert line is None or where == f"{path}:{line}"


def test_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "SCOPE.yaml").write_bytes(b"list: SCOPE\nanswers: {}\n# \xff\n")
    with pytest.raises(SpecError, match="UTF-8") as raised:
        scope(tmp_path)
    assert str(raised.value.where).endswith(":3")


def test_an_answer_file_of_no_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "SCOPES.yaml").write_text("list: SCOPES\n", encoding="utf-8")
    with pytest.raises(SpecError, match="SCOPES") as raised:
        load_answers(tmp_path, load_catalogue())
    assert raised.value.hint == "Did you mean SCOPE?"


@given(st.text(max_size=60))
def test_whatever_stands_in_a_file_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        yamlfile.parse(text, Path("x.yaml"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
def test_whatever_a_person_types_comes_back(text: str) -> None:
    document = yamlfile.Document(Path("x.yaml"), yamlfile.parse("note:\n", Path("x.yaml")), None)
    document.data["note"] = text
    assert yamlfile.parse(yamlfile.dump(document.data), Path("x.yaml"))["note"] == text


WRITER = """
import sys
from pathlib import Path
from audit.governance import yamlfile
path = Path(sys.argv[1])
while True:
    document = yamlfile.load(path)
    document.data["count"] += 1
    document.data["pad"] = "x" * 200_000
    document.save()
    print(document.data["count"], flush=True)
"""


def test_a_kill_in_mid_write_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("count: 0\n", encoding="utf-8")
    last = 0
    for delay in (0.0, 0.01, 0.02, 0.03):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        said = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        document = yamlfile.load(path)
        assert document.data["count"] >= max([last, *said])
        assert len(document.data["pad"]) == 200_000
        last = document.data["count"]
    assert last >= 4


def _race(path: str, gate: object, results: object) -> None:
    document = yamlfile.load(Path(path))
    document.data["count"] += 1
    gate.wait()  # type: ignore[attr-defined]
    try:
        document.save()
        results.put(True)  # type: ignore[attr-defined]
    except UsageError:
        results.put(False)  # type: ignore[attr-defined]


def test_of_many_writers_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("count: 0\n", encoding="utf-8")
    context = multiprocessing.get_context("fork")
    gate, results = context.Barrier(4), context.Queue()
    writers = [context.Process(target=_race, args=(str(path), gate, results)) for _ in range(4)]
    for writer in writers:
        writer.start()
    won = [results.get(timeout=20) for _ in writers]
    for writer in writers:
        writer.join(20)
    assert won.count(True) == 1
    assert yamlfile.load(path).data["count"] == 1


def test_a_folder_that_takes_no_file_is_an_output_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    document = yamlfile.Document(blocked / "SCOPE.yaml", yamlfile.parse("a: 1\n", blocked), None)
    with pytest.raises(OutputError, match="could not be written"):
        document.save()


@pytest.mark.parametrize("template", [FACTS, TEAM, HARMS], ids=["facts", "team", "harms"])
def test_templates_read_back_as_empty_and_stay_as_they_are(tmp_path: Path, template: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(template, encoding="utf-8")
    assert yamlfile.load(path).save() is False
    if template == FACTS:
        assert load_facts(path) == Facts()
    elif template == TEAM:
        assert load_team(path).reviewers == ()
    else:
        assert Book.open(path).register.harms == ()


def test_facts_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "facts.yaml"
    path.write_text(
        "modality: tabular\nsimplified_output: yes\ndistribution_date: 2026-11-30\n"
        "auditor: {name: A, independent: no}\nreaudit: {every_days: 90, on: [model]}\n",
        encoding="utf-8",
    )
    facts = load_facts(path)
    assert (facts.simplified_output, facts.auditor_independent, facts.reaudit_on) == ("yes", "no", ("model",))
    path.write_text("modality: tables\n", encoding="utf-8")
    with pytest.raises(SpecError, match="Allowed: tabular"):
        load_facts(path)


def test_a_team_is_described_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(
        "reviewers:\n  - {name: Ada, role: engineer, perspectives: [first generation at university]}\n"
        "consulted:\n  - {who: tenants' union, on: 2026-10-01, how: meetings, changed: the appeal form}\n",
        encoding="utf-8",
    )
    team = load_team(path)
    assert team.reviewers[0].perspectives == ("first generation at university",)
    assert team.consulted[0].changed == "the appeal form"
