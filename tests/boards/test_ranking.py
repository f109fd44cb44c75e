"""Ranks say what other patients could give, and no more than these can show."""

import math

import numpy as np
import pytest

from tests.made_results import made_board, made_result
from uad_bench.boards.board import make_boards
from uad_bench.boards.result import Result
from uad_bench.metrics.significance import holm
from uad_bench.output.caption import caption

BASELINES = ("random", "intensity")


def board(*results, **options):
    return make_boards(made_board(*results), baselines=BASELINES, **options)[0]


def ranks(made):
    return {row.label: str(made.placement(row).ranks) for row in made.rows}


def test_methods_far_apart_have_one_rank_each():
    assert ranks(board(made_result("ae", auprc=0.6))) == {"ae": "1", "intensity": "2", "random": "3"}


def test_methods_within_the_noise_share_a_range():
    found = ranks(board(made_result("ae", auprc=0.6), made_result("vae", auprc=0.605)))
    assert (found["ae"], found["vae"], found["intensity"]) == ("1–2", "1–2", "3")


def test_beating_the_strongest_baseline_is_reported_with_a_p():
    made = board(made_result("ae", auprc=0.6), made_result("bad", auprc=0.1))
    placement = {row.label: made.placement(row) for row in made.rows}
    assert placement["ae"].better
    assert not placement["bad"].better
    assert placement["ae"].p < 0.001
    assert placement["intensity"].p is None
    assert placement["random"].better is False


def test_whichever_baseline_is_strongest_is_the_one_to_beat():
    results = made_board(made_result("ae", auprc=0.5), made_result("coarse", auprc=0.6))
    made = make_boards(results, baselines=(*BASELINES, "coarse"))[0]
    placement = {row.label: made.placement(row) for row in made.rows}
    assert made.best_baseline.label == "coarse"
    assert placement["ae"].better is False
    assert placement["coarse"].better is None
    assert any("compares with coarse" in sentence for sentence in caption(made))


def test_beating_the_baseline_is_adjusted_for_what_is_compared_with_it_not_for_every_pair():
    made = board(made_result("ae", auprc=0.6), made_result("bad", auprc=0.1), made_result("vae", auprc=0.5))
    ranking, best_baseline = made.ranking, made.ranking.rows.index(made.best_baseline)
    others = [i for i in range(len(ranking.rows)) if i != best_baseline]
    np.testing.assert_array_equal(made.best_baseline_p[others], holm(ranking.raw[others, best_baseline]))
    assert np.isnan(made.best_baseline_p[best_baseline])
    assert np.all(made.best_baseline_p[others] <= ranking.p[others, best_baseline])


def test_one_patient_gives_no_rank_and_says_why():
    one = {"subjects": {"train": [], "val": [], "test": ["P00"]}}
    results = [made_result(name, auprc=0.1 * i, **one) for i, name in enumerate(("random", "intensity", "ae"))]
    made = make_boards(results, baselines=BASELINES)[0]
    assert made.ranking.reason == "few_patients"
    assert {*ranks(made).values()} == {"None"}


def test_one_method_has_no_rank():
    made = make_boards([made_result("ae")], baselines=())[0]
    assert made.ranking.reason == "one_method"


def test_no_lesion_in_the_test_set_leaves_everybody_unranked():
    results = [made_result(name, auprc=None) for name in ("random", "intensity", "ae")]
    made = make_boards(results, baselines=BASELINES)[0]
    assert made.ranking.rows == ()
    assert math.isnan(made.ranking.tau)


def test_replicates_of_other_patients_are_not_compared():
    other = made_result("ae", auprc=0.6, jackknife={"rows": "c" * 64, "metrics": []})
    assert board(other).ranking.reason == "other_patients"


def test_a_bound_is_never_ranked_and_a_method_above_it_is_doubted():
    bounds = ("better-net", "oracle-net")
    values = {"ae": 0.9, "better-net": 0.95, "oracle-net": 0.8}
    made = board(*(made_result(name, auprc=auprc) for name, auprc in values.items()), bounds=bounds)
    assert {row.label for row in made.ranking.rows} == {"ae", "intensity", "random"}
    assert [row.label for row in made.rows if made.too_good(row)] == ["ae"]
    assert tuple(row.label for row in made.bounds) == bounds


@pytest.mark.parametrize("lost", ["replicates"])
def test_without_replicates_there_is_a_table_and_no_rank(lost):
    bare = Result(made_result("ae").record)
    assert board(bare).ranking.reason == f"no_{lost}"
