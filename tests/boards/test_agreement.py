"""Another choice of number may turn the order round, and the caption says so."""

import pytest

from tests.made_results import made_metric, made_result
from uad_bench.boards.agreement import agreements
from uad_bench.boards.board import make_boards
from uad_bench.output.caption import caption


def board(dices):
    results = [
        made_result(name, auprc=auprc, metrics=[made_metric("auprc", auprc), made_metric("dice", dice, "hFPR5")])
        for (name, auprc), dice in zip((("random", 0.1), ("intensity", 0.4), ("ae", 0.6)), dices, strict=True)
    ]
    return make_boards(results, baselines=("random", "intensity"))[0]


@pytest.mark.parametrize(("dices", "tau"), [((0.1, 0.2, 0.3), 1.0), ((0.3, 0.2, 0.1), -1.0), ((0.1, 0.3, 0.2), 1 / 3)])
def test_tau_counts_pairs_in_the_same_order(dices, tau):
    made = board(dices)
    assert [(name, found.value) for name, found in agreements(made.ranking, "none")] == [
        ("dice@hFPR5", pytest.approx(tau))
    ]
    assert f"dice@hFPR5 {tau:.2f}" in " ".join(caption(made))


def test_a_number_that_a_row_lacks_compares_nothing():
    assert agreements(board((None, 0.2, 0.1)).ranking, "none") == []
