"""Measures a method in training by how well it finds anomalies implanted in healthy slices of held-out patients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from uad_bench.data.implants import ImplantedSlices
from uad_bench.data.store import SliceStore
from uad_bench.errors import MethodError
from uad_bench.execution.process_state import preserved
from uad_bench.execution.scoring import score_subject
from uad_bench.method import Method, SliceKey
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.voxel import average_precision
from uad_bench.runs.selected import Measurement, SelectedStep
from uad_bench.seeding import seed_globals

SLICES = 64
"""Slices with implants at most, evenly spaced over those of all held-out patients."""
WITHOUT = "run it without --select"


@dataclass(slots=True)
class ImplantSelector:
    """The `Selector` of a method: it measures the pooled AUPRC of the implants over brain pixels.

    Attributes:
        every: steps between two measurements.
        trained: names of the trainings that have begun.
        curve: AUPRC by step of the last training.
    """

    method: Method
    implants: ImplantedSlices
    every: int
    seed: int
    device: str
    trained: set[str] = field(default_factory=set)
    curve: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        method: Method,
        store: SliceStore,
        keys: Sequence[SliceKey],
        *,
        every: int,
        seed: int,
        device: str,
    ) -> Self:
        """A selector with implants in slices of these keys.

        Raises:
            MethodError: the method scores whole volumes.
        """
        if getattr(method, "whole_volume", False):
            raise _refusal("it scores whole volumes, and implants are in single slices")
        chosen = [keys[i] for i in np.unique(np.linspace(0, len(keys) - 1, SLICES).astype(int))]
        return cls(method, ImplantedSlices.of(store, chosen, method.modalities.score), every, seed, device)

    def begin(self, name: str) -> int:
        """Steps between two measurements in this training; 0 unless all other networks are trained.

        Raises:
            MethodError: the method does not keep the network by this name in `networks_`.
        """
        networks = getattr(self.method, "networks_", {})
        if name not in networks:
            raise _refusal(f"it does not keep the network {name} by this name in networks_")
        self.trained.add(name)
        trainable = {other for other, network in networks.items() if any(w.requires_grad for w in network.parameters())}
        return self.every if trainable <= self.trained else 0

    def measure(self) -> float:
        """AUPRC of the implants.

        Raises:
            MethodError: the method cannot be scored yet, or no implant lies in a brain.
        """
        with preserved(), _scoring():
            seed_globals(self.seed, "select")
            maps = {
                key: score_map
                for keys in self.implants.by_patient.values()
                for key, score_map in zip(
                    keys, score_subject(self.method, self.implants, keys, device=self.device)[0], strict=True
                )
            }
        scores, anomaly = zip(*(self.implants.in_brain(key, score_map) for key, score_map in maps.items()), strict=True)
        found = average_precision(count_ranks_of(np.concatenate(scores), np.concatenate(anomaly)))
        if not found.defined:
            raise _refusal(f"the AUPRC of the implants is undefined ({found.undefined})")
        return found.value

    def keep(self, curve: Mapping[int, float]) -> None:
        """Receive the measurements of the last training."""
        self.curve = curve

    def selected(self) -> SelectedStep:
        """The measurements, and the step that was chosen.

        Raises:
            MethodError: nothing was measured.
        """
        if not self.curve:
            raise _refusal("it did not train every network in networks_ with uad_bench.training.train")
        return SelectedStep(
            step=max(self.curve, key=self.curve.__getitem__),
            every=self.every,
            patients=tuple(self.implants.by_patient),
            slices=len(self.implants.slices),
            curve=tuple(Measurement(step=step, auprc=auprc) for step, auprc in self.curve.items()),
        )


def _refusal(why: str) -> MethodError:
    return MethodError(f"weights cannot be selected for this method: {why}; {WITHOUT}", reason="no_selection")


@contextmanager
def _scoring() -> Iterator[None]:
    """Refuse a method whose `score` needs what `fit` only computes after training, such as a threshold."""
    try:
        yield
    except (MethodError, MemoryError, RuntimeError):  # the last also of GPU memory
        raise
    except Exception as error:
        raise _refusal(f"it cannot score before fit ends ({type(error).__name__}: {error})") from error
