"""A stand-in for a GPU: tensors whose numbers lie on the CPU, but which say they are on "cuda" and insist on it.

Like CUDA, it refuses operations between tensors of two devices, and generators of another device; it computes what the
CPU computes. It also notes where the host would wait for a GPU: when it reads numbers or copies memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA, META = torch.device("cuda:0"), torch.device("meta")
UNTOUCHED = {torch.device, torch.amp.autocast_mode._enter_autocast}
COPIES = {"aten::_to_copy", "aten::copy_"}
SHAPED_BY_DATA = {"aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::equal"}


class Elsewhere(Tensor):
    """To PyTorch's own code a tensor on "meta", to everybody else's one on "cuda:0"."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Self:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=META,
        )
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def device(self) -> torch.device:
        return CUDA

    @property
    def is_meta(self) -> bool:
        return False

    def tolist(self) -> Any:
        return self.to("cpu").tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the stand-in")


class Generator(torch.Generator):
    """Draws what a generator of the CPU draws."""

    def __new__(cls, device: torch.device | str = "cpu") -> Self:
        made = super().__new__(cls, "cpu")
        made.where = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return self.where


class _Devices(TorchFunctionMode):
    """Replaces "cuda" in the arguments of torch's functions by "meta", and compares generators with it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if generator := kwargs.get("generator"):
            asked = kwargs.get("device") or next((t.device for t in args if isinstance(t, Tensor)), "cpu")
            if torch.device(asked).type != generator.device.type:
                raise RuntimeError(f"{func.__name__} on {asked} with a generator on {generator.device}")
        if func in UNTOUCHED:
            return func(*args, **kwargs)
        args = tuple(META if _is_cuda(value) else value for value in args)
        return func(*args, **{key: META if _is_cuda(value) else value for key, value in kwargs.items()})


class StandIn(TorchDispatchMode):
    """Computes what involves an `Elsewhere`; `waits` names the operations for which the host would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, tensors = func._schema.name, [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
        asked = kwargs.get("device")
        goes = asked == META if asked is not None else bool(there)
        if not there and not goes:
            return func(*args, **kwargs)
        here = [t for t in tensors if t.ndim and not isinstance(t, Elsewhere)]
        if here and there and not (name in COPIES or _only_places(name, args)):
            raise RuntimeError(f"{name} of tensors on two devices")
        self._note(name, args, kwargs, tensors, goes=goes)
        own = {
            key: torch.device("cpu") if key == "device" and value is not None else value
            for key, value in kwargs.items()
        }
        found = func(*tree_map(_held, args), **tree_map(_held, own))
        if name == "aten::_to_copy" and not goes:
            return found
        wrapped = tree_map(lambda value: Elsewhere(value) if isinstance(value, Tensor) else value, found)
        changed = [t for t, given in zip(args, func._schema.arguments, strict=False) if _is_written(given)]
        return changed[0] if changed and found is not None else wrapped

    def _note(self, name: str, args: Any, kwargs: Any, tensors: list[Tensor], *, goes: bool) -> None:
        masks = name.startswith("aten::index") and any(t.dtype == torch.bool for t in tensors[1:])
        leaves = name == "aten::_to_copy" and not goes
        enters = name in COPIES and any(not isinstance(t, Elsewhere) for t in tensors) and goes
        enters |= _only_places(name, args) and any(
            not isinstance(t, Elsewhere) for t in tree_leaves(args[1]) if t is not None
        )
        waits = enters and not (kwargs.get("non_blocking") or any(value is True for value in args))
        if name == "aten::_local_scalar_dense" or name in SHAPED_BY_DATA or masks or leaves or waits:
            self.waits.append(name.removeprefix("aten::") + (" from the host" if enters else ""))


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Context in which "cuda" means the stand-in."""
    with pytest.MonkeyPatch.context() as patch, StandIn() as mode, _Devices():
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
        for step in ("__enter__", "__exit__"):  # tensor subclasses know no inference mode
            patch.setattr(torch.inference_mode, step, _without_gradients(step))
        patch.setattr("uad_bench.training._cuda_devices", lambda _: [])
        yield mode


def _without_gradients(step: str) -> Any:
    def act(context: Any, *error: Any) -> None:
        context.__dict__.setdefault("stand_in", torch.no_grad()).__getattribute__(step)(*error)

    return act


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Elsewhere) else value


def _is_cuda(value: Any) -> bool:
    return isinstance(value, str | torch.device) and str(value).startswith("cuda")


def _only_places(name: str, args: Any) -> bool:
    """Whether only the places of an indexing may lie on the host, which CUDA copies."""
    rest = (args[0], *args[2:]) if name in {"aten::index", "aten::index_put_"} else (None,)
    return all(isinstance(t, Elsewhere) for t in rest if isinstance(t, Tensor) and t.ndim) and rest != (None,)


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write
