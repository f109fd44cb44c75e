"""Tests have the p values of their definitions, hold their level under no difference, and plan by closed forms."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from uad_bench.metrics.ranking import adjusted, pairs_p
from uad_bench.metrics.significance import (
    SeedSpread,
    difference_p,
    hodges_lehmann,
    holm,
    patients_to_separate,
    retrained_interval,
    seeds_to_separate,
    sign_flip_p,
    wilcoxon_p,
)
from uad_bench.metrics.uncertainty import StandardErrors, t_interval


def errors(value, freedom):
    return StandardErrors(np.array(value), np.array(freedom))


def test_sign_flip_p_nears_that_of_all_flips():
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.25, -0.05, 0.1, 0.33])
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=8)]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_p(differences, seed=0).value == pytest.approx(exact, abs=0.01)


def test_a_clear_difference_reaches_the_smallest_p_and_no_less():
    assert sign_flip_p(np.full(60, 0.2), seed=0).value == 1 / 10_000


def test_no_difference_at_all_has_p_one():
    assert sign_flip_p(np.zeros(10), seed=0).value == 1


def test_patients_without_a_value_are_left_out_and_two_are_needed():
    differences = np.array([0.1, np.nan, 0.3, 0.2])
    assert sign_flip_p(differences, seed=1) == sign_flip_p(differences[[0, 2, 3]], seed=1)
    assert sign_flip_p(differences[:2], seed=1).undefined == "few_patients"


def left_out(values):
    """Means of all values but one, one after the other (jackknife replicates of the mean)."""
    return (values.sum(axis=-1, keepdims=True) - values) / (values.shape[-1] - 1)


def test_the_p_of_means_over_patients_is_that_of_the_paired_t_test():
    one, other = np.random.default_rng(0).uniform(size=(2, 14))
    assert stats.kurtosis(one - other) < 0  # so no patient dominates and all 13 degrees of freedom count
    found = difference_p(one.mean() - other.mean(), left_out(one) - left_out(other), n_patients=14)
    assert found == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_p_is_below_the_level_exactly_where_the_interval_of_the_difference_excludes_zero():
    values = np.random.default_rng(4).normal(0.5, size=(400, 9))
    p = difference_p(values.mean(axis=1), left_out(values), n_patients=9)
    intervals = [t_interval(row.mean(), left_out(row), n_patients=9) for row in values]
    excluded = [interval.low > 0 or interval.high < 0 for interval in intervals]
    assert excluded == (p < 0.05).tolist()
    assert 50 < sum(excluded) < 350


def test_equal_methods_have_p_one_and_undefined_replicates_none():
    assert difference_p(0.0, np.zeros(5), n_patients=5) == 1
    assert np.isnan(difference_p(0.1, np.array([0.1, np.nan]), n_patients=2))


def test_holm_by_hand_and_without_the_undefined():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])).tolist() == [1, 1]
    adjusted = holm(np.array([0.02, np.nan, 0.03]))
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.04])


def test_a_deterministic_method_has_the_t_interval_over_patients():
    interval = retrained_interval(0.5, patients=errors(0.02, 9))
    assert interval.high - 0.5 == pytest.approx(stats.t.ppf(0.975, 9) * 0.02)


def test_seed_variance_adds_to_that_of_patients():
    interval = retrained_interval(0.5, patients=errors(0.0, 250), seeds=[SeedSpread(0.03**2, 3)])
    assert 0.5 - interval.low == pytest.approx(stats.t.ppf(0.975, 2) * 0.03 / math.sqrt(3))
    both = retrained_interval(0.0, patients=errors(0.02, 250), seeds=[SeedSpread(0.0004, 4)] * 2)
    freedom = 0.0006**2 / (0.0004**2 / 250 + 2 * 0.0001**2 / 3)
    assert both.high == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(0.0006))


def test_an_interval_needs_two_patients_and_two_seeds():
    one = retrained_interval(0.5, patients=errors(0.1, 8), seeds=[SeedSpread(0.0, 1)])
    assert one.undefined == "one_seed"
    assert retrained_interval(0.5, patients=errors(math.nan, 1)).undefined == "undefined_replicates"


def test_numbers_without_any_spread_have_an_interval_of_width_zero():
    interval = retrained_interval(0.5, patients=errors(0.0, 8))
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_needed_patients_grow_with_the_square_of_the_ratio():
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert patients_to_separate(0.02, se=0.02, n_patients=100) == math.ceil(100 * z**2)
    assert patients_to_separate(-0.04, se=0.02, n_patients=100) == math.ceil(25 * z**2)
    assert patients_to_separate(0.0, se=0.02, n_patients=100) is None
    assert patients_to_separate(math.nan, se=0.02, n_patients=100) is None


def test_needed_seeds_fill_the_room_that_patients_leave():
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    room = (0.1 / z) ** 2 - 0.01**2
    assert seeds_to_separate(0.1, patient_se=0.01, seed_variance=0.04) == math.ceil(0.04 / room)
    assert seeds_to_separate(0.1, patient_se=0.1, seed_variance=0.04) is None


def test_secondary_columns_agree_with_their_definitions():
    differences = np.array([1.0, 2.0, 4.0, np.nan])
    assert hodges_lehmann(differences).value == np.median([1, 1.5, 2.5, 2, 3, 4])
    assert wilcoxon_p(np.arange(1.0, 30)).value < 1e-5
    assert wilcoxon_p(np.zeros(5)).undefined == "no_difference"
    assert hodges_lehmann(np.array([np.nan])).undefined == "few_patients"


def test_all_pairs_at_once_are_each_pair_alone():
    values = np.random.default_rng(3).normal(np.linspace(0, 2, 4)[:, None], size=(4, 10))
    estimates, replicates = values.mean(axis=1), left_out(values)
    found = pairs_p(estimates, replicates, n_patients=10)
    for i, j in combinations(range(4), 2):
        alone = difference_p(estimates[i] - estimates[j], replicates[i] - replicates[j], n_patients=10)
        assert found[i, j] == found[j, i] == alone


def test_fifty_pairs_do_not_make_a_clear_difference_unclear():
    values = np.random.default_rng(5).normal(0.05 * np.arange(12)[:, None], 0.05, size=(12, 100))
    p = adjusted(pairs_p(values.mean(axis=1), left_out(values), n_patients=100))
    assert np.nanmax(p) < 0.001
