"""Whatever is given, the answer is a spec or a SpecError."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import SpecError
from audit.spec import from_dict, resolve_rules
from audit.spec.lines import parse
from audit.spec.load import _document
from audit.spec.model import SECTIONS, keys
from tests.spec.conftest import EXAMPLE

WORDS = [
    *sorted({key for section in SECTIONS.values() for key in keys(section)}),
    *["selection_rate", "four_fifths", "ratio", "difference", "worst_group"],
    *["sex", "true", "Yes", "2027-01-01"],
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | scalars, inner, max_size=4)
    ),
    max_leaves=15,
)


PIECES = [*"ab:-{}[]&*!|>#'\"%@`,? \n\t~.01é", "\n  ", "rules:", ": ", "- ", "<<: "]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_garbage_as_yaml(text):
    with contextlib.suppress(SpecError):
        _document(*parse(text, "audit.yaml"))


@settings(max_examples=200)
@given(st.data())
def test_a_good_file_with_a_piece_changed(data):
    start = data.draw(st.integers(0, len(EXAMPLE)))
    length = data.draw(st.integers(0, 12))
    piece = data.draw(st.sampled_from([*WORDS, "", "\n", "[", "}", ": ", "- ", "&a", "*a", ".nan", "'"]))
    with contextlib.suppress(SpecError):
        _document(*parse(EXAMPLE[:start] + piece + EXAMPLE[start + length :], "audit.yaml"))


@settings(max_examples=200)
@given(values)
def test_any_dict(value):
    with contextlib.suppress(SpecError):
        from_dict(value)


@settings(max_examples=300)
@given(st.data())
def test_a_good_dict_with_a_value_changed(data):
    spec = {
        "system": {"name": "x"},
        "data": {
            "columns": {"label": "y", "prediction": "p"},
            "attributes": {"sex": {}, "age": {"bins": [25]}},
            "control": ["c"],
        },
        "policy": {"rules": [{"metric": "selection_rate", "comparison": "ratio", "at_least": 0.8}]},
    }
    home = data.draw(st.sampled_from(["system", "data", "columns", "attribute", "policy", "rule"]))
    section = {
        "columns": spec["data"]["columns"],
        "attribute": spec["data"]["attributes"]["age"],
        "rule": spec["policy"]["rules"][0],
    }.get(home) or spec[home]
    section[data.draw(st.sampled_from(WORDS))] = data.draw(values)
    try:
        made = from_dict(spec)
    except SpecError as error:
        complete = bool(error.where and error.what)
    else:
        complete = all(rule.lower is not None or rule.upper is not None for rule in resolve_rules(made))
    assert complete
