"""Tests have the p values of their definitions, hold their level under no difference, and plan by closed forms."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from uad_bench.metrics.ranking import adjusted, pairs_p
from uad_bench.metrics.significance import (
    SeedSpread,
    difference_p,
    differences_p,
    hodges_lehmann,
    holm,
    patients_to_separate,
    retrained_interval,
    seeds_to_separate,
    sign_flip_p,
    wilcoxon_p,
)


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


def test_the_p_of_a_difference_counts_the_smaller_tail_twice():
    differences = np.concatenate([np.full(97, 0.1), np.full(2, -0.1)])
    assert difference_p(differences, n_patients=10**9) == pytest.approx(2 * 3 / 100)
    assert difference_p(-differences, n_patients=10**9) == pytest.approx(2 * 3 / 100)
    assert difference_p(np.zeros(99), n_patients=10**9) == 1
    assert np.isnan(difference_p(np.array([0.1, np.nan]), n_patients=10**9))


def test_holm_by_hand_and_without_the_undefined():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.6])).tolist() == [1, 1]
    adjusted = holm(np.array([0.02, np.nan, 0.03]))
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.04])


def test_a_deterministic_method_has_the_t_interval_over_patients():
    interval = retrained_interval(0.5, patient_se=0.02, n_patients=10)
    assert interval.high - 0.5 == pytest.approx(stats.t.ppf(0.975, 9) * 0.02)


def test_seed_variance_adds_to_that_of_patients():
    interval = retrained_interval(0.5, patient_se=0.0, n_patients=251, seeds=[SeedSpread(0.03**2, 3)])
    assert 0.5 - interval.low == pytest.approx(stats.t.ppf(0.975, 2) * 0.03 / math.sqrt(3))
    both = retrained_interval(0.0, patient_se=0.02, n_patients=251, seeds=[SeedSpread(0.0004, 4)] * 2)
    freedom = 0.0006**2 / (0.0004**2 / 250 + 2 * 0.0001**2 / 3)
    assert both.high == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(0.0006))


def test_an_interval_needs_two_patients_and_two_seeds():
    assert retrained_interval(0.5, patient_se=0.1, n_patients=1).undefined == "few_patients"
    one = retrained_interval(0.5, patient_se=0.1, n_patients=9, seeds=[SeedSpread(0.0, 1)])
    assert one.undefined == "one_seed"
    assert retrained_interval(0.5, patient_se=math.nan, n_patients=9).undefined == "undefined_replicates"


def test_numbers_without_any_spread_have_an_interval_of_width_zero():
    interval = retrained_interval(0.5, patient_se=0.0, n_patients=9)
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


@pytest.mark.parametrize(("n", "p"), [(12, 0.0873), (60, 0.0567), (100_000, 0.0500)])
def test_few_patients_need_more_than_the_draws_say(n, p):
    draws = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000, loc=stats.norm.ppf(0.975))  # 2.5 % beyond zero
    assert difference_p(draws, n_patients=n) == pytest.approx(p, abs=2e-3)


def test_two_patients_can_separate_nobody():
    draws = np.random.default_rng(0).normal(0.5, 0.001, 2000)
    assert difference_p(draws, n_patients=2) == 0.5
    assert difference_p(draws, n_patients=20) < 0.001


def test_fifty_pairs_do_not_make_a_clear_difference_unclear():
    draws = np.stack([np.random.default_rng(i).normal(0.05 * i, 0.005, 2000) for i in range(12)])
    assert np.nanmax(adjusted(pairs_p(draws, n_patients=100))) < 0.001


def test_all_pairs_at_once_are_each_pair_alone():
    rng = np.random.default_rng(3)
    draws = rng.normal(0, 0.01, (7, 500)) + np.linspace(0, 0.05, 7)[:, None]
    draws[5, 3] = np.nan
    found = differences_p(draws[0] - draws[1:], n_patients=10_000)
    expected = [difference_p(draws[0] - other, n_patients=10_000) for other in draws[1:]]
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[4])
    share = np.mean(draws[0] - draws[1] >= 0)
    assert found[0] == pytest.approx(2 * min(share, 1 - share), abs=0.01)


def test_equal_methods_are_rarely_separated():
    rng = np.random.default_rng(1)
    found = [difference_p(rng.normal(rng.normal(0, 1), 1, 2000), n_patients=50) < 0.05 for _ in range(400)]
    assert 0.02 < np.mean(found) < 0.09
