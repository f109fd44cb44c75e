"""Named intensity scalings, estimated from the brain voxels of a volume and applied to the whole volume.

The scaling often affects scores more than the method does, so it is a named setting of the task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.errors import DataError, unknown

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scaling:
    """`slope * I + intercept`, clipped at `high`.

    Attributes:
        slope: factor of the intensities.
        intercept: constant added after multiplication.
        background: value of all voxels outside the brain.
        high: maximum value, or None.
    """

    slope: float
    intercept: float
    background: float
    high: float | None = None

    def __call__(self, intensities: Array) -> npt.NDArray[np.float32]:
        """Scaled intensities, float32, any shape."""
        scaled = intensities.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)
        return scaled if self.high is None else np.minimum(scaled, np.float32(self.high))


ScalingRule = Callable[[Array], Scaling]


def scale_for(name: str, volume: Array, brain: Mask) -> Scaling:
    """Estimate the named scaling from the brain voxels of a volume.

    Args:
        name: key of `SCALINGS`.
        volume: (X, Y, Z) intensities.
        brain: (X, Y, Z) bool.

    Raises:
        ConfigError: the scaling is unknown.
        DataError: brain intensities are constant or otherwise cannot be scaled.
    """
    if name not in SCALINGS:
        raise unknown("scaling", name, SCALINGS)
    scaling = SCALINGS[name](np.where(brain, volume, 0) if name in OF_ALL_VOXELS else volume[brain])
    if not np.isfinite([scaling.slope, scaling.intercept]).all():
        raise DataError(f"scaling {name}: brain intensities are constant or not positive; cannot scale")
    return scaling


def p90(brain: Array) -> Scaling:
    """6 I / P90 - 3, unclipped: background -3, P90 of the brain +3. The published MMCCD scaling."""
    return Scaling(slope=6 * _inverse(np.percentile(brain, 90)), intercept=-3, background=-3)


def p98_clip(brain: Array) -> Scaling:
    """I / P98, clipped at 1.5."""
    return Scaling(slope=_inverse(np.percentile(brain, 98)), intercept=0, background=0, high=1.5)


def p99(brain: Array) -> Scaling:
    """I / P99 of the non-zero voxels, unclipped. The published DAE scaling."""
    positive = brain[brain != 0]
    return Scaling(slope=_inverse(np.percentile(positive, 99) if positive.size else 0), intercept=0, background=0)


def p998_clip(volume: Array) -> Scaling:
    """I / P99.8 of all voxels, those outside the brain counted as 0, clipped at 1. The published AE and VAE scaling."""
    return Scaling(slope=_inverse(np.percentile(volume, 99.8)), intercept=0, background=0, high=1)


def minmax(brain: Array) -> Scaling:
    """Minimum of the brain 0, maximum 1."""
    low, high = float(brain.min()), float(brain.max())
    slope = _inverse(high - low)
    return Scaling(slope=slope, intercept=-low * slope, background=0)


def zscore(brain: Array) -> Scaling:
    """Mean 0 and standard deviation 1 over the brain; the background has the value of the darkest brain voxel."""
    mean, slope = float(brain.mean(dtype=np.float64)), _inverse(brain.std(dtype=np.float64))
    return Scaling(slope=slope, intercept=-mean * slope, background=(float(brain.min()) - mean) * slope)


SCALINGS: dict[str, ScalingRule] = {
    "p90": p90,
    "p98-clip": p98_clip,
    "p99": p99,
    "p99.8-clip": p998_clip,
    "minmax": minmax,
    "zscore": zscore,
}


OF_ALL_VOXELS = {"p99.8-clip"}  # the others are estimated from the brain


def _inverse(value: Any) -> float:
    return 1 / float(value) if value > 0 else float("nan")
