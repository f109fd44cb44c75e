"""Missed lesions and false positives of a score map, as connected components."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.lesion import SMALLEST_MM3

Kind = Literal["missed lesion", "false positive"]
MOST = 6  # findings per kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One connected component.

    Attributes:
        at: voxel (x, y, z) of the component nearest its centre, relative to the box.
        ml: volume in ml.
    """

    kind: Kind
    at: tuple[int, int, int]
    ml: float


def find_errors(predicted: NDArray[np.bool_], anomaly: NDArray[np.bool_], *, voxel_mm3: float) -> list[Finding]:
    """Components of either mask (X, Y, Z) that do not overlap the other, largest first; 26-connectivity."""
    missed = _alone(anomaly, predicted, "missed lesion", voxel_mm3)
    return [*missed, *_alone(predicted, anomaly, "false positive", voxel_mm3)]


def _alone(mask: NDArray[np.bool_], other: NDArray[np.bool_], kind: Kind, voxel_mm3: float) -> list[Finding]:
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3, 3), bool))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    met = np.unique(labels[other])
    alone = [i for i in range(1, count + 1) if i not in met and sizes[i] * voxel_mm3 >= SMALLEST_MM3]
    alone.sort(key=lambda i: (-sizes[i], i))
    boxes = ndimage.find_objects(labels)
    return [Finding(kind, _centre(labels, boxes[i - 1], i), float(sizes[i] * voxel_mm3 / 1000)) for i in alone[:MOST]]


def _centre(labels: NDArray[np.int64], box: tuple[slice, ...], number: int) -> tuple[int, int, int]:
    """The component's voxel nearest its centre of mass, which may itself be outside the component."""
    places = np.argwhere(labels[box] == number) + [part.start for part in box]
    x, y, z = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    return int(x), int(y), int(z)
