"""False alarms: a lesion-free slice, or a healthy patient, in which a connected component is marked.

A slice raises an alarm at a threshold if a component (8 neighbours) of at least 25 mm² is marked, a patient if one of
at least 50 mm³ (26 neighbours) is. Components grow as the threshold falls, so each slice has one alarm score: the
highest threshold at which it raises an alarm.
"""

import math

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.metric import Metric

SMALLEST_MM2 = 25.0
NEVER = -math.inf

SLICE_ALARM_RATE = Metric(
    name="slice_alarm_rate",
    label="Slice alarm rate",
    description="fraction of lesion-free slices with a marked component of at least 25 mm²",
    better="lower",
)
PATIENT_ALARM_RATE = Metric(
    name="patient_alarm_rate",
    label="Patient alarm rate",
    description="fraction of healthy patients with a marked component of at least 50 mm³",
    better="lower",
)


def alarm_score(scores: NDArray[np.float32], domain: NDArray[np.bool_], *, smallest: float) -> float:
    """The highest score at which a connected component of at least `smallest` pixels or voxels is marked.

    Args:
        scores: float32, a slice (X, Y) or a volume (X, Y, Z).
        domain: pixels or voxels that can be marked.
        smallest: size of a component, at least 1.

    Returns:
        the score, or minus infinity if no component of the domain is that large.
    """
    values = np.sort(scores[domain])[::-1]
    first = max(1, math.ceil(smallest)) - 1  # so many scores are needed at least
    candidates = np.unique(values[first:])[::-1]
    low, high = 0, candidates.size  # the answer is at one of candidates[low:high], if anywhere
    while low < high:
        middle = (low + high) // 2
        if _largest(domain & (scores >= candidates[middle])) >= smallest:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low]) if low < candidates.size else NEVER


def _largest(marked: NDArray[np.bool_]) -> int:
    """Size of the largest component, by face, edge or corner."""
    from scipy import ndimage

    labels, _ = ndimage.label(marked, np.ones((3,) * marked.ndim, bool))
    return int(np.bincount(labels.ravel())[1:].max(initial=0))


def conformal_threshold(scores: NDArray[np.float64], percent: int) -> float | None:
    """A threshold at which at most `percent` % of further patients raise an alarm, if patients are exchangeable.

    Split conformal prediction: the ceil((n + 1)(1 - percent/100))-th smallest of the patients' alarm scores; a patient
    raises no alarm at any threshold above their score (Vovk et al. 2005; Angelopoulos and Bates 2023).

    Args:
        scores: (n,) alarm score of each healthy patient.

    Returns:
        the next float32 above that score; None with too few patients.
    """
    rank = -(-(scores.size + 1) * (100 - percent) // 100)  # rounded up, in whole numbers
    if rank > scores.size:
        return None
    return float(np.nextafter(np.float32(np.sort(scores)[rank - 1]), np.float32(np.inf)))
