"""Metrics of pseudo-healthy images: fidelity on healthy tissue, and what changes inside lesions.

To add a metric, add the sums that it needs to `ReconstructionSums` and list it in `RECONSTRUCTION`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.metric import Metric, Values, by_name
from uad_bench.metrics.value import MetricValue, undefined

Image = NDArray[np.floating]
Mask = NDArray[np.bool_]

WINDOW = 7  # voxels per side
C1, C2 = 0.01, 0.03  # relative to the dynamic range; Wang et al. (2004)


@dataclass(frozen=True, slots=True)
class ReconstructionSums:
    """Sums over the voxels of one patient, or of several; all differences are absolute.

    Attributes:
        healthy: number of healthy voxels.
        healthy_change: sum of |image - scan| over them.
        healthy_ssim: sum of the SSIM over them.
        lesion: number of lesion voxels.
        lesion_change: sum of |image - scan| over them.
        lesion_contrast: sum of |healthy tissue - scan| over them; NaN if the healthy tissue is unknown.
        lesion_error: sum of |image - healthy tissue| over them; likewise.
    """

    healthy: float
    healthy_change: float
    healthy_ssim: float
    lesion: float
    lesion_change: float
    lesion_contrast: float
    lesion_error: float


def sum_reconstruction(
    image: Image, scan: Image, *, healthy: Mask, lesion: Mask, truth: Image | None, span: float
) -> ReconstructionSums:
    """Compare a pseudo-healthy image with the scan, and inside lesions with the healthy tissue.

    Args:
        image: (X, Y, Z).
        scan: (X, Y, Z), finite in both masks.
        healthy: (X, Y, Z) bool, evaluated voxels of healthy brain.
        lesion: (X, Y, Z) bool, evaluated voxels of lesions.
        truth: (X, Y, Z) the scan without lesions; None if unknown.
        span: dynamic range of the SSIM.
    """
    there, before = image[lesion].astype(np.float64), scan[lesion].astype(np.float64)
    behind = np.full(there.shape, np.nan) if truth is None else truth[lesion].astype(np.float64)
    change = np.abs(image[healthy].astype(np.float64) - scan[healthy])
    return ReconstructionSums(
        healthy=float(healthy.sum()),
        healthy_change=float(change.sum()),
        healthy_ssim=float(ssim(image, scan, healthy, span=span)[healthy].sum()),
        lesion=float(lesion.sum()),
        lesion_change=float(np.abs(there - before).sum()),
        lesion_contrast=float(np.abs(behind - before).sum()) if truth is not None else np.nan,
        lesion_error=float(np.abs(there - behind).sum()) if truth is not None else np.nan,
    )


def ssim(image: Image, scan: Image, mask: Mask, *, span: float) -> Values:
    """Structural similarity (X, Y, Z) in the axial plane, 0 outside the mask. Wang et al. (2004), Eq. 13.

    Windows are 7 x 7 voxels, of which only those of the mask count, so that neither background nor lesions enter.
    """
    x, y = (np.where(mask, volume, 0).astype(np.float64) for volume in (image, scan))
    n = np.maximum(_window_sum(mask.astype(np.float64)), 1)
    mean_x, mean_y = _window_sum(x) / n, _window_sum(y) / n
    var_x, var_y = _window_sum(x * x) / n - mean_x**2, _window_sum(y * y) / n - mean_y**2
    covariance = _window_sum(x * y) / n - mean_x * mean_y
    c1, c2 = (C1 * span) ** 2, (C2 * span) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return np.where(mask, luminance * (2 * covariance + c2) / (var_x + var_y + c2), 0)


def _window_sum(volume: Values) -> Values:
    """Sum over each voxel's window in the plane, from a summed-area table; the plane is padded with zeros."""
    r = WINDOW // 2
    padded = np.pad(volume, ((r + 1, r), (r + 1, r), (0, 0))).cumsum(axis=0).cumsum(axis=1)
    rows = padded[WINDOW:] - padded[:-WINDOW]
    return np.asarray(rows[:, WINDOW:] - rows[:, :-WINDOW])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionMetric(Metric):
    """A ratio of `ReconstructionSums`; one formula serves numbers and arrays (R,).

    Attributes:
        numerator: of the sums `n`.
        denominator: likewise.
        required: counts that must be positive, by the reason code if one is not.
    """

    proportion: bool = False
    numerator: Callable[[Any], Any]
    denominator: Callable[[Any], Any]
    required: tuple[str, ...]

    def __call__(self, sums: ReconstructionSums) -> MetricValue:
        """The value, or the reason why there is none."""
        for reason in self.required:
            if not _REQUIRED[reason](sums) > 0:
                return undefined(reason)
        value = self.numerator(sums) / self.denominator(sums)
        return undefined("no_counterfactual") if np.isnan(value) else MetricValue(float(value))

    def replicates(self, sums: Any) -> Values:
        """Values (R,), NaN where undefined, of sums that are arrays (R,)."""
        sound = np.all([_REQUIRED[reason](sums) > 0 for reason in self.required], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(sound, self.numerator(sums) / self.denominator(sums), np.nan)


_REQUIRED: dict[str, Callable[[Any], Any]] = {
    "no_negative": lambda n: n.healthy,
    "empty_ref": lambda n: n.lesion,
    "no_change": lambda n: n.healthy_change,
    "no_contrast": lambda n: np.where(np.isnan(n.lesion_contrast), 1, n.lesion_contrast),
}

RECONSTRUCTION = by_name(
    ReconstructionMetric(
        name="healthy_mae",
        label="MAE (healthy)",
        description="mean absolute difference between pseudo-healthy image and scan on healthy tissue, in task units",
        better="lower",
        numerator=lambda n: n.healthy_change,
        denominator=lambda n: n.healthy,
        required=("no_negative",),
    ),
    ReconstructionMetric(
        name="healthy_ssim",
        label="SSIM (healthy)",
        description="structural similarity of pseudo-healthy image and scan on healthy tissue, 7 x 7 windows",
        numerator=lambda n: n.healthy_ssim,
        denominator=lambda n: n.healthy,
        required=("no_negative",),
    ),
    ReconstructionMetric(
        name="lesion_change",
        label="Change (lesions)",
        description="mean absolute difference between pseudo-healthy image and scan inside lesions, in task units",
        better=None,
        numerator=lambda n: n.lesion_change,
        denominator=lambda n: n.lesion,
        required=("empty_ref",),
    ),
    ReconstructionMetric(
        name="change_ratio",
        label="Change ratio",
        description="mean change inside lesions divided by mean change on healthy tissue",
        numerator=lambda n: n.lesion_change * n.healthy,
        denominator=lambda n: n.healthy_change * n.lesion,
        required=("no_negative", "empty_ref", "no_change"),
    ),
    ReconstructionMetric(
        name="counterfactual_mae",
        label="MAE (counterfactual)",
        description="mean absolute difference between pseudo-healthy image and known healthy tissue inside lesions",
        better="lower",
        numerator=lambda n: n.lesion_error,
        denominator=lambda n: n.lesion,
        required=("empty_ref",),
    ),
    ReconstructionMetric(
        name="counterfactual_ratio",
        label="Lesion left",
        description="counterfactual MAE divided by that of the scan itself: 0 for the healthy tissue, 1 for no change",
        better="lower",
        numerator=lambda n: n.lesion_error,
        denominator=lambda n: n.lesion_contrast,
        required=("empty_ref", "no_contrast"),
    ),
)
"""All metrics of pseudo-healthy images, as computed and shown by records, tables and `verify`."""
