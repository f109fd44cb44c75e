"""Independent implementation of lesion detection and alarms: masks labelled by scipy at each threshold."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from uad_bench.verification.curve import Values, divide
from uad_bench.verification.recompute import Patient, Recomputed, pooled

RATES = 10 ** np.linspace(-5, -1, 129)  # false-positive rates of voxels at the thresholds
FALSE = {"0.25FP": 0.25, "0.5FP": 0.5, "1FP": 1, "2FP": 2, "4FP": 4}
STRATA = {
    "lesion_ml=under 0.1": (0, 100),
    "lesion_ml=0.1-1": (100, 1_000),
    "lesion_ml=1-10": (1_000, 10_000),
    "lesion_ml=over 10": (10_000, np.inf),
}
"""Range of lesion volumes, mm³, by group."""
MM3, MM2 = 50, 25


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One metric with its replicates (R,)."""

    number: Recomputed
    replicates: Values


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Counts of one patient at T thresholds.

    Attributes:
        volumes: (L,) of the lesions, mm³.
        detected: (T, L) bool.
        false: (T,) components without a lesion.
        alarms: (T,) slices with an alarm.
        tp: (T,) anomalous voxels at or above each threshold; `marked` all voxels.
        patient: (T,) whether any component is marked.
    """

    volumes: Values
    detected: NDArray[np.bool_]
    false: Values
    alarms: Values
    tp: Values
    marked: Values
    patient: NDArray[np.bool_]


def detect(
    patients: Sequence[Patient], thresholds: Mapping[str, float], weights: Values
) -> tuple[dict[str, Detection], list[dict[str, float]], float]:
    """Metrics by key, with `#` and the range of volumes for those of some lesions; rows of froc.csv; threshold of 1FP.

    Args:
        patients: in the order of the weights' columns.
        thresholds: by policy.
        weights: (R, n), how often each patient occurs in each row.
    """
    levels = _levels(patients)
    rows = np.concatenate([np.ones((1, len(patients))), weights])
    found = [_count(patient, [*levels, *thresholds.values()]) for patient in patients]
    numbers = {
        key: Detection(Recomputed(float(v[0]), *n), v[1:])
        for key, v, n in _at_levels(found, patients, rows, levels.size)
    }
    for k, policy in enumerate(thresholds, levels.size):
        numbers |= {
            key: Detection(Recomputed(float(v[0]), n), v[1:]) for key, v, n in _alarms(found, patients, rows, k, policy)
        }
    false = rows[:1] @ np.array([f.false[: levels.size] for f in found]) / len(patients)
    part = slice(0, levels.size)
    sensitivity, *_ = _sensitivity(found, rows[:1], part, (0, np.inf))
    alarms = divide(rows[:1] @ np.array([f.alarms[part] for f in found]), rows[:1] @ _clear(patients))
    names = ("threshold", "false_positives_per_volume", "lesion_sensitivity", "slice_alarm_rate")
    columns = zip(levels, false[0], sensitivity[0], alarms[0], strict=True)
    curve = [dict(zip(names, map(float, row), strict=True)) for row in columns]
    return numbers, curve, float(_before(false, levels[None], 1)[0])


def alarm_scores(patients: Sequence[Patient]) -> list[float]:
    """Highest threshold with an alarm, of each healthy patient or, without any, of each one's lesion-free slices."""
    healthy = [patient for patient in patients if not patient.anomaly.any()]
    chosen = healthy or [patient for patient in patients if patient.grid.clear.any()]
    return [_alarm_score(patient, whole=bool(healthy)) for patient in chosen]


def _alarm_score(patient: Patient, *, whole: bool) -> float:
    grid, scores = patient.grid, np.unique(patient.scores)
    x, y, z = grid.spacing

    def silent(k: int) -> bool:
        mask = grid.volume(patient.scores >= scores[k])
        if whole:
            return not _fires(mask, MM3 / (x * y * z))
        return not any(_fires(mask[:, :, i], MM2 / (x * y)) for i in np.flatnonzero(grid.clear))

    above = bisect_left(range(scores.size), True, key=silent)
    return float(scores[above - 1]) if above else -np.inf


def _levels(patients: Sequence[Patient]) -> Values:
    """Infinity, and the lowest score of a positive at or below each false-positive rate."""
    curve = pooled(patients)
    false = curve.marked - curve.tp
    last = [np.flatnonzero(false <= rate * (curve.n - curve.n_positive))[-1:] for rate in RATES]
    scores = np.unique(np.concatenate([curve.scores[k] for k in last]))[::-1]
    return np.concatenate([[np.inf], scores]).astype(np.float64)


