"""Every shipped method keeps the contract; what one cannot keep, it declares with a reason."""

import dataclasses

import pytest

from uad_bench.plugins.registry import methods, problem_of
from uad_bench.testing import Candidate, parametrize_with_checks
from uad_methods.nn.unet import UNetShape

QUICK = ("random", "intensity", "intensity-coarse", "intensity-equalised", "mean-distance", "symmetry", "z-score")
TRAINED = tuple(name for name, entry in methods().items() if name not in QUICK and not problem_of(entry))
SMALL = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)


def small(name: str) -> Candidate:
    """The method with a small network: the contract does not depend on the width."""
    cls = methods()[name].load()
    has_unet = "unet" in {field.name for field in dataclasses.fields(cls)}
    return Candidate(cls, {"unet": SMALL} if has_unet else {}, name=name)


@parametrize_with_checks(QUICK)
def test_a_baseline_keeps_the_contract(method, check):
    check(method)


@pytest.mark.slow
@parametrize_with_checks([small(name) for name in TRAINED])
def test_a_trained_method_keeps_the_contract(method, check):
    check(method)
