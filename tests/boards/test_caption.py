"""Captions of tables."""

import pytest

from tests.made_results import BASELINES, made_board, made_record, made_result
from uad_bench.boards.board import assemble_boards
from uad_bench.output.caption import caption, setting


@pytest.mark.parametrize(
    ("counts", "told"),
    [([3, 3, 3], "3 validation patients in each of 3 folds"), ([3, 2, 3], "2 or 3 validation patients in each")],
)
def test_over_folds_the_validation_patients_of_each_fold_are_counted(counts, told):
    record = made_record(n_folds=3, fold_validation=counts, subjects={"test": ["P0", "P1"]})
    assert f"2 test and {told}" in setting(record)[0]


def test_without_folds_the_validation_patients_are_counted():
    assert "20 test and 2 validation patients" in setting(made_record())[0]


def test_with_folds_the_caption_states_that_numbers_are_means_over_folds():
    assert any("mean over folds" in sentence for sentence in setting(made_record(n_folds=3, fold_validation=[2])))
    assert not any("mean over folds" in sentence for sentence in setting(made_record()))


@pytest.mark.parametrize(
    ("kind", "noted"),
    [("mount-namespace", False), ("landlock", False), ("audit-hook", True), ("none", True), (None, False)],
)
def test_a_row_that_the_operating_system_did_not_keep_from_labels_is_noted(kind, noted):
    seeds = enumerate(("landlock", kind))
    made = made_board(*(made_result("ae", seed, environment={"isolation": isolation}) for seed, isolation in seeds))
    (board,) = assemble_boards(made, baselines=BASELINES)
    assert ("Not isolated from labels by the operating system: ae." in caption(board)) is noted
