"""Post-processing of score maps: a chain of steps defined by the protocol and applied equally to all methods.

Each step is read from a protocol's file. Steps on scores are applied before thresholds are chosen, steps on masks after
thresholding. A voxel that a step masks out gets the lowest score of the map but stays in the domain: removing it would
hide missed anomaly at the border of the brain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from uad_bench.evaluation.median import LARGEST, median_filter

Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Median:
    """Median over a cube (dims 3) or a square within the slice (dims 2), with `size` voxels per side."""

    __pydantic_config__ = STRICT

    step: Literal["median"] = "median"
    size: Literal[3, 4, 5, 7]
    dims: Literal[2, 3] = 3

    @property
    def halo(self) -> int:
        """Voxels around a box that its result depends on."""
        return self.size // 2

    def apply(self, scores: Scores, _: Mask) -> Scores:
        """Filter scores (X, Y, Z); the brain mask plays no part."""
        if self.size > LARGEST:
            from scipy import ndimage

            return np.asarray(ndimage.median_filter(scores, (self.size, self.size, self.size if self.dims == 3 else 1)))
        return median_filter(scores, size=self.size, dims=self.dims)


@dataclass(frozen=True, kw_only=True)
class Erode:
    """Mask out voxels outside the brain mask, eroded within each slice.

    Attributes:
        radius: voxels; 0 masks with the brain itself.
        element: `disk` of this radius, `cross` applied this many times, or `mean95`: the mean of the mask over a square
            of 2 radius + 1 voxels is above 0.95.
    """

    __pydantic_config__ = STRICT

    step: Literal["erode"] = "erode"
    radius: Annotated[int, Field(ge=0, le=50)]
    element: Literal["disk", "cross", "mean95"] = "disk"
    dims: Literal[2] = 2

    @property
    def halo(self) -> int:
        """Voxels around a box that its result depends on."""
        return self.radius + 1

    def apply(self, scores: Scores, brain: Mask) -> Scores:
        """Set scores (X, Y, Z) outside the eroded brain to the lowest score."""
        return np.where(ERODED[self.element](brain, self.radius), scores, scores.min(initial=np.inf))


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Gaussian filter; `sigma` in voxels, truncated at four standard deviations."""

    __pydantic_config__ = STRICT

    step: Literal["gaussian"] = "gaussian"
    sigma: Annotated[float, Field(gt=0, le=20)]
    dims: Literal[2, 3] = 3

    @property
    def halo(self) -> int:
        """Voxels around a box that its result depends on."""
        return int(4 * self.sigma + 0.5)

    def apply(self, scores: Scores, _: Mask) -> Scores:
        """Filter scores (X, Y, Z); the brain mask plays no part."""
        from scipy import ndimage

        return np.asarray(ndimage.gaussian_filter(scores, (self.sigma, self.sigma, self.sigma * (self.dims == 3))))


@dataclass(frozen=True, kw_only=True)
class MinComponent:
    """Drop components of at most `voxels` from the thresholded mask, with 26-connectivity."""

    __pydantic_config__ = STRICT

    step: Literal["min_component"] = "min_component"
    voxels: Annotated[int, Field(ge=1)]

    def drop(self, predicted: Mask) -> Mask:
        """The mask (X, Y, Z) without its small components."""
        from scipy import ndimage

        labels, _ = ndimage.label(predicted, np.ones((3, 3, 3), bool))
        kept = np.bincount(labels.ravel()) > self.voxels
        kept[0] = False
        return np.asarray(kept[labels])


Step = Annotated[Median | Erode | Gaussian | MinComponent, Field(discriminator="step")]
ScoreStep = Median | Erode | Gaussian


@dataclass(frozen=True, slots=True)
class Chain:
    """Post-processing steps, in order.

    Attributes:
        on_scores: applied before thresholds are chosen.
        on_masks: applied after thresholding.
    """

    on_scores: tuple[ScoreStep, ...]
    on_masks: tuple[MinComponent, ...]

    @classmethod
    def of(cls, steps: Sequence[ScoreStep | MinComponent]) -> Chain:
        """Separate steps on scores from steps on masks."""
        masks = tuple(step for step in steps if isinstance(step, MinComponent))
        return cls(tuple(step for step in steps if not isinstance(step, MinComponent)), masks)

    @property
    def halo(self) -> int:
        """Margin in voxels around a box on which the result in the box depends."""
        return sum(step.halo for step in self.on_scores)

    @property
    def planar(self) -> bool:
        """Whether every step works within slices, so that slices may be selected first."""
        return all(step.dims == 2 for step in self.on_scores)

    @property
    def least_voxels(self) -> int:
        """Fewest voxels of a component that the steps on masks keep."""
        return max((step.voxels + 1 for step in self.on_masks), default=1)

    def filter(self, scores: Scores, brain: Mask) -> Scores:
        """Apply the steps on scores (X, Y, Z)."""
        for step in self.on_scores:
            scores = step.apply(scores, brain)
        return scores

    def clean(self, predicted: Mask) -> Mask:
        """Apply the steps on masks (X, Y, Z)."""
        for step in self.on_masks:
            predicted = step.drop(predicted)
        return predicted


def describe(steps: Sequence[ScoreStep | MinComponent]) -> str:
    """`median(size=5, dims=3), min_component(voxels=20)`; `none` without steps."""
    return ", ".join(f"{step.step}({_arguments(step)})" for step in steps) or "none"


def _arguments(step: object) -> str:
    return ", ".join(f"{key}={value}" for key, value in vars(step).items() if key != "step")


def _disk(brain: Mask, radius: int) -> Mask:
    """Binary erosion by a disk of `radius` voxels."""
    from scipy import ndimage

    x, y = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2)[:, :, None]
    return np.asarray(ndimage.binary_erosion(brain, disk, border_value=1)) if radius else brain


def _cross(brain: Mask, times: int) -> Mask:
    from scipy import ndimage

    cross = ndimage.generate_binary_structure(2, 1)[:, :, None]
    return np.asarray(ndimage.binary_erosion(brain, cross, iterations=times, border_value=1)) if times else brain


def _mean95(brain: Mask, radius: int) -> Mask:
    from scipy import ndimage

    side = 2 * radius + 1
    return np.asarray(ndimage.uniform_filter(brain.astype(np.float64), (side, side, 1)) > 0.95)


ERODED: Mapping[str, Callable[[Mask, int], Mask]] = {"disk": _disk, "cross": _cross, "mean95": _mean95}
