"""The registry of laws and standards: whole, told apart by how it is known, and judged for a day."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from audit import resources
from audit.errors import SpecError, UsageError
from audit.governance.references import Registry, load_registry, standing
from tests.architecture.modules import ROOT

DAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_nist_has_its_seventy_two_subcategories(registry: Registry) -> None:
    ids = [r.id for r in registry.references if r.scheme == "NIST-AI-RMF"]
    assert Counter(name.split()[0] for name in ids) == {"GOVERN": 19, "MAP": 18, "MEASURE": 22, "MANAGE": 13}
    ranges = {
        "GOVERN": (7, 3, 2, 3, 2, 2),
        "MAP": (6, 3, 5, 2, 2),
        "MEASURE": (3, 13, 3, 3),
        "MANAGE": (4, 4, 2, 3),
    }
    expected = {
        f"{name} {category}.{number}"
        for name, sizes in ranges.items()
        for category, size in enumerate(sizes, start=1)
        for number in range(1, size + 1)
    }
    assert set(ids) == expected
    assert len(ids) == 72


def test_every_entry_says_how_it_is_known(registry: Registry) -> None:
    assert {r.verified for r in registry.references} <= {"primary", "secondary", "memory"}
    assert all(r.title and r.instrument and r.jurisdiction and r.uses for r in registry.references)
    assert all("from memory" in standing(r, DAY).words for r in registry.references if r.verified == "memory")


def test_unknown_ids_are_refused_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"MEASURE 2\.99") as raised:
        registry.get("NIST-AI-RMF MEASURE 2.99", where="data.yaml:7")
    assert raised.value.where == "data.yaml:7"
    assert "MEASURE 2." in str(raised.value.hint)


@pytest.mark.parametrize(
    ("cite", "day", "holds", "words"),
    [
        ("US-CO-SB205 whole", DAY, False, "replaced by US-CO-ADMT"),
        ("US-CO-SB205 whole", date(2026, 5, 13), True, "in force"),
        ("US-CO-ADMT 1704", DAY, False, "not in force before 2027-01-01"),
        ("US-CO-ADMT 1704", date(2027, 1, 1), True, "in force since"),
        ("US-OMB M-24-10", DAY, False, "replaced by US-OMB M-25-21"),
        ("EU-AI-ACT Art 9(8)", DAY, False, "2027-12-02"),
        ("EU-AI-ACT Art 9(8)", date(2027, 12, 2), True, "in force since"),
        ("EU-AI-ACT Art 10(5)", DAY, False, "2027-12-02"),
        ("US-OFCCP 60-1.33", DAY, False, "repealed on 2025-01-21"),
        ("US-CO-INS co-draft-2023", DAY, False, "never law"),
        ("US-FHA 24 CFR 100.500", DAY, False, "only proposed"),
        ("US-TITLE-VII 2000e-2(k)", DAY, True, "in force"),
        ("US-UGESP 1607.4D", DAY, True, "amended"),
        ("LENDING-PRACTICE AIR", DAY, True, "not law"),
    ],
)
def test_standing_on_a_day(registry: Registry, cite: str, day: date, holds: bool, words: str) -> None:
    found = standing(registry.get(cite), day)
    assert found.holds is holds
    assert words in found.words


def test_an_entry_that_nobody_looked_at_says_so(registry: Registry) -> None:
    reference = registry.get("US-TITLE-VII 2000e-2(k)")
    assert not standing(reference, reference.as_of + timedelta(days=365)).old
    late = standing(reference, reference.as_of + timedelta(days=366))
    assert late.old
    assert "look again" in late.words


def test_search_goes_outwards_from_a_place(registry: Registry) -> None:
    schemes = [group[0].scheme for group in registry.search(jurisdiction="US-NYC", use="employment")]
    assert {"NYC-LL144", "US-UGESP", "US-TITLE-VII", "NIST-AI-RMF"} <= set(schemes)
    assert not {"US-ECOA", "EU-AI-ACT", "US-CO-ADMT", "US-CA-ADS"} & set(schemes)
    german = [group[0].scheme for group in registry.search(jurisdiction="DE", use="credit")]
    assert "EU-AI-ACT" in german
    assert "US-ECOA" not in german
    assert registry.reach("EU-DE") == ("EU-DE", "EU", "INT")


@pytest.mark.parametrize("wrong", [{"jurisdiction": "Atlantis"}, {"use": "poetry"}])
def test_an_unknown_place_or_use_is_named(registry: Registry, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is called"):
        registry.search(**wrong)


def registry_file(tmp_path: Path, change: tuple[str, str]) -> Path:
    text = (resources.checklists() / "references.yaml").read_text("utf-8")
    assert change[0] in text
    path = tmp_path / "references.yaml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("status: voluntary", "status: volontary"), "Did you mean voluntary"),
        (("id: GOVERN 1.2,", "id: GOVERN 1.1,"), "stands twice"),
        (("superseded_by: US-CO-ADMT", "superseded_by: US-CO-ADTM"), "is replaced by"),
        (("effective: 2023-01-26", "effective: January"), "must be a date"),
        (("uses: [any]", "uses: [anything]"), "no use is called"),
        (("title: Legal duties are known and managed}", "titel: x}"), "lacks 'title'"),
    ],
)
def test_mistakes_in_the_registry_are_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(SpecError) as raised:
        load_registry(registry_file(tmp_path, change))
    assert said in str(raised.value)
    assert "references.yaml" in str(raised.value.where)


def test_repeal_is_by_date_and_not_by_word(registry: Registry) -> None:
    """An answer given before a repeal is told apart from one given after by the date alone."""
    law = replace(registry.get("US-TITLE-VII 2000e-2(k)"), status="repealed", ended=date(2026, 6, 1))
    assert standing(law, date(2026, 5, 31)).holds
    assert not standing(law, date(2026, 6, 1)).holds


def test_the_city_by_either_code_has_the_city_s_law(registry: Registry) -> None:
    """A code that only lay within the state would leave its list of questions out, and say nothing."""
    assert "US-NYC" in registry.reach("US-NY-NYC")
    assert registry.search(jurisdiction="US-NY-NYC") == registry.search(jurisdiction="US-NYC")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_places_that_pages_name_are_places_of_the_registry(page: Path, registry: Registry) -> None:
    known = {*registry.within, *registry.within.values()}
    for found in re.findall(r"jurisdictions: \[([\w, -]+)\]", page.read_text("utf-8")):
        assert set(found.split(", ")) <= known
