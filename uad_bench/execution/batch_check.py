"""Checks that a method's scores depend on each slice alone, by scoring some slices of the first patient again.

They are scored one at a time and after all other patients, which reveals batch statistics and state kept in `score`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from uad_bench.execution.scoring import score_subject
from uad_bench.method import Method, Precision, SliceKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uad_bench.data.store import SliceStore

SLICES = 4
CLOSE = 1e-4  # of the map's range: above float32 rounding of convolutions, too small to affect a threshold
CLOSE_IN_BFLOAT16 = {"cpu": 2.0**-8, "cuda": 2.0**-5}
"""One rounding of bfloat16 on processors, where differences of 0 were measured; eight on GPUs, whose kernels change
with the size of the batch and whose roundings add up over a network's layers and steps."""
DEPENDS = "scores depend on the batch or on other cases"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some slices of one patient, with their original scores.

    Attributes:
        keys: at most four, evenly spaced.
        scores: (n, h, w) float32, on the method's working grid.
        spread: range of the scores over all slices of the patient.
    """

    keys: tuple[SliceKey, ...]
    scores: NDArray[np.float32]
    spread: float

    @classmethod
    def of(cls, keys: Sequence[SliceKey], scores: NDArray[np.float32]) -> Self:
        """Select slices from all scores (N, h, w) of a patient."""
        chosen = np.unique(np.linspace(0, len(keys) - 1, SLICES).astype(int))
        return cls(tuple(keys[i] for i in chosen), scores[chosen], float(np.ptp(scores)))

    def remark(self, method: Method, store: SliceStore, *, device: str, precision: Precision = "auto") -> str | None:
        """Score the slices again; returns a remark if the scores differ by more than rounding.

        Raises:
            MethodError: the method did not return one finite score per pixel.
        """
        again, _ = score_subject(method, store, self.keys, device=device, batch_size=1)
        difference = float(np.abs(again - self.scores).max()) / max(self.spread, float(np.finfo(np.float32).tiny))
        if difference <= tolerance(device, precision):
            return None
        return f"{DEPENDS} (difference {difference:.2g} of the map's range)"


def tolerance(device: str, precision: Precision = "auto") -> float:
    """Largest difference due to rounding in the device's network precision, as a fraction of the map's range."""
    from uad_bench.precision import uses_bfloat16

    return CLOSE_IN_BFLOAT16[device.partition(":")[0]] if uses_bfloat16(precision, device) else CLOSE
