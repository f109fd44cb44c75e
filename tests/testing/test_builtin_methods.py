"""Every shipped method keeps the contract; what one cannot keep, it declares with a reason."""

import pytest

from uad_bench.plugins.availability import problem_of
from uad_bench.plugins.registry import methods
from uad_bench.testing import parametrize_with_checks

QUICK = ("random", "intensity", "intensity-coarse", "intensity-equalised", "mean-distance", "symmetry", "z-score")
TRAINED = tuple(name for name, entry in methods().items() if name not in QUICK and not problem_of(entry))


@parametrize_with_checks(QUICK)
def test_a_baseline_keeps_the_contract(method, check):
    check(method)


@pytest.mark.slow
@parametrize_with_checks(TRAINED)
def test_a_trained_method_keeps_the_contract(method, check):
    check(method)
