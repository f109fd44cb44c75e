"""Distance from the mean of healthy slices."""

import pytest
import torch

from uad_bench.errors import NotFittedError
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_methods.mean_distance import MeanDistance


class Stack:
    """Flat slices: (z, brightness) pairs."""

    modalities = ("flair",)

    def __init__(self, *slices):
        self.slices = slices

    def __len__(self):
        return len(self.slices)

    def __getitem__(self, i):
        z, value = self.slices[i]
        image = torch.full((1, 1, 2, 2), float(value))
        return SliceBatch(image, torch.ones_like(image, dtype=torch.bool), (SliceKey("p", z),))


def score(stack, z, value, **params):
    method = MeanDistance(**params).fit(stack, budget=Budget(0, 1), compute=Compute())
    return method.score(Stack((z, value))[0])[0, 0, 0].item()


def test_the_mean_of_a_height_is_subtracted():
    assert score(Stack((4, 1), (4, 3)), 4, 7) == pytest.approx(5)


def test_heights_are_kept_apart_when_they_are_far_apart():
    stack = Stack((0, 0), (20, 10))
    assert score(stack, 0, 0) == pytest.approx(0, abs=1e-6)
    assert score(stack, 20, 0) == pytest.approx(10)


def test_neighbouring_heights_are_smoothed_by_a_gaussian():
    weight = torch.exp(torch.tensor(-1 / 8.0)).item()
    assert score(Stack((0, 0), (1, 1)), 0, 0) == pytest.approx(weight / (1 + weight))


def test_a_gap_borrows_from_its_nearest_heights():
    assert score(Stack((0, 2), (100, 2)), 50, 2, smoothing=0.5) == pytest.approx(0)


@pytest.mark.parametrize("z", [-5, 30])
def test_beyond_the_training_heights_the_nearest_counts(z):
    assert score(Stack((0, 1), (20, 1)), z, 1) == pytest.approx(0)


def test_an_unfitted_mean_is_refused():
    with pytest.raises(NotFittedError):
        MeanDistance().score(Stack((0, 0))[0])
