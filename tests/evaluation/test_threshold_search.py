"""Searches of papers evaluate the thresholds that they should, by hand."""

import numpy as np
import pytest

from uad_bench.evaluation.threshold_search import Grid, Halving, Linear, Quantiles, ThresholdObjective, Yen


def objective(*scores, dice=np.zeros_like):
    return ThresholdObjective(dice, np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("search", "evaluated"),
    [
        (Linear(count=3), [2, 7, 12]),
        (Quantiles(count=3), [2, 4, 12]),
        (Grid(start=1.0, step=0.5, count=4), [1, 1.5, 2, 2.5]),
    ],
)
def test_a_search_evaluates_its_steps_and_takes_the_first_of_equals(search, evaluated):
    seen = []
    found = search.find(objective(2, 3, 4, 5, 12, dice=lambda t: seen.extend(t) or np.zeros_like(t)))
    assert (found, seen) == (evaluated[0], evaluated)


@pytest.mark.parametrize(("steps", "found"), [(1, 2), (2, 3), (3, 3)])
def test_halving_compares_the_middles_of_both_halves_and_returns_the_best_of_them(steps, found):
    peak = objective(0, 8, dice=lambda t: 1 / (1 + np.abs(t - 3)))
    assert Halving(steps=steps).find(peak) == found


def test_halving_keeps_the_first_threshold_of_equals():
    assert Halving(steps=3).find(objective(0, 8)) == 2


@pytest.mark.parametrize(("highest", "refused"), [(1, False), (1.5, True)])
def test_a_grid_up_to_one_is_refused_where_scores_go_beyond(highest, refused):
    grid, seen = Grid(step=0.01, count=100), objective(0, highest)
    assert (grid.refusal(seen) is not None) is refused


def test_yen_marks_all_of_a_constant_map():
    assert Yen(bins=4).find(objective(1, 1, 1)) == 0.625  # its histogram goes from 0.5 to 1.5
