"""Convert an evaluation to the metrics section of a run record."""

from math import isnan

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.evaluation import Evaluation
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.runs.record import ChosenOn, Jackknife, Numbers


def numbers(result: Evaluation) -> Numbers:
    """The metrics section of a record."""
    return Numbers(
        thresholds={policy: None if t.undefined else t.value for policy, t in result.thresholds.items()},
        chosen_on={policy: _chosen(threshold) for policy, threshold in result.thresholds.items()},
        metrics=tuple(e.metric for e in result.estimates),
        groups=tuple(e.metric for e in result.groups),
        size_cuts_mm3=result.size_cuts_mm3,
        jackknife=Jackknife(rows=result.rows, metrics=tuple(replicates_of(result))),
    )


def replicates_of(result: Evaluation) -> dict[str, NDArray[np.float64]]:
    """Replicates (n,) of the metrics that can have an interval, by key."""
    return {e.metric.key: e.replicates for e in result.estimates if e.replicates is not None}


def _chosen(threshold: Threshold) -> ChosenOn:
    """The rate or Dice of a threshold on the patients it was chosen on, or why it is undefined."""
    if threshold.undefined:
        return ChosenOn(undefined=threshold.undefined)
    return ChosenOn(realised=None if isnan(threshold.realised) else threshold.realised)
