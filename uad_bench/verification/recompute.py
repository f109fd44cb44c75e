"""Independent implementation of every metric of a record, with scikit-learn's curves and counts over all voxels.

It shares no code with `evaluation` or with the counting in `metrics`; only the ratios of `metrics.overlap` are used, on
counts from this module. All voxels of a run (or fold) are held in memory: float32 scores, and about 40 bytes per voxel
while scikit-learn sorts them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import OVERLAP, Confusion
from uad_bench.verification.curve import NAN, Curve, Values, divide

HEALTHY = {"hFPR1": 0.01, "hFPR5": 0.05}
NOMINAL = {**HEALTHY, "hFPR5-origin": 0.05}
CONFORMAL = {"conformal20": 20, "conformal10": 10, "conformal5": 5}


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Places of a patient's voxels.

    Attributes:
        counted: (x, y, z) bool, true at each voxel.
        spacing: voxel size in mm.
        clear: (z,) bool, the lesion-free slices.
        low: index of the first voxel in the scan.
        affine: (4, 4), voxel -> mm.
    """

    counted: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    clear: NDArray[np.bool_]
    low: tuple[int, int, int]
    affine: NDArray[np.float64]

    def volume(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (V,) at their places, 0 elsewhere."""
        whole = np.zeros(self.counted.shape, values.dtype)
        whole[self.counted] = values
        return whole


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """The evaluated voxels of one patient.

    Attributes:
        scores: (V,) float32.
        anomaly: (V,) bool.
        z: (V,) slice index of each voxel.
        anomaly_mm3: lesion volume in the reference, mm³.
        grid: where the voxels are.
        intensity: (V,) input intensity; None if the task does not read its input, or a scan cannot be scaled.
    """

    name: str
    scores: NDArray[np.float32]
    anomaly: NDArray[np.bool_]
    z: NDArray[np.int64]
    anomaly_mm3: float
    grid: Grid
    intensity: NDArray[np.float32] | None = None

    @property
    def healthy(self) -> NDArray[np.bool_]:
        """Voxels (V,) in slices without anomaly."""
        return ~np.isin(self.z, np.unique(self.z[self.anomaly]))

    def slices(self, *, top: bool) -> tuple[Values, NDArray[np.bool_]]:
        """One score per slice (mean of all voxels or of the top 1 %), and whether the slice contains anomaly."""
        found = [(self.scores[self.z == k], self.anomaly[self.z == k].any()) for k in np.unique(self.z)]
        reduced = [np.sort(s)[::-1][: -(-s.size // 100) if top else None].astype(np.float64).mean() for s, _ in found]
        return np.array(reduced).astype(np.float32).astype(np.float64), np.array([ill for _, ill in found], bool)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One metric, NaN where undefined, and its numbers of patients and, for their sensitivity, of lesions."""

    value: float
    n_subjects: int
    n_lesions: int | None = None


def recompute(patients: Sequence[Patient], thresholds: Mapping[str, float]) -> dict[str, Recomputed]:
    """Metrics of these patients at the given thresholds, by key."""
    pooled_values = {
        **dict(_over_thresholds(patients)),
        **{f"{n}@{policy}/pooled": v for policy, t in thresholds.items() for n, v in overlaps(patients, t).items()},
        **dict(_slices(patients)),
        "matched_auroc@all/pooled": matched_auroc(patients),
    }
    numbers = {key: Recomputed(value, len(patients)) for key, value in pooled_values.items()}
    for key, values in averaged(patients, thresholds):  # over the patients for whom the metric is defined
        known = values[~np.isnan(values)]
        numbers[key] = Recomputed(float(sum(known) / known.size) if known.size else NAN, known.size)
    for policy in NOMINAL.keys() & thresholds.keys():
        numbers |= _healthy(patients, policy, thresholds[policy])
    return numbers


def recompute_patient(patient: Patient, thresholds: Mapping[str, float]) -> dict[str, float]:
    """One row of `metrics.csv`."""
    curve = Curve.of(patient.scores, patient.anomaly)
    own = {
        "auprc": curve.area,
        "auroc": curve.roc_area,
        "prevalence": curve.prevalence,
        "dice@own-oracle": curve.best_dice,
    }
    at = {f"{name}@{p}": v for p, t in thresholds.items() for name, v in overlaps([patient], t).items()}
    return {**own, **at, **_volumes(patient, thresholds)}


def _volumes(patient: Patient, thresholds: Mapping[str, float]) -> dict[str, float]:
    ml = math.prod(patient.grid.spacing) / 1000
    outside = patient.scores[~patient.anomaly]
    return {
        "lesion_ml": int(patient.anomaly.sum()) * ml,
        **{f"false_positive_ml@{p}": int(np.sum(outside >= t)) * ml for p, t in thresholds.items()},
        **{f"fpr_healthy@{p}": false_alarms([patient], t) for p, t in thresholds.items()},
    }


def recompute_thresholds(
    val: Sequence[Patient], healthy: NDArray[np.float32], test: Sequence[Patient], alarms: Sequence[float]
) -> dict[str, float]:
    """Thresholds by policy, NaN where undefined.

    Args:
        healthy: scores of their lesion-free slices.
        alarms: alarm score of each healthy validation patient, or of each patient's lesion-free slices.
    """
    ill = [patient for patient in val if patient.anomaly.any()]
    chosen = {policy: smallest_allowed(healthy, rate) if val else NAN for policy, rate in HEALTHY.items()}
    chosen |= {policy: conformal(alarms, percent) for policy, percent in CONFORMAL.items()}
    return {**chosen, "valDice": pooled(ill).best_threshold if ill else NAN, "oracle": pooled(test).best_threshold}


def conformal(alarms: Sequence[float], percent: int) -> float:
    """The next float32 above the score that all but the allowed share of n + 1 patients stay at or below."""
    ordered = sorted(alarms)
    for place, score in enumerate(ordered, 1):
        if 100 * place >= (len(ordered) + 1) * (100 - percent):
            return float(np.nextafter(np.float32(score), np.float32(np.inf)))
    return NAN


def smallest_allowed(healthy: NDArray[np.float32], rate: float) -> float:
    """The smallest observed score reached by at most this share of the scores, else the next float32 above all."""
    if not healthy.size:
        return NAN
    distinct, counts = np.unique(healthy, return_counts=True)
    share = np.cumsum(counts[::-1])[::-1] / healthy.size
    allowed = distinct[share <= rate]
    return float(allowed[0]) if allowed.size else float(np.nextafter(distinct[-1], np.float32(np.inf)))


def pooled(patients: Sequence[Patient]) -> Curve:
    """The curve of all voxels of these patients."""
    return Curve.of(np.concatenate([p.scores for p in patients]), np.concatenate([p.anomaly for p in patients]))


def overlaps(patients: Sequence[Patient], threshold: float) -> dict[str, float]:
    """Every metric at a threshold, pooled over all patients' voxels."""
    hit = sum(int(np.sum(p.anomaly[p.scores >= threshold])) for p in patients)
    marked = sum(int(np.sum(p.scores >= threshold)) for p in patients)
    real, n = sum(int(np.sum(p.anomaly)) for p in patients), sum(p.scores.size for p in patients)
    counts = Confusion(tp=hit, fp=marked - hit, fn=real - hit, tn=n - real - marked + hit)
    return {name: metric(counts).value for name, metric in OVERLAP.items()}


def false_alarms(patients: Sequence[Patient], threshold: float) -> float:
    """False-positive rate in slices without anomaly."""
    healthy = [p.scores[p.healthy] for p in patients]
    return float(divide(sum(int(np.sum(s >= threshold)) for s in healthy), sum(s.size for s in healthy)))


def matched_pairs(patient: Patient) -> tuple[float, int]:
    """Lesion voxels compared with darker and brighter healthy ones, and the share they exceed, summed over them."""
    if patient.intensity is None:
        return NAN, 0
    ill = patient.anomaly
    order = np.argsort(patient.intensity[~ill], kind="stable")
    bright, scores = patient.intensity[~ill][order], patient.scores[~ill][order]
    first = np.unique(np.searchsorted(bright, bright[::100]))  # of each bin of intensity
    bins = np.split(scores, first[1:])
    own = np.digitize(patient.intensity[ill], bright[first]) - 1
    exceeded = [
        _exceeded(patient.scores[ill][own == k], bins[k + side])
        for k in np.unique(own[(own > 0) & (own < len(bins) - 1)])
        for side in (-1, 1)
    ]
    return sum(float(shares.sum()) for shares in exceeded) / 2, sum(shares.size for shares in exceeded) // 2


def _exceeded(scores: NDArray[np.float32], others: NDArray[np.float32]) -> Values:
    """Share (V,) of the others that are lower than each score, those equal to it counted half."""
    return np.asarray(np.mean((scores[:, None] > others) + 0.5 * (scores[:, None] == others), axis=1))


def matched_auroc(patients: Sequence[Patient]) -> float:
    """Mean share of equally bright healthy voxels of the patient that a lesion voxel exceeds."""
    won, compared = zip(*map(matched_pairs, patients), strict=True)
    return float(divide(sum(won), sum(compared)))


def _over_thresholds(patients: Sequence[Patient]) -> Iterator[tuple[str, float]]:
    curve = pooled(patients)
    yield "auprc@all/pooled", curve.area
    yield "auroc@all/pooled", curve.roc_area
    yield "dice@oracle/pooled", curve.best_dice
    yield "fpr95@all/pooled", curve.fpr95
    yield "prevalence@all/pooled", curve.prevalence
    base = curve.prevalence
    yield "auprc_gain@all/pooled", (curve.area - base) / (1 - base) if base < 1 else NAN


def averaged(patients: Sequence[Patient], thresholds: Mapping[str, float]) -> Iterator[tuple[str, Values]]:
    """Key and values (n,) of each metric of which a record has the mean over patients."""
    rows = [recompute_patient(patient, thresholds) for patient in patients]
    for key in rows[0]:
        name, _, policy = key.partition("@")
        if name == "dice" or key in {"auprc", "auroc"}:
            yield f"{name}@{policy or 'all'}/mean", np.array([row[key] for row in rows])


def _healthy(patients: Sequence[Patient], policy: str, threshold: float) -> dict[str, Recomputed]:
    rate = false_alarms(patients, threshold)
    each = np.array([false_alarms([patient], threshold) for patient in patients])
    known = np.sort(each[~np.isnan(each)])
    places = np.arange(known.size)
    ends = {p: float(np.interp(p / 100 * (known.size - 1), places, known)) if known.size else NAN for p in (10, 90)}
    return {
        f"fpr_healthy@{policy}/pooled": Recomputed(rate, len(patients)),
        f"fpr_healthy_ratio@{policy}/pooled": Recomputed(rate / NOMINAL[policy], len(patients)),
        **{f"fpr_healthy@{policy}/p{percent}": Recomputed(value, known.size) for percent, value in ends.items()},
    }


def _slices(patients: Sequence[Patient]) -> Iterator[tuple[str, float]]:
    for ending, top in (("", False), ("_top1pct", True)):
        scores, ill = (np.concatenate(part) for part in zip(*(p.slices(top=top) for p in patients), strict=True))
        curve = Curve.of(scores, ill)
        yield f"slice_auroc{ending}@all/pooled", curve.roc_area
        yield f"slice_auprc{ending}@all/pooled", curve.area
