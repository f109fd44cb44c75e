"""Cyclic U-Net."""

import torch
from torch import nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceKey
from uad_methods.cycle import CycleOnly
from uad_methods.networks import share


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_the_score_is_the_squared_cycle_error():
    method = CycleOnly(residual="l2")
    method.networks_ = {"forward": Times(3.0), "backward": Times(0.5)}
    method.compute_ = Compute()
    x = torch.tensor([[[[2.0, -4.0]]]])
    scores = method.score(SliceBatch(x, x > 0, (SliceKey("p", 0),)))
    assert scores[0, 0].tolist() == [1.0, 4.0]  # g(f(x)) = 1.5 x


def test_two_networks_share_one_budget():
    first, second = share(Budget(101, 8), 0.6)
    assert first.steps + second.steps == 101
    assert (first.steps, first.batch_size, second.batch_size) == (61, 8, 8)
