"""Starts training from another run's weights instead of random ones.

Since `fit` discards previous weights, they are provided as snapshots at step 0, from which `uad_bench.training.train`
resumes. This requires that a method keeps its networks by name in `networks_` and trains each under that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uad_bench.errors import MethodError
from uad_bench.method import Compute, Method, Snapshots
from uad_bench.runs.checkpoints import load_checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def starting_from(initial: Path, method: Method, compute: Compute) -> Iterator[Compute]:
    """A `Compute` for `fit` whose first snapshots are the weights in `initial`; unchanged if that file does not exist.

    Raises:
        MethodError: the weights do not fit the method, or training did not use all of them.
    """
    if not initial.exists():
        yield compute
        return
    first = FirstSnapshots(compute.snapshots, _networks(method, load_checkpoint(initial), compute))
    yield replace(compute, snapshots=first)
    first.require_used()


@dataclass(slots=True)
class FirstSnapshots:
    """Snapshots that fall back to initial ones at step 0."""

    kept: Snapshots | None
    networks: Mapping[str, nn.Module]
    used: set[str] = field(default_factory=set)

    def save(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Store a state."""
        if self.kept:
            self.kept.save(name, state)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The stored state with this name, else the initial one."""
        kept = self.kept.load(name) if self.kept else None
        self.used.add(name)
        return first_snapshot(self.networks[name]) if kept is None and name in self.networks else kept

    def require_used(self) -> None:
        """Raise if training did not use all of the weights."""
        if ignored := sorted(set(self.networks) - self.used):
            raise MethodError(
                f"training did not start from the given weights of {', '.join(ignored)}; train each network with "
                "uad_bench.training.train under its name in networks_",
                reason="no_warm_start",
            )


def first_snapshot(network: nn.Module) -> dict[str, Tensor]:
    """The snapshot of a network before its first training step, as `uad_bench.training` would store it."""
    import torch

    weights = {f"network.{key}": value.clone() for key, value in network.state_dict().items()}
    average = {f"average.{i}": weight.detach().clone() for i, weight in enumerate(network.parameters())}
    return {"step": torch.tensor(0), **weights, **average}


def _networks(method: Method, state: Mapping[str, Any], compute: Compute) -> dict[str, nn.Module]:
    """The method's networks with these weights, before `fit` builds new ones."""
    try:
        method.load_state_dict(state, compute=compute)
    except Exception as error:
        raise MethodError(
            f"the given weights do not fit: {type(error).__name__}: {error}", reason="bad_checkpoint"
        ) from error
    networks = getattr(method, "networks_", None)
    if not networks:
        raise MethodError(
            "this method has no networks_ to start training from; uad-bench score applies a run without training",
            reason="no_warm_start",
        )
    return dict(networks)
