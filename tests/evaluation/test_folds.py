"""Numbers over folds are means over folds, whatever the number of patients of each."""

import pytest

from uad_bench.evaluation.folds import mean_metrics
from uad_bench.runs.metric_rows import MetricRow


def auprc(value: float | None, n: int, **more) -> list[MetricRow]:
    return [MetricRow(name="auprc", value=value, n_subjects=n, **more)]


def test_a_fold_of_one_patient_counts_as_much_as_one_of_three():
    [row] = mean_metrics([auprc(0.2, 1, low=0.1, high=0.3), auprc(0.8, 3)], {})
    assert (row.value, row.n_subjects, row.low, row.high) == (pytest.approx(0.5), 4, None, None)


def test_a_metric_that_a_fold_lacks_has_no_mean_but_the_reason():
    [row] = mean_metrics([auprc(0.2, 1), auprc(None, 3, undefined="no_positive")], {})
    assert (row.value, row.undefined, row.n_subjects) == (None, "no_positive", 4)
    [row] = mean_metrics([auprc(0.2, 1), []], {})
    assert (row.value, row.undefined, row.n_subjects) == (None, "absent", 1)
