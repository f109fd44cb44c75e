"""One training on several processes ("ranks") with DistributedDataParallel, equal to the training on one process.

Every rank draws the noise and computes the loss of the whole batch, so a loss may normalise over its batch in any way.
A call of the network is divided: a rank computes its part of the slices, and outputs are gathered; batch normalisation
is synchronised, and dropout draws a mask for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from uad_bench.errors import ConfigError

Step = Callable[..., Tensor]
DROPOUTS = frozenset({F.dropout, F.dropout1d, F.dropout2d, F.dropout3d})


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """This process's rank and the number of ranks in its group; rank 0 writes shared files."""

    rank: int = 0
    size: int = 1

    def part(self, n: int) -> slice:
        """This rank's part of n items; sizes of parts differ by at most one."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def wait(self) -> None:
        """Block until all ranks have reached this call."""
        self.total(0.0)

    def total(self, value: float) -> float:
        """Sum the values of all ranks."""
        tensor = torch.tensor(value, dtype=torch.float64)
        if self.size > 1:
            dist.all_reduce(tensor)
        return float(tensor)


def current_group() -> WorkerGroup:
    """The process group that this process has joined, or a group of size 1."""
    if dist.is_available() and dist.is_initialized():
        return WorkerGroup(dist.get_rank(), dist.get_world_size())
    return WorkerGroup()


@contextmanager
def distributed(network: nn.Module, loss: Step, *, batch_size: int) -> Iterator[Step]:
    """Context with a loss whose calls of the network are divided between ranks, and whose gradients are averaged.

    Raises:
        ConfigError: there are fewer slices than ranks.
    """
    group = current_group()
    if group.size == 1:
        yield loss
        return
    if batch_size < group.size:
        raise ConfigError(f"a batch of {batch_size} cannot be divided between {group.size} ranks; lower --gpus")
    module: Any = nn.Sequential(network)  # has the network's parameters, and is called for the loss
    module.forward = loss
    network.forward = partial(_divide, network.forward, group)
    try:
        yield DistributedDataParallel(module, find_unused_parameters=True)  # e.g. of times not given
    finally:
        del network.forward


def _divide(forward: Callable[..., Any], group: WorkerGroup, *args: Any, **kwargs: Any) -> Any:
    """Call a network with this rank's part of n slices and gather the outputs; fewer slices than ranks are not divided.

    Arguments that are tensors of the same length as the first are divided.
    """
    n = len(next(value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)))
    if n < group.size:
        return forward(*args, **kwargs)
    batch = _DividedBatch(n, group.part(n))
    args, kwargs = tree_map(batch.take, (args, kwargs))
    with batch:
        outputs = forward(*args, **kwargs)
    return tree_map(batch.gather, outputs)


class _DividedBatch(TorchFunctionMode):
    """A batch of n slices, of which this rank computes a part.

    As a context, it gives batch normalisation all slices, and dropout this rank's rows of a mask for all slices.
    """

    def __init__(self, n: int, part: slice) -> None:
        super().__init__()
        self.n, self.part = n, part

    def take(self, value: Any) -> Any:
        return value[self.part] if isinstance(value, Tensor) and value.ndim and len(value) == self.n else value

    def pad(self, part: Tensor) -> Tensor:
        """(n_r, ...) -> (n, ...) with zeros for the slices of other ranks, in the same memory format."""
        return F.pad(part, (0, 0) * (part.ndim - 1) + (self.part.start, self.n - self.part.stop))

    def gather(self, part: Tensor) -> Tensor:
        """(n_r, ...) -> (n, ...)."""
        return _Total.apply(self.pad(part))  # type: ignore[no-any-return, no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("training") and func is F.batch_norm:
            return func(self.gather(args[0]), *args[1:], **kwargs)[self.part]
        if kwargs.get("training") and func in DROPOUTS:
            whole = torch.ones_like(self.pad(args[0]))  # draws follow the memory format
            return args[0] * func(whole, **kwargs)[self.part]
        return func(*args, **kwargs)


class _Total(torch.autograd.Function):
    """Sum over ranks, of values and of gradients, in at least float32."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004
        total = tensor.to(torch.promote_types(tensor.dtype, torch.float32), copy=True).contiguous()
        dist.all_reduce(total)
        return total.to(tensor.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.forward(ctx, *gradients)
