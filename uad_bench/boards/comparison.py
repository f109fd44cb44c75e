"""Pairwise comparison of methods: differences, confidence intervals, p-values and required sample sizes."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import variance
from typing import Any

import numpy as np

from uad_bench.boards.method_scores import (
    MethodScores,
    Values,
    finished_record,
    require_same,
    scores_of,
    setting_name,
)
from uad_bench.boards.ranking import LEVEL
from uad_bench.errors import ConfigError
from uad_bench.metrics.ranking import RankRange, pairwise, rank_ranges
from uad_bench.metrics.registry import METRICS
from uad_bench.metrics.significance import (
    SeedSpread,
    difference_p,
    hodges_lehmann,
    holm,
    p_text,
    patients_to_separate,
    retrained_interval,
    seeds_to_separate,
    sign_flip_p,
    wilcoxon_p,
)
from uad_bench.metrics.uncertainty import standard_error, t_interval
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import key_of
from uad_bench.runs.record import RunRecord

CLAIMED_SEEDS = 5  # fewest for a claim about trained methods


@dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """Two methods on the same patients; differences are the first minus the second.

    Attributes:
        low: lower end of the 95 % interval over patients, for these trained models.
        retrained: 95 % interval over patients and retraining; None with too few seeds.
        p: p-value of the metric by Student's t, adjusted by Holm over all pairs; for a single pair it is below 0.05
            exactly where the interval excludes zero.
        patient_difference: mean of the per-patient differences.
        patient_p: its p-value by sign flips, adjusted likewise; None where undefined.
        shift: Hodges-Lehmann estimate of the shift over patients.
        wilcoxon_p: p-value of the signed-rank test, not adjusted.
        patients_needed: patients to detect this difference with 80 % power; None if no number suffices.
        seeds_needed: seeds likewise, on these patients; None without several seeds or if no number suffices.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    retrained: tuple[float, float] | None
    p: float
    patient_difference: float | None
    patient_p: float | None
    shift: float | None
    wilcoxon_p: float | None
    n_patients: int
    patients_needed: int | None
    seeds_needed: int | None

    @property
    def shown(self) -> bool:
        """Whether the difference is significant over patients and, with several seeds, over retraining."""
        across = self.retrained is not None and self.retrained[0] <= 0 <= self.retrained[1]
        return self.p < LEVEL and not across


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All pairs of some methods.

    Attributes:
        metric: key such as `auprc@all/pooled`.
        methods: best first.
        ranks: rank range of each method.
        pairs: every pair, the better method first.
    """

    metric: str
    methods: tuple[MethodScores, ...]
    ranks: tuple[RankRange, ...]
    pairs: tuple[PairComparison, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN as None."""
        rows = [
            {"method": c.name, "value": c.mean, "seeds": dict(c.values), "rank": [r.first, r.last]}
            for c, r in zip(self.methods, self.ranks, strict=True)
        ]
        pairs = [{**asdict(d), "shown": d.shown, "sentence": sentence(d, self)} for d in self.pairs]
        return {"metric": self.metric, "methods": rows, "pairs": pairs}


def compare(runs: Sequence[Run], *, metric: str = "auprc") -> Comparison:
    """Compare the methods of these runs pairwise; seeds of one method and setting are averaged.

    Args:
        metric: `auprc`, `auroc`, or a metric at a threshold, such as `dice@hFPR5`.

    Raises:
        ConfigError: fewer than two methods, different patients or metric code, or a metric without replicates.
    """
    records = [finished_record(run) for run in runs]
    require_same(records)
    name, _, policy = metric.partition("@")
    key = key_of(name, policy or None)
    groups: dict[str, list[tuple[Run, RunRecord]]] = defaultdict(list)
    for run, record in zip(runs, records, strict=True):
        groups[setting_name(record, records)].append((run, record))
    methods = [scores_of(name, members, metric, key) for name, members in groups.items()]
    if len(methods) < 2:
        raise ConfigError(f"all runs are of {next(iter(groups))}; name runs of at least two methods or settings")
    sign = -1.0 if METRICS[name].better == "lower" else 1.0
    return _all_pairs(key, sorted(methods, key=lambda c: -sign * c.mean), sign, len(records[0].subjects.test))


def sentences(comparison: Comparison) -> list[str]:
    """The result of every pair as a sentence."""
    return [sentence(pair, comparison) for pair in comparison.pairs]


