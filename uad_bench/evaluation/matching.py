"""The AUROC at equal input intensity, from score maps and the input that every network of the task is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import DataError
from uad_bench.evaluation.cases import Cases
from uad_bench.metrics.matched import MatchedCounts, intensity_limits, matching_keys, shared_keys
from uad_bench.metrics.pooled_bins import count_patients
from uad_bench.metrics.ranks import Keyed, count_ranks
from uad_bench.metrics.uncertainty import Resamples
from uad_bench.metrics.value import undefined
from uad_bench.runs.metric_rows import Estimate, Labels

MATCHED = "matched_auroc"


def matched_auroc(cases: Cases, test: Sequence[str], resamples: Resamples, labels: Labels) -> Estimate:
    """AUROC between lesion and healthy voxels of equal input intensity.

    Undefined: also `no_input` if the task does not read its input, `no_scaling` if a scan cannot be scaled.

    Args:
        cases: test patients under the protocol.
        test: names of the patients, in the order of the resamples.
        resamples: rows of patient weights.
        labels: settings of the row.
    """
    if cases.inputs is None:
        return labels.row(MATCHED, undefined("no_input"))
    try:
        lesions = [cases.intensities(case)[case.anomaly[case.domain]] for case in cases(test)]
    except DataError:
        return labels.row(MATCHED, undefined("no_scaling"))
    counts = _count(cases, test, intensity_limits(np.concatenate(lesions)))
    value = counts.value()
    return labels.row(MATCHED, value, counts.replicates(resamples) if value.defined else None)


def _count(cases: Cases, test: Sequence[str], limits: NDArray[np.float32]) -> MatchedCounts:
    def keyed() -> Iterator[Keyed]:
        for case in cases(test):
            scores, anomaly = case.voxels
            yield matching_keys(scores, cases.intensities(case), limits), anomaly

    exact = count_ranks(keyed, check=_accept)
    return MatchedCounts(exact, count_patients(keyed(), shared_keys(exact, limits)))


def _accept(_: NDArray[np.float64], **__: object) -> None:
    """Keys of checked scores need no check."""
