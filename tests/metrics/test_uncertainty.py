"""The bootstrap over patients: rows replay, binned replicates equal exact ones, and 95 % means 95 %."""

import hashlib

import numpy as np
import pytest

from uad_bench.metrics import overlap, voxel
from uad_bench.metrics.overlap import Confusion
from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.uncertainty import (
    MOST_SHIFT,
    Resamples,
    mean_replicates,
    percentile_interval,
    pooled_replicates,
    resample,
    summed_counts,
)


def cohort(rng, n_patients=12, n_voxels=400, levels=None):
    """Patients with their own scale and prevalence; `levels` rounds scores so that they tie."""
    patients = []
    for _ in range(n_patients):
        anomaly = rng.random(n_voxels) < rng.uniform(0.01, 0.2)
        scores = rng.lognormal(0, 0.5) * (rng.normal(size=n_voxels) + 1.5 * anomaly)
        patients.append(((np.round(scores * levels) if levels else scores).astype(np.float32), anomaly))
    return patients


def repeated(patients, weights):
    """The patients of one bootstrap row, voxel by voxel."""
    return [patient for patient, weight in zip(patients, weights, strict=True) for _ in range(int(weight))]


def replicates(patients, resamples, bins=16_384):
    counts = count_ranks(lambda: patients)
    binned = count_patients(patients, shared_thresholds(counts, bins=bins))
    return pooled_replicates(binned, counts, resamples)


def test_rows_replay_from_the_seed_and_their_digest_is_that_of_the_indices():
    rows = np.random.Generator(np.random.PCG64(7)).integers(0, 5, size=(20, 5))
    resamples = resample(5, seed=7, replicates=20)
    assert [list(np.bincount(row, minlength=5)) for row in rows] == resamples.weights.tolist()
    assert resamples.digest == hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
    assert resample(5, seed=8, replicates=20).digest != resamples.digest


@pytest.mark.parametrize("levels", [None, 3])
def test_replicates_equal_the_exact_metrics_of_the_repeated_patients(levels):
    patients = cohort(np.random.default_rng(1), levels=levels)
    resamples = resample(len(patients), seed=0, replicates=25)
    found = replicates(patients, resamples)
    for row, weights in enumerate(resamples.weights):
        counts = count_ranks(lambda weights=weights: repeated(patients, weights))
        exact = {
            "auprc": voxel.average_precision(counts).value,
            "auroc": voxel.auroc(counts).value,
            "dice": voxel.best_dice(counts).dice.value,
        }
        assert {name: found.values[name][row] for name in ("auprc", "dice")} == pytest.approx(
            {name: exact[name] for name in ("auprc", "dice")}, abs=1e-12
        )
        assert found.values["auroc"][row] == pytest.approx(exact["auroc"], abs=1e-3)  # negatives between thresholds tie


def test_few_bins_are_corrected_by_the_exact_value_and_too_few_are_refused():
    patients = cohort(np.random.default_rng(2), n_patients=40, n_voxels=3_000)
    resamples = resample(40, seed=0, replicates=50)
    fine, coarse, refused = (replicates(patients, resamples, bins=bins) for bins in (10**6, 1_000, 20))
    assert 0 < coarse.shift["auprc"] < MOST_SHIFT
    assert coarse.values["auprc"] == pytest.approx(fine.values["auprc"], abs=MOST_SHIFT)
    assert refused.interval("auprc").undefined == "coarse_bins"
    assert fine.shift["auprc"] == pytest.approx(0, abs=1e-12)


def test_identity_row_gives_the_exact_value():
    patients = cohort(np.random.default_rng(3))
    found = replicates(patients, Resamples(np.ones((1, 12)), ""), bins=500)
    assert found.values["auroc"][0] == voxel.auroc(count_ranks(lambda: patients)).value


@pytest.mark.parametrize("bins", [1, 7, 100])
def test_shared_thresholds_end_at_the_lowest_positive_and_split_positives_evenly(bins):
    counts = count_ranks(lambda: cohort(np.random.default_rng(5), n_patients=40))
    thresholds = shared_thresholds(counts, bins=bins)
    positives = counts.tp[np.searchsorted(-counts.scores, -thresholds)]
    assert (thresholds.size, thresholds[-1]) == (bins, counts.scores[-1])
    assert np.diff(positives, prepend=0) == pytest.approx(counts.n_positive / bins, abs=1)


def test_subgroups_keep_their_patients_counts():
    patients = cohort(np.random.default_rng(4))
    counts = count_ranks(lambda: patients)
    chosen = count_patients(patients, counts.scores).of(np.array([2, 5]))
    assert chosen.n_voxels.tolist() == [400, 400]
    assert chosen.positives[:, -1].tolist() == [patients[2][1].sum(), patients[5][1].sum()]


def test_replicates_without_a_positive_have_no_value():
    patients = [(np.array([1, 2], np.float32), np.array([False, anomalous])) for anomalous in (True, False)]
    found = replicates(patients, Resamples(np.array([[2.0, 0], [0, 2]]), ""))
    assert all(np.isnan(found.values[name]).tolist() == [False, True] for name in ("auprc", "auroc", "dice"))
    assert found.interval("auprc").undefined == "undefined_replicates"


def test_without_any_positive_the_reason_is_the_metrics_own():
    patients = [(np.array([1, 2], np.float32), np.zeros(2, bool))] * 3
    found = replicates(patients, resample(3, seed=0, replicates=10))
    assert found.interval("auprc").undefined == "no_positive"
    assert found.interval("dice").undefined == "empty_ref"


def test_one_patient_has_no_interval():
    assert percentile_interval(np.full(100, 0.5), n_patients=1).undefined == "few_patients"


def test_the_interval_holds_the_middle_of_the_replicates():
    interval = percentile_interval(np.arange(101) / 100, n_patients=9, level=0.9)
    assert (interval.low, interval.high) == pytest.approx((0.05, 0.95))


def test_confusions_resample_as_sums():
    patients = [Confusion(3, 1, 2, 9), Confusion(0, 1, 0, 5), Confusion(4, 2, 1, 1)]
    summed = summed_counts(patients, Resamples(np.array([[2.0, 0, 1], [0, 3, 0]]), ""))
    found = {name: metric.replicates(summed) for name, metric in overlap.OVERLAP.items()}
    total = patients[0] + patients[0] + patients[2]
    for name, values in found.items():
        assert values[0] == overlap.OVERLAP[name](total).value
    undefined = {name for name, values in found.items() if np.isnan(values[1])}
    assert undefined == {"dice", "jaccard", "sensitivity"}


def test_a_mean_over_patients_leaves_out_the_undefined():
    means = mean_replicates(np.array([1.0, np.nan, 4.0]), Resamples(np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 0]]), ""))
    assert means[:2] == pytest.approx([2.5, 2.0])
    assert np.isnan(means[2])