def sentence(pair: PairComparison, comparison: Comparison) -> str:
    """The result of a pair as a sentence."""
    by_name = {c.name: c for c in comparison.methods}
    first, second = by_name[pair.first], by_name[pair.second]
    label = _label(comparison.metric)
    numbers = f"{label} {first.mean:.3f} vs {second.mean:.3f}, difference {pair.difference:.3f}"
    interval = f"95 % CI {pair.low:.3f} to {pair.high:.3f}, {pair.n_patients} patients"
    verdict = (
        f"{pair.first} is significantly better than {pair.second}"
        if pair.shown
        else f"No significant difference between {pair.first} and {pair.second}"
    )
    return f"{verdict}: {numbers} ({interval}, {p_text(pair.p)}){_needed(pair)}{_caution(first, second)}."


def _needed(pair: PairComparison) -> str:
    if pair.shown:
        return ""
    needed = [f"about {pair.patients_needed} patients"] if pair.patients_needed else []
    needed += [f"about {pair.seeds_needed} seeds on these patients"] if pair.seeds_needed else []
    return f"; detecting a difference of this size takes {' or '.join(needed)}" if needed else ""


def _caution(first: MethodScores, second: MethodScores) -> str:
    """A warning where trained methods have few seeds; empty otherwise."""
    seeds = min((len(c.values) for c in (first, second) if c.trained), default=CLAIMED_SEEDS)
    if seeds >= CLAIMED_SEEDS:
        return ""
    some = f"{seeds} seed{'s' * (seeds > 1)}"
    return f"; {some} per trained method cannot capture the variability of training, use at least {CLAIMED_SEEDS}"


def _all_pairs(metric: str, methods: Sequence[MethodScores], sign: float, n_patients: int) -> Comparison:
    """Every pair, with p-values adjusted over all of them."""
    couples = list(combinations(methods, 2))
    raw = [difference_p(a.mean - b.mean, a.replicates - b.replicates, n_patients=n_patients) for a, b in couples]
    pooled = holm(np.array(raw))
    each = [np.array([a.patients[s] - b.patients[s] for s in a.patients if s in b.patients]) for a, b in couples]
    flips = holm(np.array([sign_flip_p(differences, seed=0).value for differences in each]))
    fewest = 1 + math.ceil(math.log2(len(couples) / LEVEL))  # with fewer patients no sign-flip test can be significant
    pairs = [
        _compare_pair(a, b, float(p), differences, float(flip), fewest=fewest)
        for (a, b), p, differences, flip in zip(couples, pooled, each, flips, strict=True)
    ]
    estimates = sign * np.array([c.mean for c in methods])
    beyond = np.array([d.p if d.shown else 1.0 for d in pairs])
    ranks = rank_ranges(estimates, pairwise(beyond, n_methods=len(methods)), level=LEVEL)
    return Comparison(metric, tuple(methods), tuple(ranks), tuple(pairs))


def _compare_pair(
    a: MethodScores, b: MethodScores, p: float, differences: Values, flip: float, *, fewest: int
) -> PairComparison:
    replicates = a.replicates - b.replicates
    n_patients, difference = len(a.patients), a.mean - b.mean
    error = standard_error(replicates, n_patients=n_patients)
    interval = t_interval(difference, replicates, n_patients=n_patients)
    spreads = _spreads(a, b)
    again = retrained_interval(difference, patients=error, seeds=spreads)
    known = differences[~np.isnan(differences)]
    se, total = float(error.value), sum(s.variance for s in spreads)
    needed = patients_to_separate(difference, se=se, n_patients=n_patients)
    several = bool(spreads) and again.undefined is None
    return PairComparison(
        first=a.name,
        second=b.name,
        difference=difference,
        low=interval.low,
        high=interval.high,
        retrained=(again.low, again.high) if several else None,
        p=p,
        patient_difference=float(known.mean()) if known.size else None,
        patient_p=_known(flip),
        shift=_known(hodges_lehmann(differences).value),
        wilcoxon_p=_known(wilcoxon_p(differences).value),
        n_patients=n_patients,
        patients_needed=needed and max(needed, fewest),
        seeds_needed=seeds_to_separate(difference, patient_se=se, seed_variance=total) if several else None,
    )


def _spreads(a: MethodScores, b: MethodScores) -> tuple[SeedSpread, ...]:
    """Seed variance of the difference if both methods have the same seeds, else of each trained method."""
    shared = sorted(set(a.values) & set(b.values))
    if a.trained and b.trained and set(a.values) == set(b.values) and len(shared) > 1:
        return (SeedSpread(variance([a.values[s] - b.values[s] for s in shared]), len(shared)),)
    return tuple(
        SeedSpread(variance(c.values.values()) if len(c.values) > 1 else 0.0, len(c.values))
        for c in (a, b)
        if c.trained
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _label(key: str) -> str:
    name, _, rest = key.partition("@")
    policy = rest.partition("/")[0]
    label = METRICS[name].label if name in METRICS else name
    return label if policy == "all" else f"{label}@{policy}"
