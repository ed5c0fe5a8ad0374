"""The impact tier: the arithmetic of Canada's assessment, and floors that nothing lifts."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import SpecError
from audit.governance import yamlfile
from audit.governance.tier import (
    AIA_MITIGATION_MAX,
    AIA_RAW_MAX,
    ROLES,
    load_questionnaire,
    load_tier,
    score,
    template,
)


@pytest.mark.parametrize(
    ("raw", "mitigation", "total", "level"),
    [
        (42, 0, 42, 2),
        (42, 62, 36, 1),
        (84, 61, 84, 3),
        (84, 62, 71, 2),
        (126, 61, 126, 4),
        (126, 62, 107, 3),
        (10, 62, 9, 1),  # 8.5 goes up, where Python's round goes down
        (167, 77, 142, 4),
    ],
)
def test_aia_scores(raw: int, mitigation: int, total: int, level: int) -> None:
    assert score(raw, mitigation, AIA_RAW_MAX, AIA_MITIGATION_MAX) == (total, level)


@pytest.mark.parametrize("points", [(-1, 0), (168, 0), (0, -1), (0, 78)])
def test_impossible_points_are_refused(points: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="between 0"):
        score(*points, AIA_RAW_MAX, AIA_MITIGATION_MAX)


def write(folder: Path, **answers: str) -> Path:
    asked = load_questionnaire()
    rows = {q.id: q.options[0].answer for q in (*asked.raw, *asked.safeguards)} | answers
    path = folder / "tier.yaml"
    lines = [f"  {name}: {answer}" for name, answer in rows.items() if answer]
    path.write_text("answers:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_least_of_everything_is_tier_one(tmp_path: Path) -> None:
    tier = load_tier(write(tmp_path))
    assert tier is not None
    assert (tier.tier, tier.floor) == (1, 1)


@pytest.mark.parametrize(
    ("answers", "floor"),
    [({"reversal": "never"}, 3), ({"children": "yes"}, 3), ({"legal_effect": "yes"}, 2)],
)
def test_floors_hold_against_every_safeguard(tmp_path: Path, answers: dict[str, str], floor: int) -> None:
    guards = dict.fromkeys((q.id for q in load_questionnaire().safeguards), "yes")
    tier = load_tier(write(tmp_path, **answers, **guards))
    assert tier is not None
    assert tier.tier == floor
    assert "floor" in tier.words


def test_all_safeguards_lower_the_points_by_their_credit_alone(tmp_path: Path) -> None:
    worst = {q.id: max(q.options, key=lambda o: o.points).answer for q in load_questionnaire().raw}
    guards = dict.fromkeys((q.id for q in load_questionnaire().safeguards), "yes")
    tier = load_tier(write(tmp_path, **worst, **guards))
    assert tier is not None
    assert tier.tier == 4
    assert tier.total == (85 * tier.raw + 50) // 100


def test_one_open_question_and_there_is_no_tier(tmp_path: Path) -> None:
    tier = load_tier(write(tmp_path, stakes=""))
    assert tier is not None
    assert tier.tier is None
    assert tier.unanswered == ("stakes",)


def test_an_unknown_answer_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="huge") as raised:
        load_tier(write(tmp_path, stakes="huge"))
    assert raised.value.where is not None
    assert raised.value.where.endswith("tier.yaml:2")


def test_the_template_reads_back_as_wholly_unanswered(tmp_path: Path) -> None:
    path = tmp_path / "tier.yaml"
    path.write_text(template(load_questionnaire()), encoding="utf-8")
    tier = load_tier(path)
    assert tier is not None
    assert len(tier.unanswered) == len(load_questionnaire().raw)
    assert yamlfile.load(path).save() is False


def test_duties_grow_with_the_tier() -> None:
    duties = load_questionnaire().duties
    assert sorted(duties) == [1, 2, 3, 4]
    for tier in (2, 3, 4):
        assert all(duties[tier].get(role, 0) >= number for role, number in duties[tier - 1].items())
    assert duties[4]["independent"] == 2
    assert {role for each in duties.values() for role in each} <= set(ROLES)
