"""Replicate the evaluation of published papers on stored maps.

For comparison with the literature only: thresholds chosen on test data, averages over slices and background voxels are
replicated as in the paper's code, and these metrics are never ranked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.cases import Case, Cases
from uad_bench.evaluation.protocol import Protocol, Published
from uad_bench.evaluation.rescaled import RescaledCases, slices_of
from uad_bench.evaluation.threshold_search import EachUnit, ThresholdObjective, UpperQuantile
from uad_bench.metrics.overlap import OVERLAP, confusion_of
from uad_bench.metrics.ranks import RankCounts, Voxels, count_ranks, count_ranks_of
from uad_bench.metrics.region_overlap import region_overlap
from uad_bench.metrics.slicewise import SLICE_SCORES
from uad_bench.metrics.surface import assd, mean_of_directions, surface_distances
from uad_bench.metrics.value import MetricValue, undefined
from uad_bench.metrics.voxel import auroc, average_precision, best_dice
from uad_bench.runs.metric_rows import MetricRow

Mask = NDArray[np.bool_]
POLICY = "published"
SAMPLE = 1 << 24  # scores kept for quantiles and histograms


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of a published protocol on stored maps.

    Attributes:
        threshold: in the unit of the paper's code; NaN if there is none.
        metrics: what the paper reports; undefined, with a reason starting with `n/a`, if maps do not suffice.
    """

    protocol: str
    threshold: float
    metrics: tuple[MetricRow, ...]


def replay(cases: Cases, *, val: Sequence[str], test: Sequence[str]) -> Replay:
    """Compute every metric of a published protocol.

    Args:
        cases: validation and test patients under the protocol.
        val: validation patients, used if the paper chooses the threshold on them.
    """
    rules = cases.protocol.published
    assert rules is not None, f"protocol {cases.protocol.name} replays no paper"
    test = cases.present(test)
    seen = RescaledCases.over(cases, test, rules)
    threshold, refusal = _search(seen, test if rules.on == "test" else _chosen_on(cases, val, rules))
    replayed = _Replayed(seen, test, threshold, refusal)
    metrics = [replayed.metric(number) for number in rules.numbers]
    absent = [replayed.row(number, undefined(f"n/a ({why})"), 0) for number, why in rules.absent.items()]
    return Replay(cases.protocol.name, threshold, (*metrics, *absent))


def _chosen_on(cases: Cases, val: Sequence[str], rules: Published) -> list[str]:
    """Validation patients on whom the threshold is chosen: those with a lesion, unless only healthy voxels count."""
    healthy = isinstance(rules.search, UpperQuantile) and rules.search.of == "healthy"
    return [name for name in cases.present(val) if healthy or cases.references[name].anomaly.any()]


def refused(protocol: Protocol, why: str) -> tuple[MetricRow, ...]:
    """Every metric of a published protocol as undefined, for maps to which it does not apply."""
    rules = protocol.published
    assert rules is not None
    return tuple(_row(protocol, number, undefined(f"n/a ({why})"), 0) for number in (*rules.numbers, *rules.absent))


def trapezoid_area(counts: RankCounts) -> MetricValue:
    """Area under the precision-recall curve by the trapezoidal rule, as in some papers; biased with ties.

    One point for every distinct score, preceded by (0, 1). Undefined: `no_positive`.
    """
    if not counts.n_positive:
        return undefined("no_positive")
    at = np.diff(counts.tp, prepend=0)
    before, false = counts.tp - at, counts.fp - counts.tied
    left = np.where(before + false > 0, before / np.maximum(before + false, 1), 1.0)
    right = counts.tp / (counts.tp + counts.fp)
    return MetricValue(float(np.sum(at * (left + right)) / 2) / counts.n_positive)


def _search(seen: RescaledCases, subjects: Sequence[str]) -> tuple[float, str | None]:
    """The threshold, or why there is none."""
    search = seen.rules.search
    if search is None:
        return float("nan"), "n/a (the protocol has no threshold)"
    if not subjects:
        return float("nan"), "n/a (no patient to choose the threshold on)"
    of = search.of if isinstance(search, UpperQuantile) else "all"
    objective = ThresholdObjective(partial(_objective, seen, subjects), _scores(seen, subjects, of))
    if not objective.scores.size:
        return float("nan"), "n/a (no healthy voxel to choose the threshold on)"
    if why := search.refusal(objective):
        return float("nan"), f"n/a ({why})"
    return (float("nan") if isinstance(search, EachUnit) else search.find(objective)), None


