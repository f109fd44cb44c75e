"""The AUROC at equal input intensity, from score maps and the input that the method was given."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.metrics.matched import matched_auroc, matched_replicates
from uad_bench.metrics.uncertainty import Resamples, summed_counts
from uad_bench.metrics.value import undefined
from uad_bench.runs.metric_rows import Estimate, Labels

MATCHED = "matched_auroc"


def at_equal_intensity(subjects: Sequence[SubjectResult], resamples: Resamples, labels: Labels) -> Estimate:
    """AUROC between lesion and healthy voxels of equal input intensity.

    Undefined: also `no_input` if the task does not read its input, or a scan cannot be scaled.
    """
    pairs = [subject.matched for subject in subjects if subject.matched]
    if len(pairs) < len(subjects):
        return labels.row(MATCHED, undefined("no_input"))
    return labels.row(MATCHED, matched_auroc(reduce(add, pairs)), matched_replicates(summed_counts(pairs, resamples)))
