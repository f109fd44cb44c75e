"""Every number of a record by another road: all voxels in one array, sorted, and each definition written out.

Nothing here shares code with `evaluation` or with the counting in `metrics`; the ratios at a threshold are those of
`metrics.overlap`, from counts made here. It needs memory for all voxels at once and is slower; that is the price of an
answer that cannot be wrong in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import OVERLAP, Confusion

Values = NDArray[np.float64]
HEALTHY = {"hFPR1": 0.01, "hFPR5": 0.05}
NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """The voxels of one patient that count.

    Attributes:
        scores: (V,) float32.
        anomaly: (V,) bool.
        z: (V,) slice of each voxel.
        anomaly_mm3: volume of the reference.
    """

    name: str
    scores: NDArray[np.float32]
    anomaly: NDArray[np.bool_]
    z: NDArray[np.int64]
    anomaly_mm3: float

    @property
    def healthy(self) -> NDArray[np.bool_]:
        """Voxels (V,) in slices without anomaly."""
        return ~np.isin(self.z, np.unique(self.z[self.anomaly]))

    def slices(self, *, top: bool) -> tuple[Values, NDArray[np.bool_]]:
        """One score a slice (the mean, or that of the top 1 %), and whether it holds anomaly."""
        found = [(self.scores[self.z == k], self.anomaly[self.z == k].any()) for k in np.unique(self.z)]
        reduced = [np.sort(s)[::-1][: -(-s.size // 100) if top else None].astype(np.float64).mean() for s, _ in found]
        return np.array(reduced).astype(np.float32).astype(np.float64), np.array([ill for _, ill in found], bool)


@dataclass(frozen=True, slots=True)
class Number:
    """One metric, NaN where undefined, and how many patients it is about."""

    value: float
    n_subjects: int


def recount(patients: Sequence[Patient], thresholds: Mapping[str, float]) -> dict[str, Number]:
    """Numbers by metric key of these patients at the given thresholds."""
    everybody = {
        **dict(_over_thresholds(patients)),
        **{key: value for policy, t in thresholds.items() for key, value in _at(patients, policy, t)},
        **dict(_slices(patients)),
    }
    numbers = {key: Number(value, len(patients)) for key, value in everybody.items()}
    numbers |= _means([recount_patient(patient, thresholds) for patient in patients])
    for policy in HEALTHY.keys() & thresholds.keys():
        numbers |= _healthy(patients, policy, thresholds[policy])
    return numbers


def recount_patient(patient: Patient, thresholds: Mapping[str, float]) -> dict[str, float]:
    """One row of `metrics.csv`."""
    curve = Curve.of(patient.scores, patient.anomaly)
    own = {
        "auprc": curve.area,
        "auroc": curve.roc_area,
        "prevalence": curve.prevalence,
        "dice@own-oracle": curve.best_dice,
    }
    at = {f"{name}@{p}": v for p, t in thresholds.items() for name, v in overlaps([patient], t).items()}
    return {**own, **at}


def recount_thresholds(
    val: Sequence[Patient], healthy: NDArray[np.float32], test: Sequence[Patient]
) -> dict[str, float]:
    """Thresholds by policy, NaN where there is none."""
    ill = [patient for patient in val if patient.anomaly.any()]
    chosen = {policy: smallest_allowed(healthy, rate) if val else NAN for policy, rate in HEALTHY.items()}
    return {**chosen, "valDice": pooled(ill).best_threshold if ill else NAN, "oracle": pooled(test).best_threshold}


def smallest_allowed(healthy: NDArray[np.float32], rate: float) -> float:
    """The smallest observed score at which no more than this share of the scores lies, else the next float32 above."""
    if not healthy.size:
        return NAN
    distinct, counts = np.unique(healthy, return_counts=True)
    share = np.cumsum(counts[::-1])[::-1] / healthy.size
    allowed = distinct[share <= rate]
    return float(allowed[0]) if allowed.size else float(np.nextafter(distinct[-1], np.float32(np.inf)))


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Cumulative counts at each distinct score, highest first."""

    scores: NDArray[np.float32]
    tp: Values
    marked: Values
    n_positive: float
    n: float

    @classmethod
    def of(cls, scores: NDArray[np.floating], anomaly: NDArray[np.bool_], weights: Values | None = None) -> Curve:
        """Sort everything; weights say how often a voxel counts."""
        order = np.argsort(-scores.astype(np.float64), kind="stable")
        ordered = scores[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        weight = np.ones(scores.size) if weights is None else weights[order]
        tp, marked = np.cumsum(weight * anomaly[order])[last], np.cumsum(weight)[last]
        return cls(ordered[last], tp, marked, float(tp[-1]), float(marked[-1]))

    @property
    def prevalence(self) -> float:
        return self.n_positive / self.n

    @property
    def area(self) -> float:
        """Sum of precision over steps of recall."""
        if not self.n_positive:
            return NAN
        recall = self.tp / self.n_positive
        return float(np.sum(np.diff(recall, prepend=0.0) * self.tp / np.maximum(self.marked, 1e-300)))

    @property
    def roc_area(self) -> float:
        """Trapezoids under sensitivity over false-positive rate."""
        n_negative = self.n - self.n_positive
        if not self.n_positive or not n_negative:
            return NAN
        tpr, fpr = np.append(0.0, self.tp / self.n_positive), np.append(0.0, (self.marked - self.tp) / n_negative)
        return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))

    @property
    def dice(self) -> Values:
        return 2 * self.tp / (self.n_positive + self.marked)

    @property
    def best_dice(self) -> float:
        return float(self.dice.max()) if self.n_positive else NAN

    @property
    def best_threshold(self) -> float:
        return float(self.scores[int(np.argmax(self.dice))]) if self.n_positive else NAN

    @property
    def fpr95(self) -> float:
        n_negative = self.n - self.n_positive
        if not self.n_positive or not n_negative:
            return NAN
        enough = self.tp / self.n_positive >= 0.95
        return float(np.min((self.marked - self.tp)[enough]) / n_negative)


