"""Bootstrap replicates by another road: the rows are drawn anew and every metric is counted for each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import OVERLAP, Confusion
from uad_bench.verification.recount import HEALTHY, NAN, Curve, Patient, recount_patient

Values = NDArray[np.float64]


def draw(n_patients: int, *, seed: int, rows: int) -> NDArray[np.int64]:
    """Patients (rows, n) drawn with replacement."""
    return np.random.Generator(np.random.PCG64(seed)).integers(0, n_patients, size=(rows, n_patients))


def digest_of(drawn: NDArray[np.int64]) -> str:
    """SHA-256 of the indices as little-endian int64."""
    return hashlib.sha256(drawn.astype("<i8").tobytes()).hexdigest()


def times_drawn(drawn: NDArray[np.int64]) -> Values:
    """How often row r holds patient j (R, n)."""
    n = drawn.shape[1]
    return np.array([np.bincount(row, minlength=n) for row in drawn], np.float64).reshape(len(drawn), n)


def summed_draws(patients: Sequence[Patient], thresholds: Mapping[str, float], weights: Values) -> dict[str, Values]:
    """Replicates (R,) by key of all metrics that are sums over patients: those at fixed thresholds, and means."""
    replicates = _means(patients, thresholds, weights)
    real = weights @ np.array([p.anomaly.sum() for p in patients], float)
    voxels = weights @ np.array([p.scores.size for p in patients], float)
    replicates["prevalence@all/pooled"] = real / voxels
    for policy, threshold in thresholds.items():
        hit, marked = (weights @ column for column in _marked(patients, threshold))
        counts: Any = {"tp": hit, "fp": marked - hit, "fn": real - hit, "tn": voxels - real - marked + hit}
        found = {name: metric.replicates(Confusion(**counts)) for name, metric in OVERLAP.items()}
        replicates |= {f"{name}@{policy}/pooled": values for name, values in found.items()}
        if policy in HEALTHY:
            healthy = [p.scores[p.healthy] for p in patients]
            alarms = weights @ np.array([np.sum(s >= threshold) for s in healthy], float)
            rate = _divide(alarms, weights @ np.array([s.size for s in healthy], float))
            replicates[f"fpr_healthy@{policy}/pooled"] = rate
            replicates[f"fpr_healthy_ratio@{policy}/pooled"] = rate / HEALTHY[policy]
    return replicates


def curve_draws(patients: Sequence[Patient], weights: Values) -> dict[str, Values]:
    """Replicates (R,) by key of all metrics over every threshold; each row sums all voxels again."""
    whole = _Sorted.of([(p.scores, p.anomaly) for p in patients])
    curves = [whole.curve(row) for row in weights]
    replicates = {
        "auprc@all/pooled": np.array([curve.area for curve in curves]),
        "auroc@all/pooled": np.array([curve.roc_area for curve in curves]),
        "dice@oracle/pooled": np.array([curve.best_dice for curve in curves]),
    }
    base = np.array([curve.prevalence for curve in curves])
    replicates["auprc_gain@all/pooled"] = _divide(replicates["auprc@all/pooled"] - base, 1 - base)
    for ending, top in (("", False), ("_top1pct", True)):
        slices = _Sorted.of([p.slices(top=top) for p in patients])
        curves = [slices.curve(row) for row in weights]
        replicates[f"slice_auroc{ending}@all/pooled"] = np.array([curve.roc_area for curve in curves])
        replicates[f"slice_auprc{ending}@all/pooled"] = np.array([curve.area for curve in curves])
    return replicates


def interval(replicates: Values) -> tuple[float, float]:
    """The central 95 %; NaN where more than 5 % of the replicates have no value."""
    values = np.sort(replicates[~np.isnan(replicates)])
    if values.size < max(1, 0.95 * replicates.size):
        return NAN, NAN
    low, high = (np.interp(share * (values.size - 1), np.arange(values.size), values) for share in (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class _Sorted:
    """Voxels of all patients, highest score first, sorted once for all rows.

    Attributes:
        owner: (V,) which patient each is of.
        last: where each run of equal scores ends.
    """

    scores: NDArray[np.floating]
    anomaly: NDArray[np.bool_]
    owner: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[tuple[NDArray[np.floating], NDArray[np.bool_]]]) -> _Sorted:
        scores, anomaly = (np.concatenate(column) for column in zip(*parts, strict=True))
        owner = np.repeat(np.arange(len(parts)), [part[0].size for part in parts])
        order = np.argsort(-scores.astype(np.float64), kind="stable")
        ordered = scores[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        return cls(ordered, anomaly[order], owner[order], last)

    def curve(self, weights: Values) -> Curve:
        """The curve where patient j counts `weights[j]` times."""
        each = weights[self.owner]
        tp, marked = np.cumsum(each * self.anomaly)[self.last], np.cumsum(each)[self.last]
        return Curve(self.scores[self.last], tp, marked, float(tp[-1]), float(marked[-1]))


def _means(patients: Sequence[Patient], thresholds: Mapping[str, float], weights: Values) -> dict[str, Values]:
    rows = [recount_patient(patient, thresholds) for patient in patients]
    replicates = {}
    for key in rows[0]:
        name, _, policy = key.partition("@")
        if name == "dice" or key in {"auprc", "auroc"}:
            values = np.array([row[key] for row in rows])
            known = ~np.isnan(values)
            mean = _divide(weights[:, known] @ values[known], weights @ known.astype(float))
            replicates[f"{name}@{policy or 'all'}/mean"] = mean
    return replicates


def _marked(patients: Sequence[Patient], threshold: float) -> tuple[Values, Values]:
    """Voxels of each patient (n,) that are rightly marked, and all that are."""
    over = [p.scores >= threshold for p in patients]
    hits = [np.sum(p.anomaly & mask) for p, mask in zip(patients, over, strict=True)]
    return np.array(hits, float), np.array([mask.sum() for mask in over], float)


def _divide(numerator: Values, denominator: Values) -> Values:
    safe = np.where(denominator > 0, denominator, 1.0)
    return np.where(denominator > 0, numerator / safe, NAN)
