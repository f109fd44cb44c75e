"""Simulated studies of lesion sensitivity and Dice at 10 % slice alarms: how often the 95 % intervals are right.

    python -m tests.detection_study 12 60 251

prints the table of `docs/reading-the-table.md`. A patient's level moves the alarm scores of all lesion-free slices and
the scores of all lesions. Everything is normal, so both numbers are known for infinitely many patients.
"""

import sys
from types import SimpleNamespace

import numpy as np
from scipy.special import ndtr

from uad_bench.evaluation.detection import operating_points
from uad_bench.metrics.froc import LesionCurve
from uad_bench.metrics.uncertainty import leave_one_out
from uad_bench.runs.metric_rows import Labels

THRESHOLDS = np.concatenate([[np.inf], np.linspace(6, 0, 241)])
LEVEL, CONTRAST = 0.7, 0.5  # standard deviation over patients; within patients it is 1
LESION_ALARM, ANOMALY, HEALTHY = 2.0, 1.5, -0.8  # means over patients, a slice's alarm score having 0
ANOMALOUS_VOXELS, HEALTHY_VOXELS = 3_000, 60_000


def patient(rng):
    """The measurements of one patient that detection is computed from."""
    level, contrast = rng.normal(0, LEVEL), rng.normal(0, CONTRAST)
    n_lesions, ill = 1 + rng.poisson(1.5), int(ANOMALOUS_VOXELS * rng.lognormal(-0.32, 0.8))
    lesions = level + contrast + rng.normal(LESION_ALARM, 1, n_lesions)
    found = np.searchsorted(-THRESHOLDS, -lesions)
    tp = np.rint(ill * ndtr(level + contrast + ANOMALY - THRESHOLDS)).astype(int)
    fp = np.rint(HEALTHY_VOXELS * ndtr(level + HEALTHY - THRESHOLDS)).astype(int)
    curve = LesionCurve(THRESHOLDS, np.full(n_lesions, 100.0), found, np.zeros_like(tp), tp + fp, tp, ill)
    return SimpleNamespace(curve=curve, slice_alarms=level + rng.normal(size=rng.integers(20, 61)), patient_alarm=None)


def large_sample():
    """Lesion sensitivity and Dice at the lowest of the thresholds with alarms on at most 10 % of all slices."""

    def above(mean, *spreads):
        return ndtr((mean - THRESHOLDS) / np.sqrt(1 + np.sum(np.square(spreads))))

    at = np.flatnonzero(above(0, LEVEL) <= 0.1)[-1]
    tp = ANOMALOUS_VOXELS * above(ANOMALY, LEVEL, CONTRAST)[at]
    marked = tp + HEALTHY_VOXELS * above(HEALTHY, LEVEL)[at]
    return above(LESION_ALARM, LEVEL, CONTRAST)[at], 2 * tp / (marked + ANOMALOUS_VOXELS)


def simulate(n_patients, n_studies, *, seed=0):
    """Estimates, low and high ends of the intervals of both numbers: (3, S, 2)."""
    rng, rows = np.random.default_rng([n_patients, seed]), leave_one_out([f"P{i}" for i in range(n_patients)])
    labels, found = Labels(chain="none", region="brain", n_subjects=n_patients), []
    for _ in range(n_studies):
        subjects = [patient(rng) for _ in range(n_patients)]
        at = [e.metric for e in operating_points(subjects, rows, labels) if e.metric.policy == "alarm10"]
        found.append([(row.value, row.low, row.high) for row in at])
    return np.array(found, float).transpose(2, 0, 1)


def covered(found):
    """Share of the intervals of each number that hold its value for infinitely many patients."""
    _, low, high = found
    truth = np.array(large_sample())
    return np.mean((low <= truth) & (truth <= high), axis=0)


def main():
    """Print a row for each number of patients."""
    print(
        "| patients | studies | sensitivity: true | mean | covers | Dice: true | mean | covers |\n" + "| --- " * 8 + "|"
    )
    for n in map(int, sys.argv[1:]):
        found = simulate(n, min(1_000, 60_000 // n))
        numbers = zip(large_sample(), found[0].mean(axis=0), covered(found), strict=True)
        cells = [cell for true, mean, share in numbers for cell in (f"{true:.3f}", f"{mean:.3f}", f"{share:.1%}")]
        print("| " + " | ".join([str(n), str(found.shape[1]), *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