def pooled(patients: Sequence[Patient], weights: Values | None = None) -> Curve:
    """The curve of all voxels, each patient counted as often as its weight says."""
    scores, anomaly = (np.concatenate([getattr(p, name) for p in patients]) for name in ("scores", "anomaly"))
    each = None if weights is None else np.repeat(weights, [p.scores.size for p in patients])
    return Curve.of(scores, anomaly, each)


def overlaps(patients: Sequence[Patient], threshold: float, weights: Values | None = None) -> dict[str, float]:
    """Dice and its kin of all patients' voxels together at one threshold."""
    each = np.ones(len(patients)) if weights is None else weights
    hit = sum(w * np.sum(p.anomaly[p.scores >= threshold]) for w, p in zip(each, patients, strict=True))
    marked = sum(w * np.sum(p.scores >= threshold) for w, p in zip(each, patients, strict=True))
    real = sum(w * np.sum(p.anomaly) for w, p in zip(each, patients, strict=True))
    n = sum(w * p.scores.size for w, p in zip(each, patients, strict=True))
    counts = Confusion(tp=hit, fp=marked - hit, fn=real - hit, tn=n - real - marked + hit)
    return {name: metric(counts).value for name, metric in OVERLAP.items()}


def false_alarms(patients: Sequence[Patient], threshold: float, weights: Values | None = None) -> float:
    """Share of healthy slices' voxels that are marked."""
    each = np.ones(len(patients)) if weights is None else weights
    healthy = [p.scores[p.healthy] for p in patients]
    marked = sum(w * np.sum(s >= threshold) for w, s in zip(each, healthy, strict=True))
    return _divide(marked, sum(w * s.size for w, s in zip(each, healthy, strict=True)))


def _over_thresholds(patients: Sequence[Patient]) -> Iterator[tuple[str, float]]:
    curve = pooled(patients)
    yield "auprc@all/pooled", curve.area
    yield "auroc@all/pooled", curve.roc_area
    yield "dice@oracle/pooled", curve.best_dice
    yield "fpr95@all/pooled", curve.fpr95
    yield "prevalence@all/pooled", curve.prevalence
    base = curve.prevalence
    yield "auprc_gain@all/pooled", (curve.area - base) / (1 - base) if base < 1 else NAN


def _at(patients: Sequence[Patient], policy: str, threshold: float) -> Iterator[tuple[str, float]]:
    for name, value in overlaps(patients, threshold).items():
        yield f"{name}@{policy}/pooled", value


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, Number]:
    """Means over the patients in whom a metric exists."""
    numbers = {}
    for key in rows[0]:
        name, _, policy = key.partition("@")
        known = [row[key] for row in rows if not math.isnan(row[key])]
        if name == "dice" or key in {"auprc", "auroc"}:
            mean = float(sum(known) / len(known)) if known else NAN
            numbers[f"{name}@{policy or 'all'}/mean"] = Number(mean, len(known))
    return numbers


def _healthy(patients: Sequence[Patient], policy: str, threshold: float) -> dict[str, Number]:
    rate = false_alarms(patients, threshold)
    each = np.array([false_alarms([patient], threshold) for patient in patients])
    known = np.sort(each[~np.isnan(each)])
    ends = {percent: _quantile(known, percent / 100) for percent in (10, 90)}
    return {
        f"fpr_healthy@{policy}/pooled": Number(rate, len(patients)),
        f"fpr_healthy_ratio@{policy}/pooled": Number(rate / HEALTHY[policy], len(patients)),
        **{f"fpr_healthy@{policy}/p{percent}": Number(value, known.size) for percent, value in ends.items()},
    }


def _quantile(ordered: Values, share: float) -> float:
    return float(np.interp(share * (ordered.size - 1), np.arange(ordered.size), ordered)) if ordered.size else NAN


def _slices(patients: Sequence[Patient]) -> Iterator[tuple[str, float]]:
    for ending, top in (("", False), ("_top1pct", True)):
        scores, ill = (np.concatenate(part) for part in zip(*(p.slices(top=top) for p in patients), strict=True))
        curve = Curve.of(scores, ill)
        yield f"slice_auroc{ending}@all/pooled", curve.roc_area
        yield f"slice_auprc{ending}@all/pooled", curve.area


def _divide(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else NAN
