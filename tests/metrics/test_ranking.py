"""Ranks are ranges: what surely beats, what surely loses, and how often a method would come first."""

import numpy as np
import pytest
from scipy import stats

from uad_bench.metrics.ranking import (
    adjusted,
    draws,
    kendall_taus,
    pairs_p,
    pairwise,
    rank_distribution,
    rank_ranges,
    ranks_of,
)
from uad_bench.metrics.uncertainty import t_interval


def replicates_of(estimates, *, spread=0.01, n=20, seed=0):
    """Jackknife replicates (M, n) of methods whose standard error is `spread`, independent of each other."""
    deviations = np.random.default_rng(seed).normal(size=(len(estimates), n))
    deviations -= deviations.mean(axis=1, keepdims=True)
    return estimates[:, None] + spread * deviations / np.sqrt(
        (n - 1) / n * np.sum(deviations**2, axis=1, keepdims=True)
    )


def pooled_p(estimates, replicates):
    return adjusted(pairs_p(estimates, replicates, n_patients=replicates.shape[1]))


def test_a_sure_winner_and_two_that_cannot_be_told_apart():
    estimates = np.array([0.5, 0.9, 0.51])
    p = pooled_p(estimates, replicates_of(estimates))
    assert [str(ranks) for ranks in rank_ranges(estimates, p)] == ["2–3", "1", "2–3"]


def test_swapping_two_methods_swaps_their_rows_and_nothing_else():
    estimates = np.array([0.5, 0.6, 0.55, 0.9])
    replicates = replicates_of(estimates, spread=0.03)
    swapped = np.array([0, 3, 2, 1])
    before = rank_ranges(estimates, pooled_p(estimates, replicates))
    after = rank_ranges(estimates[swapped], pooled_p(estimates[swapped], replicates[swapped]))
    assert after == [before[k] for k in swapped]
    drawn = draws(estimates, replicates, n_patients=20, seed=0)
    one, other = rank_distribution(estimates, drawn), rank_distribution(estimates[swapped], drawn[swapped])
    assert other.first.tolist() == one.first[swapped].tolist()
    assert other.low.tolist() == one.low[swapped].tolist()
    assert other.kendall_tau.value == pytest.approx(one.kendall_tau.value)


def test_draws_of_a_difference_have_the_quantiles_of_its_t_interval():
    estimates = np.array([0.5, 0.6])
    replicates = replicates_of(estimates, spread=0.05, n=6)
    one, other = draws(estimates, replicates, n_patients=6, seed=0, size=100_000)
    interval = t_interval(0.1, replicates[1] - replicates[0], n_patients=6)
    assert np.quantile(other - one, [0.025, 0.975]) == pytest.approx([interval.low, interval.high], abs=0.004)


def test_a_pair_without_a_p_stays_unseparated():
    p = pairwise(np.array([np.nan]), n_methods=2)
    assert [(ranks.first, ranks.last) for ranks in rank_ranges(np.array([0.1, 0.9]), p)] == [(1, 2), (1, 2)]


def test_one_method_has_rank_one_and_no_agreement():
    found = rank_distribution(np.array([0.5]), np.array([[0.4, 0.6]]))
    assert (found.first.tolist(), found.low.tolist(), found.high.tolist()) == ([1], [1], [1])
    assert found.kendall_tau.undefined == "constant"
    assert [str(ranks) for ranks in rank_ranges(np.array([0.5]), pooled_p(np.array([0.5]), np.ones((1, 5))))] == ["1"]


def test_shares_of_first_ranks_by_hand():
    replicates = np.array([[3.0, 3, 1, 2], [2, 2, 2, 2], [1, 1, 3, 1]])
    found = rank_distribution(np.array([3.0, 2, 1]), replicates)
    assert found.first.tolist() == [0.75, 0.25, 0.25]  # a tie for the first rank counts for both
    assert found.low.tolist() == [1, 1, 1]
    assert found.high.tolist() == [3, 2, 3]
    assert found.kendall_tau.value == pytest.approx((1 + 1 - 1 + 2 / np.sqrt(6)) / 4)


def test_ties_share_the_better_rank():
    assert ranks_of(np.array([0.2, 0.9, 0.9, 0.1])).tolist() == [3, 1, 1, 4]


def test_kendall_tau_agrees_with_scipy():
    one, *others = np.random.default_rng(0).integers(0, 6, (6, 12)).astype(float)
    found = kendall_taus(one, np.array(others).T)
    assert found == pytest.approx([stats.kendalltau(one, other).statistic for other in others], abs=1e-12)


def test_a_method_without_a_value_ranks_last_and_has_no_say_in_agreement():
    assert ranks_of(np.array([np.nan, 0.1, -5.0])).tolist() == [3, 1, 2]
    one, other, nothing = [1.0, 2.0, 3.0, 0.0], [1.0, np.nan, 3.0, 2.0], [np.nan] * 4
    tau = stats.kendalltau([1, 3, 0], [1, 3, 2]).statistic
    assert kendall_taus(np.array(one), np.array([other, nothing]).T) == pytest.approx([tau, np.nan], nan_ok=True)
    assert kendall_taus(np.array(other), np.array([one]).T) == pytest.approx([tau])
    found = rank_distribution(np.array([0.9, 0.1]), np.array([[np.nan, 0.9], [0.1, 0.1]]))
    assert found.first.tolist() == [0.5, 0.5]


def test_equal_values_have_no_ranking_to_agree_with():
    assert np.isnan(kendall_taus(np.ones(4), np.arange(4.0)[:, None])).all()
