"""AUROC at equal input intensity: brightness itself gains nothing, and knowledge beyond it is kept."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from uad_bench.metrics.matched import MatchedCounts, intensity_limits, matching_keys, shared_keys
from uad_bench.metrics.pooled_bins import count_patients
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.uncertainty import Resamples, leave_one_out, t_interval


def patients(detect, *, count=6, voxels=6_000, contrast=1.5, seed=0):
    """(scores, intensities, anomaly) of patients whose lesions are brighter by `contrast` standard deviations."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        anomaly = rng.random(voxels) < 0.1
        bright = rng.normal(contrast * anomaly).astype(np.float32)
        yield detect(bright, anomaly, rng).astype(np.float32), bright, anomaly


def counted(cohort):
    cohort = list(cohort)
    limits = intensity_limits(np.concatenate([bright[anomaly] for _, bright, anomaly in cohort]))
    keyed = [(matching_keys(scores, bright, limits), anomaly) for scores, bright, anomaly in cohort]
    exact = count_ranks(lambda: keyed, check=lambda *_, **__: None)
    return MatchedCounts(exact, count_patients(keyed, shared_keys(exact, limits)))


def brightness(bright, anomaly, rng):
    return bright


def texture(bright, anomaly, rng):
    return rng.normal(anomaly)


def test_the_input_itself_scores_one_half_although_lesions_are_bright():
    bright = counted(patients(brightness, voxels=60_000)).value().value
    assert bright == pytest.approx(0.5, abs=0.015)


def test_a_detector_of_lesions_as_grey_as_tissue_keeps_its_auroc():
    cohort = list(patients(texture, contrast=0))
    plain = roc_auc_score(*(np.concatenate([p[k] for p in cohort]) for k in (2, 0)))
    assert counted(cohort).value().value == pytest.approx(plain, abs=0.01)


def test_it_is_the_mean_of_scikit_learns_auroc_over_bins_of_intensity_weighted_by_lesion_voxels():
    cohort = list(patients(lambda b, a, rng: b + rng.normal(0.5 * a)))
    scores, bright, anomaly = (np.concatenate(part) for part in zip(*cohort, strict=True))
    bins = np.digitize(bright, intensity_limits(bright[anomaly]))
    inside = [bins == k for k in np.unique(bins) if min(anomaly[bins == k].sum(), (~anomaly[bins == k]).sum()) >= 100]
    areas = [roc_auc_score(anomaly[m], scores[m]) for m in inside]
    expected = np.average(areas, weights=[anomaly[m].sum() for m in inside])
    assert counted(cohort).value().value == pytest.approx(expected, abs=1e-12)


def test_a_replicate_is_the_metric_of_the_patients_it_repeats():
    cohort = list(patients(texture, count=3, voxels=2_000))
    twice = Resamples(np.array([[2.0, 0.0, 1.0]]), "")
    limits = intensity_limits(np.concatenate([b[a] for _, b, a in cohort]))
    scores, bright, anomaly = (np.concatenate(part) for part in zip(*(cohort[k] for k in (0, 0, 2)), strict=True))
    bins, every = np.digitize(bright, limits), np.digitize(np.concatenate([b for _, b, _ in cohort]), limits)
    lesions = np.concatenate([a for _, _, a in cohort])
    usable = [k for k in np.unique(every) if min(lesions[every == k].sum(), (~lesions[every == k]).sum()) >= 100]
    areas = [roc_auc_score(anomaly[bins == k], scores[bins == k]) for k in usable]
    expected = np.average(areas, weights=[anomaly[bins == k].sum() for k in usable])
    assert counted(cohort).replicates(twice)[0] == pytest.approx(expected, abs=1e-9)


def test_the_interval_contains_the_value():
    found = counted(patients(texture))
    value, replicates = found.value().value, found.replicates(leave_one_out([*"abcdef"]))
    interval = t_interval(value, replicates, n_patients=6, proportion=True)
    assert interval.low < value < interval.high


def test_increasing_maps_of_scores_or_of_intensities_change_nothing():
    cohort = list(patients(lambda b, a, rng: b + rng.normal(a)))
    bent = [(np.exp(s), (b**3).astype(np.float32), a) for s, b, a in cohort]
    assert counted(bent).value() == counted(cohort).value()


def test_negative_zero_and_zero_are_one_score():
    zeros = [np.float32(-0.0), np.float32(0.0)]
    keys = matching_keys(np.array(zeros), np.zeros(2, np.float32), np.array([1], np.float32))
    assert keys[0] == keys[1]


def test_keys_order_as_bins_and_then_as_scores_of_either_sign():
    scores = np.array([-3e38, -1, -1e-40, 0, 1e-40, 1, 3e38], np.float32)
    intensities = np.repeat(np.array([0, 2], np.float32), 7)
    keys = matching_keys(np.tile(scores, 2), intensities, np.array([1], np.float32))
    assert (np.diff(keys) > 0).all()


def test_without_lesions_or_without_a_bin_of_both_kinds_it_is_undefined():
    healthy = [(np.zeros(500, np.float32), np.zeros(500, np.float32), np.zeros(500, bool))]
    assert counted(healthy).value().undefined == "no_positive"
    apart = np.repeat([False, True], 300)
    assert counted([(apart.astype(np.float32),) * 2 + (apart,)]).value().undefined == "no_equal_intensity"
