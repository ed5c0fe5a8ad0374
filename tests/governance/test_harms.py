"""The harm register: graded without a bare product, moved by rules, with a history and ids that last."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import SpecError, UsageError
from audit.governance import seeding
from audit.governance.rating import LEVELS, above, level_of
from audit.governance.register import ACTION_MOVES, HARM_MOVES, Book
from audit.governance.themes import load_kinds
from tests.governance.project import DAY, answer, failing, passing, status

GRAVE = {
    "severity": 4,
    "likelihood": 4,
    "scale": 3,
    "reversibility": 2,
    "detectability": 2,
    "rationale": "jobs",
}
SLIGHT = {
    "severity": 1,
    "likelihood": 1,
    "scale": 2,
    "reversibility": 1,
    "detectability": 1,
    "rationale": "rare",
}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book.open(tmp_path / "governance" / "harms.yaml")


def row(book: Book, **fields: Any) -> str:
    harm = book.add_harm("Women are passed over", source="consultation", by="Ada", on=DAY)
    if fields:
        book.set(harm.id, **fields)
    return harm.id


def to_review(book: Book, residual: dict[str, Any]) -> str:
    name = row(book, inherent=GRAVE, owner="Ada", treatment="reduce", due=DAY, residual=residual)
    for step in ("assessed", "treating", "residual_review"):
        book.move(name, step, by="Ada", on=DAY)
    return name


def test_levels_never_fall_as_anything_gets_worse() -> None:
    ranges = (range(1, 6), range(1, 6), range(1, 6), range(1, 5))
    for point in product(*ranges):
        for axis, values in enumerate(ranges):
            if point[axis] < values[-1]:
                worse = tuple(v + (i == axis) for i, v in enumerate(point))
                assert LEVELS.index(level_of(*worse)) >= LEVELS.index(level_of(*point)), (point, worse)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_the_worst_harm_is_never_made_small_by_being_rare(
    likelihood: int, scale: int, reversibility: int
) -> None:
    assert above(level_of(5, likelihood, scale, reversibility), "moderate")
    assert above(level_of(4, likelihood, scale, reversibility), "low")


def test_it_is_no_bare_product() -> None:
    assert level_of(5, 1, 1, 1) != level_of(1, 5, 1, 1)
    assert level_of(3, 3, 3, 1) != level_of(3, 3, 4, 1)
    assert level_of(3, 3, 3, 3) != level_of(3, 3, 3, 4)


def test_twenty_kinds_in_five_themes() -> None:
    kinds = load_kinds()
    assert len({kind.code for kind in kinds}) == 20
    assert len({kind.theme for kind in kinds}) == 5
    assert all(kind.ask.endswith("?") for kind in kinds)


def test_a_row_moves_only_where_its_rules_allow(book: Book) -> None:
    name = row(book)
    for wrong in ("treating", "closed", "accepted", "reopened", "nonsense"):
        with pytest.raises(UsageError, match="cannot become"):
            book.move(name, wrong, by="Ada", on=DAY)
    with pytest.raises(UsageError, match="inherent"):
        book.move(name, "assessed", by="Ada", on=DAY)
    book.set(name, inherent=GRAVE)
    book.move(name, "assessed", by="Ada", on=DAY)
    with pytest.raises(UsageError, match="an owner and a treatment and a due date"):
        book.move(name, "treating", by="Ada", on=DAY)


def test_half_a_rating_is_none(book: Book) -> None:
    name = row(book, inherent={**GRAVE, "rationale": None})
    with pytest.raises(UsageError, match="inherent"):
        book.move(name, "assessed", by="Ada", on=DAY)


def test_what_is_within_tolerance_closes_and_what_is_not_needs_acceptance(book: Book) -> None:
    small = to_review(book, SLIGHT)
    book.move(small, "closed", by="Ada", on=DAY)
    grave = to_review(book, GRAVE)
    with pytest.raises(UsageError, match="above low"):
        book.move(grave, "closed", by="Ada", on=DAY)
    with pytest.raises(UsageError, match="acceptance"):
        book.move(grave, "accepted", by="Ada", on=DAY)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"by": "ADA"}, "owner cannot accept"), ({"until": DAY - timedelta(days=1)}, "ran out")],
)
def test_acceptance_is_anothers_and_not_past(book: Book, change: dict[str, Any], said: str) -> None:
    name = to_review(book, GRAVE)
    acceptance = {"by": "Grace", "role": "risk", "rationale": "pilot of ten", "until": date(2027, 5, 1)}
    book.set(name, acceptance={**acceptance, **change})
    with pytest.raises(UsageError, match=said):
        book.move(name, "accepted", by="Grace", on=DAY)


def test_acceptance_runs_out(book: Book) -> None:
    name = to_review(book, GRAVE)
    until = date(2027, 5, 1)
    book.set(name, acceptance={"by": "Grace", "role": "risk", "rationale": "pilot", "until": until})
    book.move(name, "accepted", by="Grace", on=DAY)
    harm = book.register.harm(name)
    assert harm.status_on(until) == "accepted"
    assert harm.status_on(until + timedelta(days=1)) == "reopened"
    assert book.register.beyond_tolerance(until) == ()
    assert book.register.beyond_tolerance(until + timedelta(days=1)) == (harm,)


def test_an_acceptance_without_an_end_is_refused(book: Book) -> None:
    name = row(book)
    with pytest.raises(SpecError, match="until"):
        book.set(name, acceptance={"by": "Grace", "role": "risk", "rationale": "x"})


def action(book: Book, harm: str, **fields: Any) -> str:
    made = book.add_action("threshold", "Move the cutoff", (harm,), by="Ada", on=DAY)
    book.set(made.id, owner="Ada", approver="Grace", due=DAY, **fields)
    return made.id


def implemented(book: Book, harm: str, **fields: Any) -> str:
    name = action(book, harm, **fields)
    for step in ("approved", "in_progress", "implemented"):
        book.move(name, step, by="Grace", on=DAY)
    return name


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "no effect was measured"),
        ({"effect": {"delta": 0.1, "low": -0.01, "high": 0.2}}, "does not exclude none"),
        ({"effect": {"delta": 0.1, "low": 0.0, "high": 0.2}}, "does not exclude none"),
        (
            {
                "effect": {"delta": 0.1, "low": 0.05, "high": 0.2},
                "side_effects": [
                    {
                        "metric": "accuracy",
                        "group": "Male",
                        "delta": -0.02,
                        "low": -0.04,
                        "high": 0,
                        "limit": 0.03,
                    }
                ],
            },
            "may be worse by 0.04",
        ),
    ],
)
def test_an_action_is_verified_by_evidence_alone(book: Book, fields: dict[str, Any], said: str) -> None:
    harm = row(book)
    name = implemented(book, harm, **fields)
    with pytest.raises(UsageError, match=said):
        book.move(name, "verified", by="Grace", on=DAY)
    book.move(name, "ineffective", by="Grace", on=DAY)
    assert book.register.harm(harm).status == "reopened"


def test_an_action_with_an_effect_is_verified(book: Book) -> None:
    side = {"metric": "accuracy", "group": "Male", "delta": -0.01, "low": -0.02, "high": 0, "limit": 0.03}
    name = implemented(book, row(book), effect={"delta": 0.1, "low": 0.05, "high": 0.2}, side_effects=[side])
    book.move(name, "verified", by="Grace", on=DAY)
    assert book.register.actions[0].status == "verified"


def test_nobody_approves_their_own_action(book: Book) -> None:
    name = action(book, row(book))
    book.set(name, approver="ada")
    with pytest.raises(UsageError, match="not its owner"):
        book.move(name, "approved", by="Ada", on=DAY)


def test_a_harm_with_an_open_action_does_not_close(book: Book) -> None:
    name = to_review(book, SLIGHT)
    todo = action(book, name)
    with pytest.raises(UsageError, match=todo):
        book.move(name, "closed", by="Ada", on=DAY)
    book.move(todo, "cancelled", by="Ada", on=DAY)
    book.move(name, "closed", by="Ada", on=DAY)


def test_every_status_can_be_left_or_is_final() -> None:
    for moves in (HARM_MOVES, ACTION_MOVES):
        assert {to for steps in moves.values() for to in steps} <= set(moves)
    assert "closed" not in HARM_MOVES["identified"]


def test_history_is_appended_and_ids_are_never_used_again(book: Book) -> None:
    first, second = row(book), row(book)
    assert (first, second) == ("H-001", "H-002")
    book.save()
    path = book.document.path
    lines = path.read_text("utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if "H-002" in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("actions"))
    path.write_text("\n".join(lines[:start] + lines[end:]) + "\n", encoding="utf-8")
    again = Book.open(path)
    assert [harm.id for harm in again.register.harms] == ["H-001"]
    assert row(again) == "H-003"
    again.set("H-001", inherent=GRAVE)
    again.move("H-001", "assessed", by="Ada", on=DAY, note="with the team")
    assert again.history("H-001") == (
        "2026-11-22 Ada: identified, from consultation",
        "2026-11-22 Ada: assessed, with the team",
    )


def test_a_doubled_id_is_refused(book: Book) -> None:
    row(book), row(book)
    book.save()
    path = book.document.path
    path.write_text(path.read_text("utf-8").replace("H-002", "H-001"), encoding="utf-8")
    with pytest.raises(SpecError, match="never used again"):
        Book.open(path)


@pytest.mark.parametrize("field", ["id", "status", "history"])
def test_what_has_rules_is_not_set_by_hand(book: Book, field: str) -> None:
    with pytest.raises(UsageError, match="not set by hand"):
        book.set(row(book), **{field: "closed"})


def test_each_violation_becomes_one_row_however_often_it_is_seen(book: Book) -> None:
    done = seeding.from_result(book, failing(), "aa", on=DAY)
    assert done.added == ("H-001",)
    harm = book.register.harms[0]
    assert (harm.status, harm.owner, harm.source) == ("identified", None, "audit")
    assert harm.trigger is not None
    assert (harm.trigger.observed, harm.trigger.group, harm.trigger.bundle) == (0.6, "Female", "aa")
    book.save()
    assert seeding.from_result(book, failing(), "aa", on=DAY).added == ()
    assert book.save() is False
    assert seeding.from_result(book, failing(0.62), "bb", on=DAY) == seeding.Seeded((), ())
    trigger = book.register.harms[0].trigger
    assert trigger is not None
    assert trigger.bundle == "bb"


def test_a_pass_seeds_nothing(book: Book) -> None:
    assert seeding.from_result(book, passing(), "aa", on=DAY) == seeding.Seeded((), ())


def closed(book: Book, how: str) -> None:
    seeding.from_result(book, failing(), "aa", on=DAY)
    book.set("H-001", inherent=GRAVE, owner="Ada", treatment="reduce", due=DAY)
    book.set("H-001", residual=SLIGHT if how == "closed" else GRAVE)
    for step in ("assessed", "treating", "residual_review"):
        book.move("H-001", step, by="Ada", on=DAY)
    if how == "accepted":
        word = {"by": "Grace", "role": "risk", "rationale": "x", "until": date(2027, 5, 1)}
        book.set("H-001", acceptance=word)
    book.move("H-001", how, by="Grace", on=DAY)


def test_a_relapse_opens_a_closed_row(book: Book) -> None:
    closed(book, "closed")
    assert seeding.from_result(book, passing(), "bb", on=DAY).reopened == ()
    assert seeding.from_result(book, failing(), "cc", on=DAY).reopened == ("H-001",)
    assert book.register.harms[0].status == "reopened"
    assert "fails again" in book.history("H-001")[-1]


@pytest.mark.parametrize(("value", "opens"), [(0.62, False), (0.4, True)])
def test_what_was_accepted_opens_only_when_it_gets_worse(book: Book, value: float, opens: bool) -> None:
    closed(book, "accepted")
    assert bool(seeding.from_result(book, failing(value), "bb", on=DAY).reopened) is opens


def test_a_question_answered_no_becomes_a_row_once(book: Book, tmp_path: Path) -> None:
    answer(tmp_path, "OVER-04", answer="no", note="no appeal yet")
    found = [status(tmp_path, "OVER-04")]
    assert seeding.from_answers(book, found, on=DAY).added == ("H-001",)
    assert book.register.harms[0].links == ("OVER-04",)
    assert seeding.from_answers(book, found, on=DAY).added == ()


def test_every_move_adds_exactly_one_line_of_history(book: Book) -> None:
    name = to_review(book, SLIGHT)
    steps = book.history(name)
    assert [line.split(": ")[1].split(",")[0] for line in steps] == [
        "identified",
        "assessed",
        "treating",
        "residual_review",
    ]
    assert all(a != b for a, b in pairwise(steps))
