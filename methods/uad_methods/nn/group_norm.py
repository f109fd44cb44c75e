"""Group normalisation whose backward pass is fast for channels-last tensors on processors, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """As `torch.nn.GroupNorm`, whose own backward pass takes ten times as long with channels last as without."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if x.device.type != "cpu" or not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        y: Tensor = _ChannelsLast.apply(x, self.weight, self.bias, self.num_groups, self.eps)  # type: ignore[no-untyped-call]
        return y


class _ChannelsLast(torch.autograd.Function):
    """The gradient is linear in x and dy, with coefficients from two sums over the pixels of each channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        n, channels, height, width = x.shape
        y, mean, rstd = torch.native_group_norm(x, weight, bias, n, channels, height * width, groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        n, channels, height, width = x.shape
        groups, size = mean.shape[1], channels // mean.shape[1]
        each = (n, groups, size)
        weight, mean, rstd = weight.view(1, groups, size), mean.view(n, groups, 1), rstd.view(n, groups, 1)
        sum_dy = dy.sum((2, 3), dtype=weight.dtype).view(each)
        sum_dy_x = (dy * x).sum((2, 3), dtype=weight.dtype).view(each)
        in_group = [(weight * total).sum(2, keepdim=True) / (size * height * width) for total in (sum_dy, sum_dy_x)]
        of_x = (mean * in_group[0] - in_group[1]) * rstd**3
        constant = -mean * of_x - rstd * in_group[0]
        of_dy, of_x, constant = (
            value.expand(each).reshape(n, channels, 1, 1) for value in (rstd * weight, of_x, constant)
        )
        dx = torch.addcmul(constant, x, of_x).addcmul_(dy, of_dy).to(x.dtype)
        return dx, ((sum_dy_x - mean * sum_dy) * rstd).sum(0).flatten(), sum_dy.sum(0).flatten(), None, None
