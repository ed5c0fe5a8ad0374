"""Every example of `harm-audit explain` is recomputed from rows, and no number of it is taken on trust."""

from __future__ import annotations

import pytest

from audit.registry import aliases, lookup, metrics
from tests.docs import worked_decisions, worked_numbers, worked_tables
from tests.docs.worked import NUMBER, WORKED, number, plain, rounding, sums

NAMES = (*metrics(), *aliases())
MODULES = (worked_decisions, worked_numbers, worked_tables)
"""Their import fills WORKED."""


def numbers(sentence: str) -> list[str]:
    """The numbers of a sentence as it writes them."""
    return [text.rstrip(".,") for text in NUMBER.findall(sentence)]


def test_every_metric_and_named_comparison_has_a_worked_example() -> None:
    assert set(WORKED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_gives_the_numbers_of_the_example(name: str) -> None:
    example = WORKED[name]
    found = example.results()
    assert len(found) == len(example.shown)
    for text, value in zip(example.shown, found, strict=True):
        assert value == pytest.approx(number(text), abs=rounding(text) * (1 + 1e-6)), text


@pytest.mark.parametrize("name", NAMES)
def test_no_number_of_an_example_is_neither_given_nor_recomputed(name: str) -> None:
    sentence = plain(lookup(name).example)
    for term, value, result in sums(sentence):
        assert value == pytest.approx(number(result), abs=rounding(result) * (1 + 1e-6)), term
    left = sentence
    for term, _, result in sums(sentence):
        assert f"{term} = {result}" in left
        left = left.replace(f"{term} = {result}", result, 1)
    example = WORKED[name]
    written, accounted = numbers(left), [*example.given, *example.shown]
    results = [result for _, _, result in sums(sentence)]
    assert set(written) <= {*accounted, *results}, "the sentence has numbers that the rows do not"
    assert set(accounted) <= {*written, *numbers(sentence)}, (
        "the rows have numbers that the sentence does not"
    )


def test_a_wrong_number_in_a_sentence_is_found() -> None:
    assert numbers(plain("F1 of 0.9; 8 % of 1,395, −0.19 and .5.")) == ["0.9", "8%", "1,395", "−0.19", ".5"]
    [(term, value, result)] = sums("Of 40 some: (30 + 10) / 80 = 0.51.")
    assert (term, value, result) == ("(30 + 10) / 80", 0.5, "0.51")
    assert abs(value - number(result)) > rounding(result)
