"""Standard deviations from the mean of healthy slices at the same height."""

import pytest
import torch

from tests.uad_methods.test_mean_distance import Stack
from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute
from uad_methods.z_score import ZScore


def score(stack, z, value, **params):
    method = ZScore(**params).fit(stack, budget=Budget(0, 1), compute=Compute())
    return method.score(Stack((z, value))[0])[0, 0, 0].item()


@pytest.mark.parametrize("values", [(1, 3), (1, 2, 6), (-3, -3, 0, 5)])
def test_the_deviation_is_that_of_n_minus_one(values):
    healthy = torch.tensor(values, dtype=torch.float64)
    stack = Stack(*((4, value) for value in values))
    assert score(stack, 4, 9) == pytest.approx(float((9 - healthy.mean()) / healthy.std()), rel=1e-5)


def test_slices_that_all_agree_leave_what_is_added_to_the_deviation():
    stack = Stack((4, -3), (4, -3))
    assert score(stack, 4, -3) == 0
    assert score(stack, 4, -2) == pytest.approx(1e7, rel=1e-4)


def test_one_slice_alone_has_no_deviation():
    assert score(Stack((4, 1)), 4, 2, least=0.5) == pytest.approx(2)


def test_as_published_neighbouring_heights_do_not_count():
    stack = Stack((4, 1), (4, 3), (5, 100), (5, 300))
    assert score(stack, 4, 2, smoothing=0.0) == pytest.approx(0)
    assert score(stack, 5, 200 + 2**0.5 * 100, smoothing=0.0) == pytest.approx(1)


def test_weights_of_neighbours_count_as_less_than_a_slice_each():
    weights = torch.exp(-(torch.tensor([0.0, 1.0]).double() ** 2) / (2 * 2.0**2))
    mean = weights[1] / weights.sum()
    spread = (weights * (torch.tensor([0.0, 1.0]) - mean) ** 2).sum()
    freedom = weights.sum() - weights.square().sum() / weights.sum()
    assert score(Stack((0, 0), (1, 1)), 0, 0) == pytest.approx(float(mean / (spread / freedom).sqrt()), rel=1e-5)


def test_an_unfitted_one_is_refused():
    with pytest.raises(NotFittedError, match="ZScore"):
        ZScore().score(Stack((0, 0))[0])
