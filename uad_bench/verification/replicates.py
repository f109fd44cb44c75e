"""Independent implementation of the jackknife: metrics recomputed without each patient, and intervals with SciPy.

`check_interval` compares these intervals with the stored ones.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.metrics.overlap import OVERLAP, Confusion
from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.uncertainty import t_quantile
from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.verification.curve import NAN, Curve, Values, divide
from uad_bench.verification.recompute import NOMINAL, Patient, averaged, matched_pairs

Part = tuple[NDArray[np.floating], NDArray[np.bool_]]
"""Scores (V,) and anomaly (V,) of one patient."""
BINS, FEWEST = 16_384, 1_024  # thresholds at which patients are counted: at most, and at least
MOST_SHIFT = 5e-4  # effect of binning on a metric, up to which it has replicates
BLOCK = 32  # rows per block: arrays of 32 x 16,384 float64 are 4 MiB


def left_out(n_patients: int) -> Values:
    """Weights (n, n): row j counts every patient but j. A single patient cannot be left out: its weight is NaN."""
    return np.where(np.eye(n_patients, dtype=bool), 0.0 if n_patients > 1 else NAN, 1.0)


def summed_replicates(
    patients: Sequence[Patient], thresholds: Mapping[str, float], weights: Values
) -> dict[str, Values]:
    """Replicates (R,), by key, of metrics computed from sums over patients: metrics at fixed thresholds, and means."""
    replicates = {}
    for key, values in averaged(patients, thresholds):
        known = ~np.isnan(values)
        replicates[key] = divide(weights[:, known] @ values[known], weights @ known.astype(float))
    real = weights @ np.array([p.anomaly.sum() for p in patients], float)
    voxels = weights @ np.array([p.scores.size for p in patients], float)
    replicates["prevalence@all/pooled"] = divide(real, voxels)
    for policy, threshold in thresholds.items():
        hit, marked = (weights @ column for column in _marked(patients, threshold))
        counts: Any = {"tp": hit, "fp": marked - hit, "fn": real - hit, "tn": voxels - real - marked + hit}
        found = {name: metric.replicates(Confusion(**counts)) for name, metric in OVERLAP.items()}
        replicates |= {f"{name}@{policy}/pooled": values for name, values in found.items()}
        if policy in NOMINAL:
            healthy = [p.scores[p.healthy] for p in patients]
            alarms = weights @ np.array([np.sum(s >= threshold) for s in healthy], float)
            rate = divide(alarms, weights @ np.array([s.size for s in healthy], float))
            replicates[f"fpr_healthy@{policy}/pooled"] = rate
            replicates[f"fpr_healthy_ratio@{policy}/pooled"] = rate / NOMINAL[policy]
    return replicates


def curve_replicates(
    patients: Sequence[Patient], weights: Values, edges: NDArray[np.floating], *, group: bool = False
) -> dict[str, Values]:
    """Replicates (R,), by key, of metrics over all thresholds that have them.

    Args:
        patients: in the order of the weights' columns.
        weights: (R, n), how often each patient counts in each row.
        edges: of `shared_edges`, of all patients.
        group: whether these are some of the patients, for whom slice-level and matched metrics are not reported.
    """
    found = _areas([(p.scores, p.anomaly) for p in patients], weights, edges)
    real = weights @ np.array([p.anomaly.sum() for p in patients], float)
    base = divide(real, weights @ np.array([p.scores.size for p in patients], float))
    if "auprc" in found:
        found["auprc_gain"] = divide(found["auprc"] - base, 1 - base)
    replicates = {f"{name}@{'oracle' if name == 'dice' else 'all'}/pooled": values for name, values in found.items()}
    if group:
        return replicates
    won, compared = (weights @ np.array(column, float) for column in zip(*map(matched_pairs, patients), strict=True))
    replicates["matched_auroc@all/pooled"] = divide(won, compared)
    for ending, top in (("", False), ("_top1pct", True)):
        slices = [p.slices(top=top) for p in patients]
        found = _areas(slices, weights, np.unique(np.concatenate([scores for scores, _ in slices])))
        replicates |= {f"slice_{name}{ending}@all/pooled": found[name] for name in ("auroc", "auprc") if found}
    return replicates


def shared_edges(patients: Sequence[Patient]) -> NDArray[np.floating]:
    """Lower edges of the bins of scores, ascending: every (n / 16,384)th of n positives, and scores of each patient."""
    edges = np.sort(np.concatenate([p.scores[p.anomaly] for p in patients]))[::-1]
    if np.unique(edges).size > BINS:
        edges = edges[np.ceil(np.arange(1, BINS + 1) * edges.size / BINS).astype(np.int64) - 1]
    if np.unique(edges).size < FEWEST:
        share = np.linspace(0, 1, -(-FEWEST // len(patients)))
        edges = np.concatenate(
            [edges, *(np.sort(p.scores)[(share * (p.scores.size - 1)).astype(int)] for p in patients)]
        )
    return np.unique(edges)


def over_folds(values: Sequence[float], folds: Sequence[Values]) -> Values:
    """Replicates (n,) of the mean over folds from the value of each fold and its replicates (n_k,)."""
    sizes = np.array([fold.size for fold in folds])
    pseudo = [
        v + (f.size - 1) * (f.mean() - f) if f.size > 1 else np.array([v]) for v, f in zip(values, folds, strict=True)
    ]
    mean, n = np.mean(values), sizes.sum()
    shares = n / np.repeat(len(folds) * sizes, sizes)
    return np.asarray(mean - shares * (np.concatenate(pseudo) - mean) / max(1, n - 1))


def interval(estimate: float, replicates: Values, *, n_patients: int, proportion: bool) -> tuple[float, float]:
    """The 95 % interval of Student's t over Tukey's pseudo-values, for a proportion on the logit scale.

    NaN where the metric is undefined without some patient.
    """
    from scipy import special, stats

    if np.isnan(replicates).any():
        return NAN, NAN
    n = n_patients
    pseudo = (n - 1) * (replicates.mean() - replicates)
    error = math.sqrt(float(pseudo @ pseudo) / (n * (n - 1)))
    if not error:
        return estimate, estimate
    kurtosis = max(1.0, n / replicates.size * float(stats.kurtosis(pseudo, fisher=False)))
    freedom = min(n - 1, 2 * n / (kurtosis - (n - 3) / (n - 1)))
    if proportion and 0 < estimate < 1:
        scale = error / (estimate * (1 - estimate))
        low, high = special.expit(stats.t.interval(0.95, freedom, loc=special.logit(estimate), scale=scale))
    else:
        low, high = stats.t.interval(0.95, freedom, loc=estimate, scale=error)
    return (max(0.0, float(low)), min(1.0, float(high))) if proportion else (float(low), float(high))


def check_interval(row: MetricRow, replicates: Values | None, *, stored: bool = True) -> Iterator[Finding]:
    """Check the interval of a row, including whether it should have one.

    Args:
        replicates: its replicates, from which the interval is recomputed; None if there are none.
        stored: whether replicates of the metric are stored.
    """
    where = f"record.json {row.key}"
    ends = row.low, row.high
    if replicates is None or (not stored and ends != (None, None)):
        if ends != (None, None):
            yield Finding(where, "has an interval, but no replicates")
        return
    low, high, within = NAN, NAN, TOLERANCE
    if row.value is not None and row.n_subjects > 1:
        proportion = METRICS[row.name].proportion
        low, high = interval(row.value, replicates, n_patients=row.n_subjects, proportion=proportion)
        within = TOLERANCE * t_quantile(0.975, row.n_subjects - 1)  # by which an error of the replicates grows
    if not stored and not math.isnan(low):
        yield Finding(where, "has no replicates")
    yield from differs(f"{where} low", ends[0], low, within=within)
    yield from differs(f"{where} high", ends[1], high, within=within)


def _areas(parts: Sequence[Part], weights: Values, edges: NDArray[np.floating]) -> dict[str, Values]:
    """Average precision, ROC area and best Dice (R,), corrected for the effect of binning where that is small."""
    if not any(anomaly.any() for _, anomaly in parts):
        return {}
    table = np.array([[_histogram(s[a], edges), _histogram(s[~a], edges)] for s, a in parts], float)  # (n, 2, bins)
    rows = np.concatenate([np.ones((1, len(parts))), weights])
    blocks = [_binned(rows[k : k + BLOCK], table) for k in range(0, len(rows), BLOCK)]
    whole = Curve.of(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    exact = {"auprc": whole.area, "auroc": whole.roc_area, "dice": whole.best_dice}
    columns = dict(zip(exact, (np.concatenate(column) for column in zip(*blocks, strict=True)), strict=True))
    shift = {name: value - columns[name][0] for name, value in exact.items()}
    return {name: columns[name][1:] + shift[name] for name in exact if not abs(shift[name]) > MOST_SHIFT}


def _histogram(scores: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.int64]:
    """Scores by bin, highest bin first; the last bin contains scores below every edge."""
    return np.bincount(np.searchsorted(edges, scores, side="right"), minlength=edges.size + 1)[::-1]


def _binned(rows: Values, table: Values) -> tuple[Values, Values, Values]:
    """Average precision, ROC area and best Dice for rows of weights, with scores in a bin treated as tied."""
    p, n = rows @ table[:, 0], rows @ table[:, 1]  # (rows, bins)
    tp, marked = np.cumsum(p, axis=1), np.cumsum(p + n, axis=1)
    real, healthy = p.sum(axis=1), n.sum(axis=1)
    area = divide(np.sum(p * tp / np.maximum(marked, 1), axis=1), real)
    roc_area = divide(np.sum(n * (tp - p / 2), axis=1), real * healthy)
    dice = np.where(real > 0, np.max(2 * tp / np.maximum(real[:, None] + marked, 1), axis=1), NAN)
    return area, roc_area, dice


def _marked(patients: Sequence[Patient], threshold: float) -> tuple[Values, Values]:
    """True positives and predicted voxels of each patient (n,)."""
    over = [p.scores >= threshold for p in patients]
    hits = [np.sum(p.anomaly & mask) for p, mask in zip(patients, over, strict=True)]
    return np.array(hits, float), np.array([mask.sum() for mask in over], float)
