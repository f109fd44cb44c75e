"""Simulated studies: 95 % intervals cover the expected value in 93-97 %, 5 % tests of equal methods reject in 3-7 %."""

import numpy as np
import pytest

from tests import detection_study
from tests.studies import pooled_auprc, similar, simulate, varied
from uad_bench.metrics.froc import up_to
from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.significance import sign_flip_p
from uad_bench.metrics.uncertainty import leave_one_out, pooled_replicates, t_interval


@pytest.mark.parametrize("n_folds", [1, 6, 12])
def test_twelve_patients_in_any_number_of_folds_keep_the_level_and_the_coverage(n_folds):
    """Patients resampled within folds gave 12.2 % false differences and 80 % coverage in six folds."""
    found = simulate(12, n_folds, 200)
    assert 0.02 <= found.rejected <= 0.08
    assert 0.91 <= found.covered <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_patients", "n_folds", "patients"),
    [(12, 1, similar), (12, 3, varied), (12, 4, similar), (60, 1, varied), (60, 6, varied)],
)
def test_the_level_and_the_coverage_hold_for_more_patients_and_folds(n_patients, n_folds, patients):
    """A part of the table of `python -m tests.studies 12 60 251`, which takes hours."""
    found = simulate(n_patients, n_folds, 1_500 if n_patients < 60 else 1_000, patients=patients)
    assert 0.03 <= found.rejected <= 0.07
    assert 0.93 <= found.covered <= 0.97


def detections(rng, n):
    """Detected lesions (n, M), false positives (n, M), lesions (n,) of n patients at descending thresholds."""
    thresholds = np.concatenate([[np.inf], np.linspace(4, -1, 129)])
    lesions, false = 1 + rng.poisson(1.5, n), rng.poisson(3 * np.exp(rng.normal(0.8, 0.8, n)))
    scores = [rng.normal(rng.normal(1.2, 0.7), 1, count) for count in lesions], [rng.normal(0.3, 1, k) for k in false]
    return *(np.array([(s[:, None] >= thresholds).sum(axis=0) for s in kind]) for kind in scores), lesions


@pytest.mark.slow
@pytest.mark.parametrize(("n_patients", "n_studies"), [(12, 1_500), (60, 600)])
def test_intervals_cover_although_each_replicate_chooses_its_threshold(n_patients, n_studies):
    """Lesion sensitivity at one false positive per volume."""
    rng, estimates, intervals = np.random.default_rng(n_patients), [], []
    weights = np.concatenate([np.ones((1, n_patients)), np.ones((n_patients, n_patients)) - np.eye(n_patients)])
    for _ in range(n_studies):
        found, false, lesions = detections(rng, n_patients)
        rates = weights @ false / weights.sum(axis=1)[:, None]
        estimate, *left_out = up_to(rates, weights @ found / (weights @ lesions)[:, None], 1.0)
        interval = t_interval(estimate, np.array(left_out), n_patients=n_patients, proportion=True)
        estimates.append(estimate)
        intervals.append((interval.low, interval.high))
    low, high = np.array(intervals).T
    assert 0.93 <= np.mean((low <= np.mean(estimates)) & (np.mean(estimates) <= high)) <= 0.98


@pytest.mark.slow
def test_intervals_at_equal_alarms_cover_the_known_values_that_of_the_sensitivity_more_often_than_it_says():
    found = detection_study.simulate(60, 200)
    assert found[0].mean(axis=0) == pytest.approx(detection_study.large_sample(), abs=0.015)
    sensitivity, dice = detection_study.covered(found)
    assert sensitivity >= 0.94
    assert 0.91 <= dice <= 0.99


def test_simulated_replicates_are_those_of_the_package():
    scores, anomaly = varied(np.random.default_rng(3), 7)
    patients = [*zip(scores[0], anomaly, strict=True)]
    counts = count_ranks(lambda: patients)
    counted = count_patients(patients, shared_thresholds(counts))
    value, left_out = pooled_auprc(scores[0], anomaly)
    assert pooled_replicates(counted, counts, leave_one_out([*"abcdefg"])).values["auprc"] == pytest.approx(left_out)
    assert value == pytest.approx(pooled_auprc(scores[0][::-1], anomaly[::-1])[0])


def test_sign_flips_of_equal_methods_reject_at_their_level():
    rng = np.random.default_rng(21)
    p = [sign_flip_p(rng.laplace(size=40), seed=number, flips=499).value for number in range(1_000)]
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.07
