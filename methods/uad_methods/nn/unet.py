"""The U-Net of guided diffusion (Dhariwal and Nichol, 2021), as MMCCD uses it to diffuse and to translate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_methods.nn.group_norm import GroupNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetShape:
    """Size of a U-Net; the defaults train in minutes on two cores at 64 x 64.

    Attributes:
        width: channels of the first level.
        multipliers: channels of each level over `width`; every level but the first halves the resolution.
        blocks: residual blocks per level.
        attention: down-sampling factors at which self-attention follows each block (the middle always has it).
        heads: attention heads.
        dropout: inside residual blocks.
        groups: of the group normalisation; must divide every level's channels. 0 stands for batch normalisation.
        scale_shift: time scales and shifts what the second normalisation gives; else it is added before it.
    """

    width: int = 16
    multipliers: tuple[int, ...] = (1, 1, 2, 3)
    blocks: int = 1
    attention: tuple[int, ...] = ()
    heads: int = 1
    dropout: float = 0.0
    groups: int = 8
    scale_shift: bool = True


M = TypeVar("M", bound=nn.Module)

MOST_PLACES = 1024  # of attention as plain matrix products, whose memory grows with their square

SMALL = UNetShape()
PUBLISHED = UNetShape(
    width=32, multipliers=(1, 1, 2, 3, 4), blocks=2, attention=(4, 8, 16), dropout=0.1, groups=16
)  # at 128 x 128 pixels, attention works at 32, 16 and 8 pixels


class UNet(nn.Module):
    """Image (and time) in, image out, of the same height and width, whatever they are.

    Residual blocks also change the resolution; time enters as scale and shift of their second normalisation, and a
    network called without a time skips that. The last convolution of every block starts at zero.
    """

    def __init__(self, channels_in: int, channels_out: int = 1, *, shape: UNetShape = SMALL) -> None:
        super().__init__()
        self.shape = shape
        self.time = _TimeEmbedding(shape.width)
        self.first = nn.Conv2d(channels_in, shape.width * shape.multipliers[0], 3, padding=1)
        self.down = nn.ModuleList(_encoder(shape))
        self.middle = _middle(shape)
        self.up = nn.ModuleList(_decoder(shape))
        self.last_norm = _norm(shape.width * shape.multipliers[0], shape)
        self.last = _zero(nn.Conv2d(shape.width * shape.multipliers[0], channels_out, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H, W); `t` (N,) are time steps, None for plain translation."""
        height, width = x.shape[-2:]
        e = None if t is None else self.time(t)
        h = self.first(_pad(x, 2 ** (len(self.shape.multipliers) - 1)))
        skips = [h]
        for stage in self.down:
            h = stage(h, e)
            skips.append(h)
        h = self.middle(h, e)
        for stage in self.up:
            h = stage(torch.cat([h, skips.pop()], dim=1), e)
        y: Tensor = self.last(F.silu(self.last_norm(h)))
        return y[..., :height, :width].to(x.dtype)


def _encoder(shape: UNetShape) -> Iterator[_Stage]:
    before = shape.width * shape.multipliers[0]
    for level, multiplier in enumerate(shape.multipliers):
        channels = shape.width * multiplier
        for _ in range(shape.blocks):
            yield _Stage(_Block(before, channels, shape), *_attention(channels, level, shape))
            before = channels
        if level + 1 < len(shape.multipliers):
            yield _Stage(_Block(channels, channels, shape, resample=_halve))


def _middle(shape: UNetShape) -> _Stage:
    channels = shape.width * shape.multipliers[-1]
    return _Stage(_Block(channels, channels, shape), _Attention(channels, shape), _Block(channels, channels, shape))


def _decoder(shape: UNetShape) -> Iterator[_Stage]:
    skips = _skip_widths(shape)
    before = shape.width * shape.multipliers[-1]
    for level in reversed(range(len(shape.multipliers))):
        channels = shape.width * shape.multipliers[level]
        for i in range(shape.blocks + 1):
            rise = [_Block(channels, channels, shape, resample=_double)] if level and i == shape.blocks else []
            yield _Stage(_Block(before + skips.pop(), channels, shape), *_attention(channels, level, shape), *rise)
            before = channels