def _scores(seen: RescaledCases, subjects: Sequence[str], of: str = "all") -> NDArray[np.float32]:
    """Scores, ascending; subsampled evenly if there are more than `SAMPLE`.

    Args:
        seen: the rescaled cases.
        of: `all` voxels of the domain, its `negatives`, or `healthy` voxels before post-processing.
    """
    most = max(1, SAMPLE // len(subjects))
    kept = []
    for values in seen.healthy(subjects) if of == "healthy" else map(_VOXELS[of], seen.drawn(subjects)):
        scores = np.sort(values)
        kept.append(scores if scores.size <= most else scores[np.linspace(0, scores.size - 1, most).astype(np.int64)])
    return np.sort(np.concatenate(kept))


def _objective(seen: RescaledCases, subjects: Sequence[str], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Dice (T,) that the paper maximises, without dropping small components."""
    aggregation = seen.rules.objective
    counted = [_dice_parts(unit, thresholds, seen.rules.strict) for unit in seen.units(subjects, aggregation)]
    tp, marked, positive = (np.array(part, np.float64) for part in zip(*counted, strict=True))  # (U, T), (U, T), (U, 1)
    if aggregation == "pooled":
        tp, marked, positive = (part.sum(axis=0, keepdims=True) for part in (tp, marked, positive))
    with np.errstate(invalid="ignore"):
        each = np.where(positive > 0, 2 * tp / (marked + positive), np.nan)
    if (both_empty := seen.rules.both_empty) is not None:
        each = np.where(positive > 0, each, np.where(marked > 0, 0.0, both_empty))
        return np.asarray(each.mean(axis=0))
    return np.asarray(np.nanmean(each, axis=0) if np.any(positive > 0) else np.zeros(thresholds.size))


def _dice_parts(
    unit: Case,
    thresholds: NDArray[np.float64],
    strict: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """True positives (T,) and predicted voxels (T,) at each threshold, and the number of positives."""
    scores, anomaly = unit.voxels
    side: Literal["left", "right"] = "right" if strict else "left"
    ordered, found = np.sort(scores).astype(np.float64), np.sort(scores[anomaly]).astype(np.float64)
    tp, marked = (values.size - np.searchsorted(values, thresholds, side=side) for values in (found, ordered))
    return tp, marked, [found.size]


@dataclass(frozen=True, slots=True)
class _Replayed:
    """Metrics at the threshold that was found."""

    seen: RescaledCases
    test: Sequence[str]
    threshold: float
    refusal: str | None

    def metric(self, number: str) -> MetricRow:
        """One metric of the paper, given as `name/aggregation`."""
        name, _, aggregation = number.partition("/")
        if not self.test:
            return self.row(number, undefined("n/a (no test patient has a slice that counts)"), 0)
        if name in _AT_THRESHOLD and self.refusal:
            return self.row(number, undefined(self.refusal), len(self.test))
        return self.row(number, *self._measure(name, aggregation))

    def row(self, number: str, measure: MetricValue, n_subjects: int) -> MetricRow:
        """The metric as a row of a record."""
        return _row(self.seen.cases.protocol, number, measure, n_subjects)

    def _measure(self, name: str, aggregation: str) -> tuple[MetricValue, int]:
        if aggregation == "pooled":
            return self._pooled(name), len(self.test)
        of = self._at_threshold(name) if name in _AT_THRESHOLD else _RANKED[name]
        values = [of(unit) for unit in self.seen.units(self.test, aggregation)]
        known = [value.value for value in values if value.defined]
        mean = MetricValue(float(np.mean(known))) if known else undefined(values[0].undefined or "no_patient")
        return mean, len(known)

    def _pooled(self, name: str) -> MetricValue:
        if name in OVERLAP:
            pairs = ((self.seen.mark(case, self.threshold), case) for case in self.seen.drawn(self.test))
            found = [confusion_of(mask[case.domain], case.anomaly[case.domain]) for mask, case in pairs]
            return OVERLAP[name](sum(found[1:], found[0]))
        if name == "aupro":
            return region_overlap(self.seen(self.test), _scores(self.seen, self.test, "negatives"))
        if name.startswith("slice_"):
            slices = [_slice_voxels(case, self.seen.rules.slice_score) for case in self.seen(self.test)]
            return _CURVES[name.removeprefix("slice_")](count_ranks(partial(iter, slices)))
        counts = count_ranks(lambda: (case.voxels for case in self.seen.drawn(self.test)), names=self.test)
        trapezoid = name == "auprc" and self.seen.rules.area == "trapezoid"
        return trapezoid_area(counts) if trapezoid else _CURVES[name](counts)

    def _at_threshold(self, name: str) -> Callable[[Case], MetricValue]:
        def measure(unit: Case) -> MetricValue:
            mask = self.seen.mark(unit, self._threshold_of(unit))
            if name == "assd":
                return self._assd(mask, unit)
            found = confusion_of(mask[unit.domain], unit.anomaly[unit.domain])
            marked = found.tp + found.fp
            empty = {"precision": self.seen.rules.precision_of_nothing if not marked else None}
            if found.tp + found.fn == 0 and self.seen.rules.both_empty is not None:
                empty["dice"] = 0.0 if marked else self.seen.rules.both_empty
            value = empty.get(name)
            return OVERLAP[name](found) if value is None else MetricValue(value)

        return measure

    def _assd(self, mask: Mask, unit: Case) -> MetricValue:
        if self.seen.rules.assd == "pixels":
            return mean_of_directions(surface_distances(mask, unit.anomaly, spacing=(1.0, 1.0, 1.0)))
        return assd(surface_distances(mask, unit.anomaly, spacing=unit.spacing))

    def _threshold_of(self, unit: Case) -> float:
        """The common threshold, or the best threshold of this unit."""
        search, strict = self.seen.rules.search, self.seen.rules.strict
        if not isinstance(search, EachUnit) or not unit.anomaly.any():
            return self.threshold if not isinstance(search, EachUnit) else float("inf")

        def own_dice(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
            tp, marked, positive = _dice_parts(unit, thresholds, strict)
            return np.asarray(2 * tp / (marked + positive[0]))

        return search.find(ThresholdObjective(own_dice, np.sort(unit.voxels[0])))


def _row(protocol: Protocol, number: str, measure: MetricValue, n_subjects: int) -> MetricRow:
    name, _, aggregation = number.partition("/")
    return MetricRow(
        name=name,
        value=measure.value if measure.defined else None,
        undefined=measure.undefined,
        aggregation=aggregation,
        chain=protocol.chain_name,
        policy=POLICY if name in _AT_THRESHOLD else None,
        region=protocol.region,
        n_subjects=n_subjects,
    )


def _ranked(of: Callable[..., MetricValue]) -> Callable[[Case], MetricValue]:
    return lambda unit: of(count_ranks_of(*unit.voxels, name=unit.subject))


def _slice_voxels(case: Case, score: str) -> Voxels:
    """One score and one label per slice with evaluated voxels."""
    units = [unit for unit in slices_of(case) if unit.domain.any()]
    scores = np.array([SLICE_SCORES[score](unit.voxels[0]) for unit in units], np.float32)
    return scores, np.array([unit.anomaly.any() for unit in units], bool)


_VOXELS: Mapping[str, Callable[[Case], NDArray[np.float32]]] = {
    "all": lambda case: case.voxels[0],
    "negatives": lambda case: case.scores[case.domain & ~case.anomaly],
}
_AT_THRESHOLD = {*OVERLAP, "assd"}
_CURVES: Mapping[str, Callable[..., MetricValue]] = {
    "auprc": average_precision,
    "auroc": auroc,
    "max_dice": lambda counts: best_dice(counts).dice,
}
_RANKED = {name: _ranked(of) for name, of in _CURVES.items()}
