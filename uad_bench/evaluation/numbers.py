"""The part of a run record that holds numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.evaluation import Evaluation
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.runs.record import rows


def numbers(result: Evaluation) -> dict[str, Any]:
    """The part of a record that holds numbers."""
    return {
        "thresholds": _thresholds(result),
        "chosen_on": {policy: _chosen(threshold) for policy, threshold in result.thresholds.items()},
        "metrics": rows(e.metric for e in result.estimates),
        "groups": rows(e.metric for e in result.groups),
        "size_cuts_mm3": list(result.size_cuts_mm3),
        "bootstrap": {"rows": result.rows, "metrics": list(replicates_of(result))},
    }


def replicates_of(result: Evaluation) -> dict[str, NDArray[np.float64]]:
    """Replicates (R,) of the metrics that have an interval, by key."""
    return {e.metric.key: e.replicates for e in result.estimates if e.replicates is not None}


def _thresholds(result: Evaluation) -> dict[str, Any]:
    """Exact values as hexadecimal floats, because a decimal may round to another score."""
    return {policy: None if t.undefined else float.hex(t.value) for policy, t in result.thresholds.items()}


def _chosen(threshold: Threshold) -> dict[str, Any]:
    """What a threshold does where it was chosen, or why there is none."""
    if threshold.undefined:
        return {"undefined": threshold.undefined}
    return {"realised": threshold.realised}
