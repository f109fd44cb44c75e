"""Sensitivity by label value, for references that distinguish parts of a lesion, such as core, oedema and rim."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.inspection import whole_numbers
from uad_bench.data.subject import Subject
from uad_bench.data.volume import read_volume
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.metrics.overlap import Confusion, sensitivity, smallest_float32
from uad_bench.metrics.uncertainty import leave_one_out, summed_counts
from uad_bench.runs.metric_rows import Estimate, Labels

GROUP = "label"
MOST = 8  # values; more are numbers of lesions rather than parts of them

Counts = dict[tuple[int, str], Confusion]
"""Detected and missed voxels of one patient by label value and policy."""


def sensitivity_by_label(
    cases: Cases,
    subjects: Mapping[str, Subject],
    test: Sequence[str],
    thresholds: Mapping[str, Threshold],
) -> Iterator[Estimate]:
    """Pooled sensitivity at each threshold within each label value, as groups `label=1` and so on.

    Nothing is computed if all references have a single value above 0.

    Args:
        cases: patients under a protocol on the scans' own grid.
        thresholds: by policy; undefined ones are left out.
    """
    known = {policy: t.value for policy, t in thresholds.items() if t.undefined is None}
    present = cases.present(test)
    counted = [_count(cases, subjects[name], known) for name in present]
    values = sorted({value for counts in counted for value, _ in counts})
    if not 1 < len(values) <= MOST:
        return
    resamples, protocol, none = leave_one_out(present), cases.protocol, Confusion(0, 0, 0, 0)
    for value in values:
        n = sum(any(value == one for one, _ in counts) for counts in counted)
        labels = Labels(chain=protocol.chain_name, region=protocol.region, n_subjects=n, group=f"{GROUP}={value}")
        for policy in known:
            found = [counts.get((value, policy), none) for counts in counted]
            replicates = sensitivity.replicates(summed_counts(found, resamples))
            yield labels.row(sensitivity.name, sensitivity(reduce(add, found)), replicates, policy=policy)


def _count(cases: Cases, subject: Subject, thresholds: Mapping[str, float]) -> Counts:
    case = cases[subject.id]
    if subject.label is None or not case.anomaly.any():
        return {}
    label = cases.cut(subject.id, whole_numbers(read_volume(subject.label).array))
    counts = {}
    for policy, threshold in thresholds.items():
        marked = cases.protocol.steps.clean((case.scores >= smallest_float32(threshold)) & case.domain)
        for value in _values(label, case.anomaly):
            part = case.anomaly & (label == value)
            hits = int(np.count_nonzero(marked & part))
            counts[value, policy] = Confusion(tp=hits, fp=0, fn=int(np.count_nonzero(part)) - hits, tn=0)
    return counts


def _values(label: NDArray[np.integer], anomaly: NDArray[np.bool_]) -> list[int]:
    return [int(value) for value in np.unique(label[anomaly])]
