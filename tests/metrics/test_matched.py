"""AUROC at equal input intensity: brightness itself gains nothing, and knowledge beyond it is kept."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from uad_bench.metrics.matched import MatchedPairs, compare_matched, matched_auroc, matched_replicates
from uad_bench.metrics.uncertainty import Resamples, leave_one_out, summed_counts, t_interval


def patients(detect, *, count=6, voxels=6_000, contrast=1.5, seed=0):
    """(scores, anomaly, intensities) of patients whose lesions are brighter by `contrast` standard deviations."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        anomaly = rng.random(voxels) < 0.1
        bright = rng.normal(contrast * anomaly).astype(np.float32)
        yield np.asarray(detect(bright, anomaly, rng), np.float32), anomaly, bright


def value_of(cohort):
    return matched_auroc(reduce(add, [compare_matched(*patient) for patient in cohort])).value


@pytest.mark.parametrize(
    "function",
    [np.array, np.negative, np.cbrt, lambda bright: 3 * bright - 7, lambda bright: np.argsort(np.argsort(bright))],
)
def test_every_monotone_function_of_the_input_has_exactly_one_half_although_lesions_are_bright(function):
    assert value_of(patients(lambda bright, *_: function(bright))) == pytest.approx(0.5, abs=1e-9)


def test_the_function_may_differ_between_patients_as_with_equalised_intensities():
    gains = iter([1, -5, 0.1, 30, 2, -1])
    assert value_of(patients(lambda bright, *_: next(gains) * bright)) == pytest.approx(0.5, abs=1e-9)


def test_the_input_has_one_half_also_where_intensities_are_few_whole_numbers():
    rng = np.random.default_rng(3)
    anomaly = rng.random(5_000) < 0.2
    grey = np.rint(rng.normal(20 + 10 * anomaly, 8)).astype(np.float32)
    assert value_of([(grey, anomaly, grey)]) == 0.5


def test_chance_has_one_half_a_constant_map_exactly_and_a_perfect_map_one():
    assert value_of(patients(lambda b, _, rng: rng.random(b.size))) == pytest.approx(0.5, abs=0.02)
    assert value_of(patients(lambda b, *_: np.zeros(b.size))) == 0.5
    assert value_of(patients(lambda _, anomaly, __: anomaly)) == 1
    assert value_of(patients(lambda _, anomaly, __: ~anomaly)) == 0


def test_knowledge_beyond_brightness_is_above_one_half_and_less_than_the_plain_auroc():
    cohort = list(patients(lambda b, a, rng: b + rng.normal(0.5 * a)))
    plain = roc_auc_score(*(np.concatenate([p[k] for p in cohort]) for k in (1, 0)))
    assert 0.55 < value_of(cohort) < plain - 0.1


def test_a_detector_of_lesions_as_grey_as_tissue_keeps_its_auroc():
    cohort = list(patients(lambda _, a, rng: rng.normal(a), contrast=0))
    plain = roc_auc_score(*(np.concatenate([p[k] for p in cohort]) for k in (1, 0)))
    assert value_of(cohort) == pytest.approx(plain, abs=0.01)


def row(*parts):
    """Voxels of one patient, from (number, intensity, anomaly, score)."""
    columns = zip(*((score, ill, bright) for n, bright, ill, score in parts for _ in range(n)), strict=True)
    return tuple(np.array(column, kind) for column, kind in zip(columns, (np.float32, bool, np.float32), strict=True))


TISSUE = ((100, 1, False, 0), (100, 2, False, 9), (25, 3, False, 0), (75, 3, False, 4))


def test_a_lesion_voxel_is_compared_with_the_darker_and_the_brighter_bin_and_not_with_its_own():
    assert compare_matched(*row(*TISSUE, (1, 2, True, 2))) == MatchedPairs(1, 1, (1 + 0.25) / 2)
    assert compare_matched(*row(*TISSUE, (1, 2.5, True, 4))) == MatchedPairs(1, 1, (1 + 0.25 + 0.75 / 2) / 2)


def test_a_bin_holds_100_healthy_voxels():
    grey = np.append(np.arange(300), 150.5).astype(np.float32)
    found = compare_matched(np.append(grey[:300], np.float32(99)), grey == 150.5, grey)
    assert found == MatchedPairs(1, 1, 0.995 / 2)  # ties with the brightest voxel of the darker bin


def test_lesion_voxels_without_healthy_ones_on_either_side_are_left_out():
    outside = row(*TISSUE, (1, 0, True, 5), (1, 1, True, 5), (1, 3, True, 5), (1, 7, True, 5))
    assert compare_matched(*outside) == MatchedPairs(4, 0, 0)
    assert matched_auroc(compare_matched(*outside)).undefined == "no_equal_intensity"


def test_patients_count_by_their_compared_lesion_voxels():
    assert matched_auroc(MatchedPairs(9, 1, 1.0) + MatchedPairs(3, 3, 0.0)).value == 0.25


def test_a_replicate_is_the_metric_of_the_patients_it_repeats():
    pairs = [compare_matched(*patient) for patient in patients(lambda b, a, rng: b + rng.normal(a), count=3)]
    found = matched_replicates(summed_counts(pairs, Resamples(np.array([[2.0, 0.0, 1.0]]), "")))
    assert found[0] == pytest.approx(matched_auroc(pairs[0] + pairs[0] + pairs[2]).value, abs=1e-12)


def test_the_interval_contains_the_value_and_has_no_width_for_the_input_itself():
    for detect in (lambda b, a, rng: b + rng.normal(a), lambda bright, *_: bright):
        pairs = [compare_matched(*patient) for patient in patients(detect)]
        value = matched_auroc(reduce(add, pairs)).value
        replicates = matched_replicates(summed_counts(pairs, leave_one_out([*"abcdef"])))
        interval = t_interval(value, replicates, n_patients=6, proportion=True)
        assert interval.low < value < interval.high or value == interval.low == interval.high == 0.5


def test_increasing_maps_of_scores_or_intensities_and_the_order_of_voxels_change_nothing():
    for scores, anomaly, bright in patients(lambda b, a, rng: np.round(b + rng.normal(a), 1), count=2):
        plain = compare_matched(scores, anomaly, bright)
        assert compare_matched(np.exp(scores), anomaly, 2 * bright + 1) == plain
        assert compare_matched(scores[::-1], anomaly[::-1], bright[::-1]) == plain


def test_scores_are_ordered_whatever_their_sign_and_both_zeros_are_equal():
    for above, below, won in ((-1, -3e38, 1), (1e-40, -1e-40, 1), (0.0, -0.0, 0.5), (-0.0, 0.0, 0.5), (-1, 1, 0)):
        tissue = ((100, k, False, below) for k in (1, 2, 3))
        assert compare_matched(*row(*tissue, (1, 2, True, above))) == MatchedPairs(1, 1, won)


def test_without_lesions_it_is_undefined():
    assert matched_auroc(compare_matched(*row(*TISSUE))).undefined == "no_positive"
    assert matched_auroc(compare_matched(*row((5, 1, True, 1)))).undefined == "no_equal_intensity"