def _count(patient: Patient, thresholds: Sequence[float]) -> _Found:
    grid = patient.grid
    x, y, z = grid.spacing
    lesions, n = ndimage.label(grid.volume(patient.anomaly), np.ones((3, 3, 3)))
    volumes = ndimage.sum_labels(np.ones(lesions.shape), lesions, np.arange(1, n + 1)).reshape(-1) * x * y * z
    kept = np.flatnonzero(volumes >= MM3)
    rows = []
    for threshold in thresholds:
        over = patient.scores >= threshold
        mask = grid.volume(over)
        components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        large = np.flatnonzero(np.bincount(components.ravel())[1:] * (x * y * z) >= MM3) + 1
        ill = np.isin(lesions, kept + 1)
        inside = np.isin(components, large)
        met = np.isin(kept + 1, np.unique(lesions[inside]))
        false = large.size - np.isin(large, np.unique(components[ill])).sum()
        slices = sum(_fires(mask[:, :, k], MM2 / (x * y)) for k in np.flatnonzero(grid.clear))
        rows.append((met, false, slices, np.sum(patient.anomaly & over), over.sum(), large.size > 0))
    detected, false, alarms, tp, marked, any_large = (np.array(column) for column in zip(*rows, strict=True))
    return _Found(volumes[kept], detected.reshape(len(rows), -1), false, alarms, tp, marked, any_large)


def _fires(plane: NDArray[np.bool_], smallest: float) -> bool:
    labels, n = ndimage.label(plane, np.ones((3,) * plane.ndim))
    return bool(n) and int(np.bincount(labels.ravel())[1:].max()) >= ceil(smallest)


def _at_levels(
    found: Sequence[_Found], patients: Sequence[Patient], rows: Values, n_levels: int
) -> Iterator[tuple[str, Values, tuple[int, ...]]]:
    n, part = len(patients), slice(0, n_levels)
    false = rows @ np.array([f.false[part] for f in found]) / rows.sum(axis=1, keepdims=True)
    alarms = divide(rows @ np.array([f.alarms[part] for f in found]), rows @ _clear(patients))
    tp, marked = (rows @ np.array([getattr(f, name)[part] for f in found]) for name in ("tp", "marked"))
    real = rows @ np.array([p.anomaly.sum() for p in patients], float)
    dice = np.where(real[:, None] > 0, divide(2 * tp, marked + real[:, None]), np.nan)
    every, total, _ = _sensitivity(found, rows, part, (0, np.inf))
    at = {policy: _before(false, every, limit) for policy, limit in FALSE.items()}
    yield from ((f"lesion_sensitivity@{policy}/pooled", v, (n, total)) for policy, v in at.items())
    yield "froc_score@all/pooled", np.array(list(at.values())).mean(axis=0), (n, total)
    yield "lesion_sensitivity@alarm10/pooled", _before(alarms, every, 0.1), (n, total)
    yield "dice@alarm10/pooled", _before(alarms, dice, 0.1), (n,)
    for group, limits in STRATA.items():
        some, count, ill = _sensitivity(found, rows, part, limits)
        yield f"lesion_sensitivity@1FP/pooled#{group}", _before(false, some, 1), (ill, count)


def _sensitivity(
    found: Sequence[_Found], rows: Values, part: slice, limits: tuple[float, float]
) -> tuple[Values, int, int]:
    """Detected share (R, T) of the lesions with a volume in a range, their number, and that of their patients."""
    chosen = [(f.volumes >= limits[0]) & (f.volumes < limits[1]) for f in found]
    lesions = np.array([c.sum() for c in chosen], float)
    detected = np.array([f.detected[part][:, c].sum(axis=1) for f, c in zip(found, chosen, strict=True)])
    return divide(rows @ detected, rows @ lesions), int(lesions.sum()), int(np.count_nonzero(lesions))


def _alarms(
    found: Sequence[_Found], patients: Sequence[Patient], rows: Values, k: int, policy: str
) -> Iterator[tuple[str, Values, int]]:
    fired = rows @ np.array([f.alarms[k] for f in found], float)
    yield f"slice_alarm_rate@{policy}/pooled", divide(fired, rows @ _clear(patients)), len(patients)
    healthy = np.array([not p.anomaly.any() for p in patients], float)
    if healthy.any():
        fired = rows @ (np.array([f.patient[k] for f in found]) * healthy)
        yield f"patient_alarm_rate@{policy}/pooled", divide(fired, rows @ healthy), int(healthy.sum())


def _clear(patients: Sequence[Patient]) -> Values:
    """Lesion-free slices (n,) of each patient."""
    return np.array([p.grid.clear.sum() for p in patients], float)


def _before(rates: Values, values: Values, limit: float) -> Values:
    """Value (R,) at the last threshold before the rate first exceeds the limit."""
    found = []
    for row, value in zip(rates, values, strict=True):
        over = np.flatnonzero(row > limit)
        found.append(np.nan if np.isnan(row[0]) else value[(over[0] if over.size else row.size) - 1])
    return np.array(found)
