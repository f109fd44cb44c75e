"""Distributed training over several processes ("ranks"), transparent to methods and equivalent to one process.

Every rank holds all weights and draws the noise of the whole batch, so the loss is computed as in one process. Only
the forward passes are divided: a module that is called with the batch receives this rank's slices of it, and its
outputs are gathered. All ranks then hold the same loss; each backpropagates its share, and gradients are summed.
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
    """This process's rank and the number of ranks in its group."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which writes shared files."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This rank's part of n items; sizes of parts differ by at most one."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def wait(self) -> None:
        """Block until all ranks have reached this call."""
        if self.size > 1:
            dist.barrier()

    def add_up(self, tensor: Tensor) -> Tensor:
        """Sum the tensors of all ranks in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def total(self, value: float) -> float:
        """Sum the values of all ranks."""
        return float(self.add_up(torch.tensor(value, dtype=torch.float64)))


def current_group() -> WorkerGroup:
    """The process group that this process has joined, or a group of size 1."""
    if dist.is_available() and dist.is_initialized():
        return WorkerGroup(dist.get_rank(), dist.get_world_size())
    return WorkerGroup()


@contextmanager
def divided(network: nn.Module, *, n: int) -> Iterator[WorkerGroup]:
    """Context in which calls of the network or its submodules with a batch of n slices are divided between ranks.

    Modules must process slices independently. Dropout and batch normalisation do not; they receive all n slices.

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
    """Backpropagate this rank's share of the common loss and sum the gradients over ranks."""
    (loss / group.size).backward()  # type: ignore[no-untyped-call]
    if group.size == 1:
        return
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    flat = group.add_up(torch.cat([g.flatten() for g in gradients]))
    for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


DROPOUT = nn.modules.dropout._DropoutNd  # noqa: SLF001 - base class of all dropout modules
BATCH_NORM = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - base class of all batch-normalisation modules


@dataclass(slots=True)
class _Division:
    """Slices the inputs of the outermost module that is called, and gathers its outputs."""

    group: WorkerGroup
    n: int
    outermost: nn.Module | None = field(default=None, init=False)

    def watch(self, module: nn.Module) -> Sequence[Any]:
        before = module.register_forward_pre_hook(self._before, with_kwargs=True)
        return before, module.register_forward_hook(self._after)

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        whole = module.training and isinstance(module, DROPOUT | BATCH_NORM)
        if self.outermost is not None:
            restore = self._pad if isinstance(module, DROPOUT) else self._gather
            return tree_map(restore, (args, kwargs)) if whole else None
        if whole or not any(self._is_batch(value) for value in (*args, *kwargs.values())):
            return None
        self.outermost = module
        return tree_map(self._slice, (args, kwargs))

    def _after(self, module: nn.Module, _: Any, output: Any) -> Any:
        if module is self.outermost:
            self.outermost = None
            return tree_map(self._gather, output)
        inside = self.outermost is not None and module.training and isinstance(module, DROPOUT | BATCH_NORM)
        return tree_map(self._slice, output) if inside else None

    def _is_batch(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.ndim > 0 and len(value) == self.n

    def _slice(self, value: Any) -> Any:
        return value[self.group.part(self.n)] if self._is_batch(value) else value

    def _gather(self, value: Any) -> Any:
        return _Gather.apply(value, self.group, self.n) if isinstance(value, Tensor) else value  # type: ignore[no-untyped-call]

    def _pad(self, value: Any) -> Any:
        """The batch with zeros for other ranks' slices, so that dropout draws the same mask as for the whole batch."""
        if not isinstance(value, Tensor):
            return value
        whole = value.new_zeros(self.n, *value.shape[1:])
        whole[self.group.part(self.n)] = value
        return whole


class _Gather(torch.autograd.Function):
    """Gathers all slices from the ranks' parts; the gradient of a part is summed over ranks."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, group: WorkerGroup, n: int) -> Tensor:
        """(n_r, ...) -> (n, ...); communicated in at least float32, so that sums of bfloat16 are not rounded."""
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
