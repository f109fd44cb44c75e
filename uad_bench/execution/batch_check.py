"""Whether a method's scores are those of the slices alone: a few of the first patient's are asked for once more.

They come one by one and after all other patients, so that statistics of a batch, or of the scores so far, show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from uad_bench.execution.scoring import score_subject
from uad_bench.method import Method, SliceKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from uad_bench.data.store import SliceStore

SLICES = 4
CLOSE = 1e-4  # of the map's range: above the rounding of float32 convolutions, below what moves a threshold
CLOSE_IN_BFLOAT16 = {"cpu": 2.0**-8, "cuda": 2.0**-5}
"""One rounding of bfloat16 on processors, where differences of 0 were measured; eight on GPUs, whose kernels change
with the size of the batch and whose roundings add up over a network's layers and steps."""
DEPENDS = "scores depend on the batch or on other cases"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some slices of one patient as they were scored first.

    Attributes:
        keys: at most four, evenly spread.
        scores: (n, h, w) float32, on the grid the method works on.
        spread: highest minus lowest score of all the patient's slices.
    """

    keys: tuple[SliceKey, ...]
    scores: NDArray[np.float32]
    spread: float

    @classmethod
    def of(cls, keys: Sequence[SliceKey], scores: NDArray[np.float32]) -> Self:
        """Choose from all scores (N, h, w) of a patient's slices."""
        chosen = np.unique(np.linspace(0, len(keys) - 1, SLICES).astype(int))
        return cls(tuple(keys[i] for i in chosen), scores[chosen], float(np.ptp(scores)))

    def remark(self, method: Method, store: SliceStore, *, device: str) -> str | None:
        """Score the slices once more, and say by how much they differ if that is more than rounding does.

        Raises:
            MethodError: the method returned something that is not a finite score per pixel.
        """
        again, _ = score_subject(method, store, self.keys, device=device, batch_size=1)
        difference = float(np.abs(again - self.scores).max()) / max(self.spread, float(np.finfo(np.float32).tiny))
        if difference <= tolerance(device):
            return None
        return f"{DEPENDS} (difference {difference:.2g} of the map's range)"


def tolerance(device: str) -> float:
    """Largest difference that rounding makes in the precision in which networks run there, of the map's range."""
    from uad_bench.precision import has_bfloat16

    kind = device.partition(":")[0]
    return CLOSE_IN_BFLOAT16[kind] if has_bfloat16(kind) else CLOSE
