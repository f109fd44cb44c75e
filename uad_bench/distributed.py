"""One training over several processes ("ranks"): methods need not know, and the result is that of one process.

Every rank holds all weights and draws the noise of the whole batch, so losses are computed as ever. What is divided is
the work of the networks: a module that is called with the batch gets this rank's slices of it, and its outputs are
gathered again. All ranks then hold the same loss, each sends back its share of it, and gradients are summed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from uad_bench.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """The ranks that work together, seen from one of them."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this rank writes what all share."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This rank's piece of n things; pieces differ by one at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of all ranks' tensors, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def total(self, value: float) -> float:
        """The sum of all ranks' numbers."""
        return float(self.add_up(torch.tensor(value, dtype=torch.float64)))


def current_group() -> WorkerGroup:
    """The group that this process has joined, or it alone."""
    if dist.is_available() and dist.is_initialized():
        return WorkerGroup(dist.get_rank(), dist.get_world_size())
    return WorkerGroup()


@contextmanager
def divided(network: nn.Module, *, n: int) -> Iterator[WorkerGroup]:
    """Inside, the group divides the work of every call of the network, or of its parts, with a batch of n slices.

    Modules must treat slices apart; dropout and batch normalisation, which do not, are known and see all n.

    Raises:
        ConfigError: there are fewer slices than ranks.
    """
    group = current_group()
    if group.size == 1:
        yield group
        return
    if n < group.size:
        raise ConfigError(f"a batch of {n} cannot be divided between {group.size} ranks; lower --gpus")
    division = _Division(group, n)
    hooks = [hook for module in network.modules() for hook in division.watch(module)]
    try:
        yield group
    finally:
        for hook in hooks:
            hook.remove()


def backward(loss: Tensor, network: nn.Module, group: WorkerGroup) -> None:
    """Gradients of the one loss that all ranks hold: each sends back its share, and the shares are summed."""
    (loss / group.size).backward()  # type: ignore[no-untyped-call]
    if group.size == 1:
        return
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    flat = group.add_up(torch.cat([g.flatten() for g in gradients]))
    for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


SEES_DRAWS = nn.modules.dropout._DropoutNd  # noqa: SLF001 - the class above all kinds of dropout
SEES_SLICES = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - the class above all kinds of batch normalisation


@dataclass(slots=True)
class _Division:
    """Slices what goes into the outermost module that is called, and gathers what comes out."""

    group: WorkerGroup
    n: int
    outermost: nn.Module | None = field(default=None, init=False)

    def watch(self, module: nn.Module) -> Sequence[Any]:
        before = module.register_forward_pre_hook(self._before, with_kwargs=True)
        return before, module.register_forward_hook(self._after)

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        whole = module.training and isinstance(module, SEES_DRAWS | SEES_SLICES)
        if self.outermost is not None:
            restore = self._pad if isinstance(module, SEES_DRAWS) else self._gather
            return tree_map(restore, (args, kwargs)) if whole else None
        if whole or not any(self._is_batch(value) for value in (*args, *kwargs.values())):
            return None
        self.outermost = module
        return tree_map(self._slice, (args, kwargs))

    def _after(self, module: nn.Module, _: Any, output: Any) -> Any:
        if module is self.outermost:
            self.outermost = None
            return tree_map(self._gather, output)
        inside = self.outermost is not None and module.training and isinstance(module, SEES_DRAWS | SEES_SLICES)
        return tree_map(self._slice, output) if inside else None

    def _is_batch(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.ndim > 0 and len(value) == self.n

    def _slice(self, value: Any) -> Any:
        return value[self.group.part(self.n)] if self._is_batch(value) else value

    def _gather(self, value: Any) -> Any:
        return _Gather.apply(value, self.group, self.n) if isinstance(value, Tensor) else value  # type: ignore[no-untyped-call]

    def _pad(self, value: Any) -> Any:
        """The batch with zeros for the slices of others: as many numbers are drawn as for all, in the same places."""
        if not isinstance(value, Tensor):
            return value
        whole = value.new_zeros(self.n, *value.shape[1:])
        whole[self.group.part(self.n)] = value
        return whole


class _Gather(torch.autograd.Function):
    """All slices from every rank's part; the gradient of a part is the sum of what all ranks send back to it."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, group: WorkerGroup, n: int) -> Tensor:
        """(n_r, ...) -> (n, ...); sent in at least float32, so that sums of bfloat16 do not round."""
        ctx.group, ctx.n = group, n
        whole = torch.zeros(n, *part.shape[1:], dtype=_sent(part), device=part.device)
        whole[group.part(n)] = part
        return group.add_up(whole).to(part.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """(n, ...) -> (n_r, ...)."""
        (gradient,) = gradients
        whole = gradient.to(_sent(gradient), copy=True, memory_format=torch.contiguous_format)
        return ctx.group.add_up(whole).to(gradient.dtype)[ctx.group.part(ctx.n)], None, None


def _sent(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
