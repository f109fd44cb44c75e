"""Simulated studies of two equally good methods: how often they differ at 5 %, and how often 95 % intervals are right.

    python -m tests.studies 12 60 251

prints the table of `docs/reading-the-table.md`. Patients differ in prevalence, in contrast, and in the level of their
scores; the two methods see the same patients and err independently within them.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from uad_bench.metrics.significance import difference_p
from uad_bench.metrics.uncertainty import fold_replicates, t_interval

VOXELS = 150


def varied(rng, n):
    """Scores (2, n, V) and anomaly (n, V): log-normal prevalence, and levels and contrasts of patients and methods."""
    share = np.clip(np.exp(rng.normal(np.log(0.06), 0.8, n)), 0.01, 0.4)
    anomaly = np.arange(VOXELS) < np.maximum(1, np.rint(share * VOXELS))[:, None]
    level = rng.normal(0, 0.5, (1, n, 1)) + 0.25 * rng.normal(size=(2, n, 1))
    contrast = 1.6 + 0.5 * rng.normal(size=(1, n, 1)) + 0.35 * rng.normal(size=(2, n, 1))
    return (rng.normal(size=(2, n, VOXELS)) + level + contrast * anomaly).astype(np.float32), anomaly


def similar(rng, n):
    """The same with less variation: prevalence from a beta distribution, and one gain per patient."""
    anomaly = rng.random((n, VOXELS)) < rng.beta(2, 10, (n, 1))
    anomaly[:, 0] = True
    signal, gain = anomaly * rng.normal(1.5, 0.4, (n, 1)), rng.lognormal(0, 0.2, (n, 1))
    return (gain * (signal + rng.normal(size=(2, n, VOXELS)))).astype(np.float32), anomaly


def pooled_auprc(scores, anomaly):
    """Pooled AUPRC of patients (n, V), and without each of them (n,); exact, by counts at each positive's score."""
    n, thresholds = len(scores), np.unique(scores[anomaly])[::-1]
    at = np.searchsorted(-thresholds, -scores)  # place of the highest threshold that a score reaches
    rows, bins = np.arange(n)[:, None] * (thresholds.size + 1), thresholds.size + 1
    marked = np.bincount((rows + at).ravel(), minlength=n * bins).reshape(n, bins)[:, :-1].cumsum(axis=1)
    found = np.bincount((rows + at)[anomaly], minlength=n * bins).reshape(n, bins)[:, :-1]
    with np.errstate(invalid="ignore"):
        weights = np.concatenate([np.ones((1, n)), np.ones((n, n)) - np.eye(n)])
        hits = weights @ found
        areas = (hits * hits.cumsum(axis=1) / np.maximum(weights @ marked, 1)).sum(axis=1) / hits.sum(axis=1)
    return areas[0], areas[1:]


def mean_over_folds(scores, anomaly, n_folds):
    """Estimate and jackknife replicates (n,) of the pooled AUPRC, averaged over folds."""
    parts = [pooled_auprc(scores[k::n_folds], anomaly[k::n_folds]) for k in range(n_folds)]
    estimates, folds = zip(*parts, strict=True)
    return np.mean(estimates), fold_replicates(estimates, folds)


@dataclass(frozen=True)
class Studies:
    """Results of S simulated studies.

    Attributes:
        p: (S,) of the difference between the two methods.
        estimates: (S, 2) AUPRC of each method.
        intervals: (S, 2, 2) ends of the 95 % interval of each method.
    """

    p: np.ndarray
    estimates: np.ndarray
    intervals: np.ndarray

    @property
    def rejected(self) -> float:
        """Share of studies in which the methods differ at 5 %."""
        return float(np.mean(self.p < 0.05))

    @property
    def covered(self) -> float:
        """Share of the intervals that hold the expected value, that is the mean over studies."""
        truth = self.estimates.mean()
        return float(np.mean((self.intervals[..., 0] <= truth) & (truth <= self.intervals[..., 1])))

    @property
    def width(self) -> float:
        """Mean width of the intervals."""
        return float(np.mean(self.intervals[..., 1] - self.intervals[..., 0]))


def simulate(n_patients: int, n_folds: int, n_studies: int, *, patients: Callable = varied, seed: int = 0) -> Studies:
    """Simulate studies; `n_folds` is 1 without cross-validation and `n_patients` for leave-one-out."""
    rng = np.random.default_rng([n_patients, n_folds, seed])
    p, estimates, intervals = [], [], []
    for _ in range(n_studies):
        scores, anomaly = patients(rng, n_patients)
        (one, first), (other, second) = (mean_over_folds(each, anomaly, n_folds) for each in scores)
        p.append(difference_p(one - other, first - second, n_patients=n_patients))
        estimates.append((one, other))
        each = ((one, first), (other, second))
        found = [t_interval(value, left, n_patients=n_patients, proportion=True) for value, left in each]
        intervals.append([(interval.low, interval.high) for interval in found])
    return Studies(np.array(p), np.array(estimates), np.array(intervals))


def main() -> None:
    """Print a row per number of patients and folds."""
    print("| patients | folds | studies | differ at 5 % | interval covers | mean width |\n" + "| --- " * 6 + "|")
    for n in map(int, sys.argv[1:]):
        for folds, studies in (
            (1, 120_000 // n),
            (3, 120_000 // n),
            (4, 120_000 // n),
            (6, 120_000 // n),
            (n, 60_000 // n),
        ):
            found = simulate(n, folds, min(4_000, studies))
            row = (n, folds, len(found.p), f"{found.rejected:.1%}", f"{found.covered:.1%}", f"{found.width:.3f}")
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
