"""Read the evaluated voxels of a patient, for recomputation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.reference import Reference
from uad_bench.errors import DataError
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.protocol import Protocol
from uad_bench.verification.recompute import Grid, Patient


def input_of(cases: Cases, subject: str) -> NDArray[np.float32] | None:
    """The input of the networks on the scan's grid; None if there is none."""
    try:
        return cases.inputs(subject) if cases.inputs else None
    except DataError:  # a scan that cannot be scaled
        return None


def read_patient(
    reference: Reference,
    score_map: NDArray[np.float32],
    protocol: Protocol,
    slices: tuple[int, int] | None,
    *,
    healthy: Sequence[int],
    given: NDArray[np.float32] | None = None,
) -> Patient | None:
    """The evaluated voxels of a patient; None if no slice is evaluated.

    Args:
        score_map: (X, Y, Z).
        protocol: defines the evaluated slices.
        slices: first and last slice of the task.
        healthy: z indices of the task's healthy slices.
        given: (X, Y, Z) input of the networks.
    """
    low, high = reference.box
    box = tuple(map(slice, low, high))
    inside = np.asarray(score_map)[box]
    z = np.broadcast_to(np.arange(low[2], high[2]), inside.shape)
    first, last = slices or (0, reference.shape[2])
    area = np.where((np.arange(low[2], high[2]) >= first) & (np.arange(low[2], high[2]) <= last), 1, 0)
    if protocol.slices == "largest":
        area = area * reference.anomaly.sum(axis=(0, 1))
        area = (np.arange(area.size) == int(np.argmax(area))) * (area > 0)
    if not area.any():
        return None
    counted = (reference.brain | reference.anomaly) & (area > 0)
    volume = float((reference.anomaly & (area > 0)).sum() * np.prod(reference.spacing))
    intensity = None if given is None else given[box][counted]
    clear = np.isin(np.arange(low[2], high[2]), healthy) & ~reference.anomaly.any(axis=(0, 1))
    clear &= counted.any(axis=(0, 1))
    grid = Grid(counted, reference.spacing, clear, low, np.array(reference.affine))
    return Patient(reference.id, inside[counted], reference.anomaly[counted], z[counted], volume, grid, intensity)
