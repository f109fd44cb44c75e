"""A dataclass is its own schema: near names, types and what JSON cannot hold."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.errors import ConfigError
from uad_bench.method import Modalities
from uad_bench.plugins.hyperparameters import build_method, hyperparameters


class Contract:
    @property
    def modalities(self) -> Modalities:
        return Modalities(fit=(), score=("flair",))

    def fit(self, train, *, budget, compute): ...
    def score(self, batch): ...
    def state_dict(self): ...
    def load_state_dict(self, state, *, compute): ...


@dataclass
class Method(Contract):
    source: str = "t1"
    steps: int = 3
    kind: Literal["a", "b"] = "a"
    learned_: int = field(init=False, default=0)


class Plain(Contract):
    def __init__(self, rate=0.1, **_):
        self.rate = rate


def build(cls: type, **params: object):
    return build_method(cls, params, pair=("flair", "t2"), name="mine")


def test_source_comes_from_the_pair_unless_it_is_given():
    assert build(Method).source == "flair"
    assert build(Method, source="t2").source == "t2"


WRONG = {
    "step": (3, r"did you mean 'steps'\? \(see uad-bench show method "),
    "learned_": (3, "unknown hyperparameter"),
    "steps": ("many", "must be a whole number"),
    "kind": ("c", "'a' or 'b'"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_key_or_value_is_named(key: str):
    value, says = WRONG[key]
    with pytest.raises(ConfigError, match=says):
        build(Method, **{key: value})


def test_a_class_without_annotations_takes_what_it_is_given():
    assert build(Plain, rate="fast").rate == "fast"


def test_a_class_that_lacks_a_part_of_the_contract_is_told_which():
    with pytest.raises(ConfigError, match="Half lacks fit, score, state_dict, load_state_dict"):
        build(type("Half", (), {"modalities": None}))


@given(value=st.one_of(st.floats(), st.text(), st.none(), st.integers(), st.complex_numbers(), st.sets(st.integers())))
def test_whatever_a_hyperparameter_holds_the_record_can(value: object):
    json.dumps(hyperparameters(Plain(rate=value)), allow_nan=False)


def test_learned_fields_are_no_hyperparameters_and_paths_become_text():
    assert hyperparameters(Method()) == {"source": "t1", "steps": 3, "kind": "a"}
    assert hyperparameters(Plain(rate=Path("a"))) == {"rate": "a"}
