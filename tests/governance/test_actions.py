"""Actions, their effects and imported scores, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import bundle, codec
from audit.cli.main import main
from audit.errors import SpecError
from audit.governance import effects
from audit.governance.harms import Effect
from audit.governance.harms_file import load_register
from audit.governance.register import Book
from audit.governance.tier import load_questionnaire, load_tier
from tests.governance.project import failing, passing

BY = ("--by", "Ada")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["checklist", "new", "SCOPE"]) == 0
    return tmp_path


@pytest.fixture
def harm(here: Path) -> Path:
    assert main(["harms", "add", "Women are refused", *BY]) == 0
    return here / "governance/harms.yaml"


def act(*words: str) -> int:
    return main(["harms", *words, *BY])


PLAN = ("--type", "model", "--what", "train again")


def test_an_action_goes_from_plan_to_verified(harm: Path) -> None:
    more = ("--owner", "Ada", "--approver", "Grace", "--due", "2026-12-24", "--critical")
    assert act("action", "h-001", *PLAN, *more) == 0
    (made,) = load_register(harm).actions
    assert (made.id, made.harms, made.critical, made.status) == ("A-001", ("H-001",), True, "proposed")
    for step in ("approved", "in_progress", "implemented"):
        assert act("move", "A-001", step) == 0
    assert act("move", "A-001", "verified") == 2
    assert (
        act("effect", "a-001", "--delta", "0.1", "--low", "0.04", "--high", "0.16", "--result", "again") == 0
    )
    assert act("move", "A-001", "verified") == 0
    history = Book.open(harm).history("A-001")
    assert any(line.endswith("effect 0.1 (0.04 to 0.16): again") for line in history)


@pytest.mark.parametrize(
    ("numbers", "sides"),
    [
        (("--delta", "0.1", "--low", "-0.01", "--high", "0.2"), ()),
        (
            ("--delta", "0.1", "--low", "0.04", "--high", "0.2"),
            ("--side", "accuracy", "men", "-0.02", "-0.05", "0.01", "0.03"),
        ),
    ],
    ids=["an interval over none", "a worsening elsewhere"],
)
def test_an_effect_that_is_none_or_harms_others_is_not_verified(
    harm: Path, numbers: tuple[str, ...], sides: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    act("action", "H-001", *PLAN, "--owner", "Ada", "--approver", "Grace", "--due", "2026-12-24")
    for step in ("approved", "in_progress", "implemented"):
        act("move", "A-001", step)
    assert act("effect", "A-001", *numbers, *sides, "--result", "again") == 0
    assert act("move", "A-001", "verified") == 2
    said = capsys.readouterr().err
    assert "does not exclude none" in said or "may be worse by 0.05" in said


@pytest.mark.parametrize(
    "words",
    [
        ("action", "H-009", *PLAN),
        ("action", *PLAN),
        ("action", "H-001", "--type", "magic", "--what", "x"),
        ("effect", "A-009", "--delta", "1", "--low", "0", "--high", "2", "--result", "x"),
        ("effect", "A-001", "--delta", "3", "--low", "0", "--high", "2", "--result", "x"),
        ("effect", "A-001", "--delta", "nan", "--low", "0", "--high", "2", "--result", "x"),
        ("none", "poetry", "--because", "x"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(harm: Path, words: tuple[str, ...]) -> None:
    act("action", "H-001", *PLAN)
    before = harm.read_bytes()
    assert act(*words) == 2
    assert harm.read_bytes() == before


class TestMeasured:
    @pytest.fixture
    def audits(self, harm: Path) -> Path:
        """Bundles before and after, and a planned action."""
        here = harm.parents[1]
        bundle.write(here / "old", {"audit.json": codec.dumps(failing(0.6))})
        bundle.write(here / "new", {"audit.json": codec.dumps(failing(0.9))})
        bundle.write(here / "other", {"audit.json": codec.dumps(passing())})
        act("action", "H-001", *PLAN)
        return harm

    def test_the_effect_is_that_of_the_two_audits(self, audits: Path) -> None:
        assert act("effect", "A-001", "--before", "old", "--after", "new", "--rule", "approval") == 0
        (made,) = load_register(audits).actions
        # 0.6 (0.55 to 0.65) is a gap of 0.4 (0.35 to 0.45); 0.9 (0.85 to 0.95) one of 0.1 (0.05 to 0.15)
        assert made.effect == Effect(0.3, 0.2, 0.4)
        text = audits.read_text("utf-8")
        assert "the same data file" in text
        assert bundle.read(audits.parents[1] / "old").id in text.replace("\n      ", "")

    def test_an_interval_over_parity_leaves_no_least_gap(self) -> None:
        (gap,) = effects.gaps(failing(0.98), "approval")
        assert (round(gap.value, 9), gap.low, round(gap.high, 9)) == (0.02, 0.0, 0.07)

    def test_worse_is_negative(self) -> None:
        found = effects.effect_of(failing(0.9), failing(0.6), "approval")
        assert (round(found.delta, 9), found.high < 0) == (-0.3, True)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--before", "old"), "two audits and a rule"),
            (("--before", "old", "--after", "new"), "two audits and a rule"),
            (("--before", "old", "--after", "new", "--rule", "aproval"), "Did you mean approval"),
            (("--before", "old", "--after", "new", "--rule", "approval", "--group", "Men"), "of Men"),
            (("--before", "old", "--after", "new", "--rule", "approval", "--delta", "1"), "not both"),
            (("--delta", "1"), "lacks --low, --high, --result"),
        ],
    )
    def test_what_two_audits_do_not_say_is_refused(
        self, audits: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = audits.read_bytes()
        assert act("effect", "A-001", *words) == 2
        assert said in capsys.readouterr().err
        assert audits.read_bytes() == before


def test_a_theme_without_harm_is_noted_and_hostile_words_come_back(harm: Path) -> None:
    words = "<script>alert(1)</script>: {x} 'y' # z"
    assert act("none", "social_system", "--because", words) == 0
    (found,) = load_register(harm).nothing
    assert (found.theme, found.because, found.by) == ("social_system", words, "Ada")


class TestImportedScore:
    @pytest.mark.parametrize(
        ("raw", "mitigation", "total", "level"),
        [
            (42, 0, 42, 2), (42, 62, 36, 1), (84, 61, 84, 3), (84, 62, 71, 2),
            (126, 61, 126, 4), (126, 62, 107, 3), (10, 62, 9, 1), (167, 77, 142, 4),
        ],
    )  # fmt: skip
    def test_the_published_totals_and_levels(
        self,
        here: Path,
        raw: int,
        mitigation: int,
        total: int,
        level: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        words = ("checklist", "aia", "--raw", str(raw), "--mitigation", str(mitigation), *BY)
        assert main(words) == 0
        assert f"level {level} by the imported assessment: {total} of 167 points" in capsys.readouterr().out
        found = load_tier(here / "governance/tier.yaml")
        assert found is not None
        assert found.tier == level

    def test_it_only_raises_what_the_own_questions_gave(self, here: Path) -> None:
        path = here / "governance/tier.yaml"
        asked = load_questionnaire()
        rows = "".join(f"  {q.id}: {q.options[0].answer}\n" for q in (*asked.raw, *asked.safeguards))
        path.write_text(f"# ours\nanswers:\n{rows}agreed_by: Grace\n", encoding="utf-8")
        assert main(["checklist", "aia", "--raw", "126", "--mitigation", "0", *BY]) == 0
        found = load_tier(path)
        assert found is not None
        assert (found.tier, found.agreed_by) == (4, "Grace")
        assert path.read_text("utf-8").startswith("# ours\n")
        assert main(["checklist", "aia", "--raw", "10", "--mitigation", "0", *BY]) == 0
        again = load_tier(path)
        assert again is not None
        assert again.tier == 1

    def test_the_file_is_named_with_its_digest(self, here: Path) -> None:
        (here / "aia.json").write_text("{}", encoding="utf-8")
        words = ("checklist", "aia", "--raw", "10", "--mitigation", "0", "--file", "aia.json", *BY)
        assert main(words) == 0
        found = load_tier(here / "governance/tier.yaml")
        assert found is not None
        assert found.imported is not None
        assert found.imported.sha256 is not None
        assert found.imported.sha256.startswith("44136fa355b3678a")

    @pytest.mark.parametrize(("raw", "mitigation"), [("168", "0"), ("-1", "0"), ("10", "78"), ("x", "0")])
    def test_points_that_cannot_be_are_refused(self, here: Path, raw: str, mitigation: str) -> None:
        before = (here / "governance/tier.yaml").read_bytes()
        assert main(["checklist", "aia", "--raw", raw, "--mitigation", mitigation, *BY]) == 2
        assert (here / "governance/tier.yaml").read_bytes() == before

    def test_a_half_written_score_is_named_by_line(self, tmp_path: Path) -> None:
        path = tmp_path / "tier.yaml"
        path.write_text("answers:\naia:\n  raw: 10\n", encoding="utf-8")
        with pytest.raises(SpecError, match="needs raw") as raised:
            load_tier(path)
        assert str(raised.value.where).startswith(f"{path}:")