def _skip_widths(shape: UNetShape) -> list[int]:
    """Channels that the encoder hands over, in its order: first convolution, blocks, halvings."""
    widths = [shape.width * m for m in shape.multipliers]
    inner = [w for w in widths[:-1] for _ in range(shape.blocks + 1)]
    return [widths[0], *inner, *[widths[-1]] * shape.blocks]


def _attention(channels: int, level: int, shape: UNetShape) -> list[_Attention]:
    return [_Attention(channels, shape)] if 2**level in shape.attention else []


class _Stage(nn.Module):
    """Blocks and attention in a row."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, h: Tensor, e: Tensor | None) -> Tensor:
        for part in self.parts:
            h = part(h, e)
        return h


class _Block(nn.Module):
    """Residual block; `resample` changes the resolution of both branches before the first convolution."""

    def __init__(self, before: int, channels: int, shape: UNetShape, *, resample: nn.Module | None = None) -> None:
        super().__init__()
        self.norm1 = _norm(before, shape)
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1)
        self.scale_shift = shape.scale_shift
        self.film = nn.Linear(4 * shape.width, (1 + shape.scale_shift) * channels)
        self.norm2 = _norm(channels, shape)
        self.dropout = nn.Dropout(shape.dropout)
        self.conv2 = _zero(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Conv2d(before, channels, 1) if before != channels else nn.Identity()
        self.resample = resample or nn.Identity()

    def forward(self, x: Tensor, e: Tensor | None) -> Tensor:
        h = self.conv1(self.resample(F.silu(self.norm1(x))))  # (N, C, H', W')
        h = self.conv2(self.dropout(F.silu(self._norm_in_time(h, e))))
        out: Tensor = self.skip(self.resample(x)) + h
        return out

    def _norm_in_time(self, h: Tensor, e: Tensor | None) -> Tensor:
        time = None if e is None else self.film(F.silu(e))[:, :, None, None]
        if time is None or not self.scale_shift:
            normed: Tensor = self.norm2(h if time is None else h + time)
            return normed
        scale, shift = time.chunk(2, dim=1)
        scaled: Tensor = self.norm2(h) * (1 + scale) + shift
        return scaled


class _Attention(nn.Module):
    """Self-attention between all places of a level."""

    def __init__(self, channels: int, shape: UNetShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm = _norm(channels, shape)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = _zero(nn.Linear(channels, channels))

    def forward(self, h: Tensor, _: Tensor | None) -> Tensor:
        tokens = self.norm(h).flatten(2).transpose(1, 2)  # (N, HW, C)
        q, k, v = self.qkv(tokens).unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4)  # (N, heads, HW, C/heads)
        mixed = _attend(q, k, v).transpose(1, 2).flatten(2)  # (N, HW, C)
        out: Tensor = self.out(mixed).transpose(1, 2).reshape(h.shape)
        return h + out


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of (N, heads, places, channels). On processors two matrix products are faster than the fused kernel."""
    if q.device.type != "cpu" or q.shape[-2] > MOST_PLACES:
        return F.scaled_dot_product_attention(q, k, v)
    weights: Tensor = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(dim=-1)  # (N, heads, HW, HW)
    mixed: Tensor = weights @ v
    return mixed


class _TimeEmbedding(nn.Module):
    """Sines of the time step, then two layers: (N,) to (N, 4 width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))

    def forward(self, t: Tensor) -> Tensor:
        half = self.width // 2
        periods = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
        angles = t[:, None].float() * periods
        embedded: Tensor = self.layers(torch.cat([angles.cos(), angles.sin()], dim=1))
        return embedded


def _norm(channels: int, shape: UNetShape) -> nn.Module:
    return GroupNorm(shape.groups, channels) if shape.groups else nn.BatchNorm2d(channels)


_halve = nn.AvgPool2d(2)
_double = nn.Upsample(scale_factor=2, mode="nearest")


def _zero(module: M) -> M:
    """Start a layer at zero, so that its block starts as the identity."""
    for weight in module.parameters():
        nn.init.zeros_(weight)
    return module


def _pad(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both lengths are multiples of `multiple`."""
    below, right = (-x.shape[-2]) % multiple, (-x.shape[-1]) % multiple
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
