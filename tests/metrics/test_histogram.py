"""The exact value lies inside the bracket, always; and the bracket is narrow where it should be."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from uad_bench.errors import MethodError
from uad_bench.metrics import voxel
from uad_bench.metrics.histogram import (
    BINS,
    LinearBins,
    auroc_bracket,
    average_precision_bracket,
    best_dice_bracket,
    bounds_of,
    score_histogram,
)
from uad_bench.metrics.ranks import count_ranks

ROUNDING = 1e-12
finite = hnp.from_dtype(np.dtype(np.float32), allow_nan=False, allow_infinity=False)


def brackets_and_exact(patients, bins):
    histogram, counts = score_histogram(patients, bins), count_ranks(lambda: patients)
    return [
        (average_precision_bracket(histogram), voxel.average_precision(counts)),
        (best_dice_bracket(histogram), voxel.best_dice(counts).dice),
        (auroc_bracket(histogram), voxel.auroc(counts)),
    ]


def realistic(n_patients=4, n_voxels=50_000, seed=0):
    rng = np.random.default_rng(seed)
    anomaly = rng.random((n_patients, n_voxels)) < 0.02
    scale = rng.lognormal(0, 0.3, (n_patients, 1))
    raw = np.where(anomaly, rng.gamma(3, 0.06, anomaly.shape), rng.exponential(0.05, anomaly.shape)) * scale
    return list(zip((1 - np.exp(-raw)).astype(np.float32), anomaly, strict=True))


@given(
    hnp.arrays(np.float32, 40, elements=finite | st.integers(-3, 3).map(np.float32)),
    hnp.arrays(bool, 40),
    st.none() | st.tuples(st.floats(-1e38, 1e38), st.floats(0, 1e38)),
)
@example(np.zeros(40, np.float32), np.zeros(40, bool), (0.0, 1e-308))
@example(np.zeros(40, np.float32), np.zeros(40, bool), None)
@settings(max_examples=200, deadline=None)
def test_the_exact_value_is_inside_whatever_the_scores_and_bounds(scores, anomaly, bounds):
    anomaly[:2] = [True, False]
    bins = LinearBins(bounds[0], bounds[0] + bounds[1]) if bounds else bounds_of([(scores, anomaly)])
    for bracket, exact in brackets_and_exact([(scores, anomaly)], bins):
        assert bracket.low.value - ROUNDING <= exact.value <= bracket.high.value + ROUNDING
        assert bracket.low.value - ROUNDING <= bracket.estimate.value <= bracket.high.value + ROUNDING


def test_the_bracket_is_narrow_and_the_estimate_closer_still():
    patients = realistic()
    for bracket, exact in brackets_and_exact(patients, bounds_of(patients)):
        assert bracket.high.value - bracket.low.value < 3e-4
        assert bracket.estimate.value == pytest.approx(exact.value, abs=2e-5)


def test_order_inside_one_bin_spans_the_whole_bracket():
    scores, half = np.linspace(0.4, 0.6, 100, dtype=np.float32), np.arange(100) < 50
    one_bin = LinearBins(0, BINS)
    for anomaly, end in ((half, "low"), (~half, "high")):  # positives all last, then all first
        (ap, exact), (dice, best), (auroc, rank) = brackets_and_exact([(scores, anomaly)], one_bin)
        assert getattr(ap, end).value == pytest.approx(exact.value, abs=2e-4)
        assert getattr(auroc, end).value == rank.value
        assert getattr(dice, end).value == best.value


def test_patients_add_up_to_the_histogram_of_all():
    patients = realistic()
    bins = bounds_of(patients)
    whole, parts = score_histogram(patients, bins), [score_histogram([patient], bins) for patient in patients]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    assert (total.positives == whole.positives).all()
    assert (total.negatives == whole.negatives).all()
    assert whole.positives.sum() + whole.negatives.sum() == 200_000


def test_histograms_over_other_bins_do_not_add_up():
    patient = (np.array([0.5], np.float32), np.array([True]))
    with pytest.raises(ValueError, match="bin both alike"):
        score_histogram([patient], LinearBins(0, 1)) + score_histogram([patient], LinearBins(0, 2))


def test_one_class_gives_the_reason_instead_of_a_bracket():
    scores = np.array([0.1, 0.9], np.float32)
    healthy = score_histogram([(scores, np.zeros(2, bool))], LinearBins(0, 1))
    anomalous = score_histogram([(scores, np.ones(2, bool))], LinearBins(0, 1))
    assert average_precision_bracket(healthy).estimate.undefined == "no_positive"
    assert best_dice_bracket(healthy).low.undefined == "empty_ref"
    assert auroc_bracket(healthy).high.undefined == auroc_bracket(anomalous).low.undefined == "single_class"


def test_a_nan_never_reaches_a_bin():
    with pytest.raises(MethodError, match="nan"):
        score_histogram([(np.array([np.nan], np.float32), np.array([True]))], LinearBins(0, 1))
