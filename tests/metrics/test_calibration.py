"""Simulated studies: a 95 % interval covers the truth in 92-97 %, a 5 % test of equal methods rejects in 3-7 %.

Both studies have the 251 patients of a real test set; the one with more voxels and replicates is marked slow.
"""

import numpy as np
import pytest

from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.significance import difference_p, sign_flip_p
from uad_bench.metrics.uncertainty import percentile_interval, pooled_replicates, resample
from uad_bench.metrics.voxel import average_precision

SIZES = [(251, 12, 300, 300), pytest.param(251, 100, 300, 1_000, marks=pytest.mark.slow)]


def study(rng, n_patients, n_voxels):
    """Patients that differ in prevalence, in contrast and in scale; two methods that are equally good."""
    anomaly = rng.random((n_patients, n_voxels)) < rng.beta(2, 10, (n_patients, 1))
    signal = anomaly * rng.normal(1.5, 0.4, (n_patients, 1))
    gain = rng.lognormal(0, 0.2, (n_patients, 1))
    return [(gain * (signal + rng.normal(size=anomaly.shape))).astype(np.float32) for _ in range(2)], anomaly


def pooled_ap(scores, anomaly, resamples):
    """Replicates (R,) of the pooled AP."""

    def patients():
        return zip(scores, anomaly, strict=True)

    counts = count_ranks(patients)
    binned = count_patients(patients(), shared_thresholds(counts, bins=4_096))
    return pooled_replicates(binned, counts, resamples).values["auprc"]


@pytest.mark.parametrize(("n_patients", "n_voxels", "n_studies", "replicates"), SIZES)
def test_intervals_cover_and_tests_keep_their_level(n_patients, n_voxels, n_studies, replicates):
    rng = np.random.default_rng(20)
    (large, _), large_anomaly = study(rng, 20_000, n_voxels)
    truth = average_precision(count_ranks(lambda: zip(large, large_anomaly, strict=True))).value
    covered, rejected = [], []
    for number in range(n_studies):
        (one, other), anomaly = study(rng, n_patients, n_voxels)
        resamples = resample(n_patients, seed=number, replicates=replicates)
        first, second = pooled_ap(one, anomaly, resamples), pooled_ap(other, anomaly, resamples)
        interval = percentile_interval(first, n_patients=n_patients)
        covered.append(interval.low <= truth <= interval.high)
        rejected.append(difference_p(first - second, n_patients=n_patients) <= 0.05)
    assert 0.92 <= np.mean(covered) <= 0.97
    assert 0.03 <= np.mean(rejected) <= 0.07


def test_a_board_of_twelve_patients_keeps_the_level_too():
    """As the draws say it, 10 % of equal methods would differ."""
    rng, found = np.random.default_rng(22), []
    for number in range(300):
        (one, other), anomaly = study(rng, 12, 100)
        resamples = resample(12, seed=number, replicates=300)
        difference = pooled_ap(one, anomaly, resamples) - pooled_ap(other, anomaly, resamples)
        found.append(difference_p(difference, n_patients=12))
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.075


def test_sign_flips_of_equal_methods_reject_at_their_level():
    rng = np.random.default_rng(21)
    p = [sign_flip_p(rng.laplace(size=40), seed=number, flips=499).value for number in range(1_000)]
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.07
