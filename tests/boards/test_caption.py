"""What stands under a table."""

import pytest

from tests.made_results import made_record
from uad_bench.output.caption import setting


@pytest.mark.parametrize(
    ("counts", "told"),
    [([3, 3, 3], "3 validation patients in each of 3 folds"), ([3, 2, 3], "2 or 3 validation patients in each")],
)
def test_over_folds_the_validation_patients_of_each_fold_are_counted(counts, told):
    record = made_record(n_folds=3, fold_validation=counts, subjects={"test": ["P0", "P1"]})
    assert f"2 test and {told}" in setting(record)[0]


def test_without_folds_the_validation_patients_are_counted():
    assert "20 test and 2 validation patients" in setting(made_record())[0]


def test_with_folds_the_numbers_are_said_to_be_means_over_folds():
    assert any("mean over folds" in sentence for sentence in setting(made_record(n_folds=3, fold_validation=[2])))
    assert not any("mean over folds" in sentence for sentence in setting(made_record()))
