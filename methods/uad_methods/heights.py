"""Sums of healthy slices by height: what their mean and spread at a height are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from uad_bench.method import SliceDataset


@dataclass(frozen=True, slots=True)
class HeightSums:
    """Float64 sums over the slices of each height that occurs.

    Attributes:
        z: the heights, ascending, (K,).
        count: slices of each, (K,).
        total: sum of their images, (K, H, W).
        squares: sum of their squares, (K, H, W).
    """

    z: Tensor
    count: Tensor
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, train: SliceDataset) -> Self:
        """One look at all slices, of which the first channel counts."""
        sums: dict[int, tuple[int, Tensor, Tensor]] = {}
        for i in range(len(train)):
            one = train[i]
            z, x = one.keys[0].z, one.image[0, 0].double()
            count, total, squares = sums.get(z, (0, torch.zeros_like(x), torch.zeros_like(x)))
            sums[z] = count + 1, total.add_(x), squares.addcmul_(x, x)
        z_known = sorted(sums)
        counts, totals, squares_ = zip(*(sums[z] for z in z_known), strict=True)
        n = torch.tensor(counts, dtype=torch.float64)
        return cls(torch.tensor(z_known), n, torch.stack(totals), torch.stack(squares_))

    @property
    def heights(self) -> Tensor:
        """Every height from the lowest to the highest."""
        return torch.arange(int(self.z[0]), int(self.z[-1]) + 1)

    def window(self, smoothing: float) -> Tensor:
        """Gaussian weights (heights, K) with this standard deviation in slices; 0 takes the nearest heights alone.

        A gap in z borrows from its nearest slices.
        """
        squared = (self.heights[:, None] - self.z[None, :]).double().square()
        further = squared - squared.min(dim=1, keepdim=True).values
        return torch.exp(-further / (2 * smoothing**2)) if smoothing else (further == 0).double()

    def mean(self, weights: Tensor) -> Tensor:
        """Weighted mean at each height, (heights, H, W)."""
        mean: Tensor = torch.tensordot(weights, self.total, 1) / _planes(weights @ self.count)
        return mean

    def std(self, weights: Tensor) -> Tensor:
        """Weighted standard deviation at each height, (heights, H, W); with equal weights the one of n - 1 (ddof 1).

        It is 0 where a single slice counts.
        """
        n, squared = weights @ self.count, weights.square() @ self.count
        deviation = torch.tensordot(weights, self.squares, 1) / _planes(n) - self.mean(weights).square()
        freedom = 1 - squared / n.square()  # (n - 1) / n with equal weights
        variance = deviation.clamp(min=0) / _planes(freedom)
        return torch.where(_planes(freedom) > 0, variance, 0.0).sqrt()


def _planes(values: Tensor) -> Tensor:
    return values[:, None, None]
