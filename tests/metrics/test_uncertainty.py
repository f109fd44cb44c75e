"""The jackknife over patients: replicates are metrics of the other patients, and means have textbook intervals."""

import numpy as np
import pytest
from scipy import special, stats

from uad_bench.metrics import overlap, voxel
from uad_bench.metrics.overlap import Confusion
from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.uncertainty import (
    MOST_SHIFT,
    Resamples,
    fold_replicates,
    from_bootstrap,
    leave_one_out,
    mean_replicates,
    pooled_replicates,
    standard_error,
    summed_counts,
    t_interval,
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


IDS = [f"P{i}" for i in range(40)]


def test_each_row_leaves_out_one_patient_and_the_digest_is_that_of_the_patients_in_their_order():
    rows = leave_one_out(["a", "b", "c"])
    assert rows.weights.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert rows.digest == leave_one_out(["a", "b", "c"]).digest
    assert rows.digest != leave_one_out(["b", "a", "c"]).digest
    assert np.isnan(leave_one_out(["a"]).weights).all()


@pytest.mark.parametrize("levels", [None, 3])
def test_replicates_equal_the_exact_metrics_of_the_repeated_patients(levels):
    patients = cohort(np.random.default_rng(1), levels=levels)
    repeats = np.random.default_rng(2).multinomial(12, np.full(12, 1 / 12), size=3)
    resamples = Resamples(np.concatenate([leave_one_out(IDS[:12]).weights, repeats]), "")
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
    resamples = leave_one_out(IDS)
    fine, coarse, refused = (replicates(patients, resamples, bins=bins) for bins in (10**6, 1_000, 20))
    assert 0 < coarse.shift["auprc"] < MOST_SHIFT
    assert coarse.values["auprc"] == pytest.approx(fine.values["auprc"], abs=MOST_SHIFT)
    assert refused.undefined["auprc"] == "coarse_bins"
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
    assert t_interval(1.0, found.values["auprc"], n_patients=2).undefined == "undefined_replicates"


def test_without_any_positive_the_reason_is_the_metrics_own():
    patients = [(np.array([1, 2], np.float32), np.zeros(2, bool))] * 3
    found = replicates(patients, leave_one_out([*"abc"]))
    assert (found.undefined["auprc"], found.undefined["dice"]) == ("no_positive", "empty_ref")


def left_out(values):
    """Means of all values but one, one after the other."""
    return mean_replicates(values, leave_one_out(IDS[: len(values)]))


def test_one_patient_has_no_interval():
    assert t_interval(0.5, np.array([np.nan]), n_patients=1).undefined == "few_patients"


def test_a_mean_over_patients_has_the_textbook_t_interval():
    values = np.linspace(-1, 2, 15)
    interval = t_interval(values.mean(), left_out(values), n_patients=15)
    assert (interval.low, interval.high) == pytest.approx((*stats.ttest_1samp(values, 0).confidence_interval(),))


def test_patients_for_whom_a_mean_is_undefined_neither_narrow_nor_widen_its_interval():
    values = np.array([0.2, np.nan, 0.5, 0.9, np.nan, 0.4])
    interval = t_interval(0.5, left_out(values), n_patients=4)
    expected = stats.ttest_1samp(values[~np.isnan(values)], 0).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx((*expected,))


def test_the_interval_of_a_proportion_is_symmetric_on_the_logit_scale_and_stays_between_0_and_1():
    values = np.array([0.99, 0.999, 0.9, 0.95])
    interval = t_interval(values.mean(), left_out(values), n_patients=4, proportion=True)
    low, middle, high = special.logit([interval.low, values.mean(), interval.high])
    half = stats.t.ppf(0.975, 3) * stats.sem(values) / (values.mean() * (1 - values.mean()))
    assert (middle - low, high - middle) == pytest.approx((half, half))
    assert t_interval(1.0, np.array([1.0, 0.9, 1.0]), n_patients=3, proportion=True).high == 1.0


@pytest.mark.parametrize("n_folds", [1, 3, 4, 12])
def test_folds_of_equal_size_do_not_change_the_interval_of_a_mean(n_folds):
    values = np.random.default_rng(8).normal(size=12)
    folds = np.split(values, n_folds)
    replicates = fold_replicates([fold.mean() for fold in folds], [left_out(fold) for fold in folds])
    assert standard_error(replicates, n_patients=12).value == pytest.approx(stats.sem(values))


def test_patients_of_a_small_fold_weigh_more_in_a_mean_over_folds():
    values, weights = np.array([1.0, 2.0, 4.0]), np.array([1 / 2, 1 / 4, 1 / 4])
    replicates = fold_replicates([1.0, 3.0], [np.array([np.nan]), left_out(values[1:])])
    expected = np.sqrt(3 / 2 * np.sum((weights * (values - 2.0)) ** 2))  # the mean over folds is 2
    assert standard_error(replicates, n_patients=3).value == pytest.approx(expected)


def test_one_dominant_patient_leaves_few_degrees_of_freedom():
    values = np.array([0.0, 0.1, -0.1, 0.05, -0.05, 3.0])
    kurtosis = stats.kurtosis(values, fisher=False)
    found = standard_error(left_out(values), n_patients=6)
    assert found.freedom == pytest.approx(12 / (kurtosis - 3 / 5))
    assert found.freedom < 4
    assert standard_error(left_out(np.arange(6.0)), n_patients=6).freedom == 5


def test_bootstrap_replicates_of_old_records_keep_their_standard_error():
    drawn = np.random.default_rng(9).normal(0.5, 0.03, 2_000)
    error = standard_error(from_bootstrap(drawn, n_patients=12), n_patients=12)
    assert error.value == pytest.approx(drawn.std() * np.sqrt(12 / 11))


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
