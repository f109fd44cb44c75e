"""Counts at positive scores are exact for any float32, in any chunking, and refuse what is no score."""

import tracemalloc

import numpy as np
import pytest

from uad_bench.errors import DataError, MethodError
from uad_bench.metrics import ranks
from uad_bench.metrics.ranks import count_ranks, count_ranks_of

TINY = float(np.finfo(np.float32).smallest_subnormal)
HUGE = float(np.finfo(np.float32).max)


def voxels(scores, anomaly):
    return np.array(scores, np.float32), np.array(anomaly, bool)


def brute_force(scores, anomaly):
    distinct = sorted({float(s) for s in scores[anomaly]}, reverse=True)
    return [
        (t, (scores[anomaly] >= t).sum(), (scores[~anomaly] >= t).sum(), (scores[~anomaly] == t).sum())
        for t in distinct
    ]


CASES = {
    "ties": ([0.5, 0.5, 0.1, 0.5, 0.1, 0.9], [1, 0, 1, 0, 0, 1]),
    "negative": ([-3, -1, -2, -1, -5, -1], [0, 1, 0, 0, 1, 1]),
    "huge and tiny": ([HUGE, -HUGE, TINY, -TINY, 0, TINY, HUGE], [1, 0, 1, 1, 0, 0, 0]),
    "two zeros": ([0.0, -0.0, 0.0, -0.0, 1.0], [1, 1, 0, 0, 0]),
    "constant": ([2, 2, 2, 2], [1, 0, 0, 1]),
    "one class": ([1, 2, 3], [1, 1, 1]),
    "no positive": ([1, 2, 3], [0, 0, 0]),
    "one voxel": ([4], [1]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_counts_equal_brute_force(case):
    scores, anomaly = voxels(*case)
    counts = count_ranks_of(scores, anomaly)
    found = list(zip(counts.scores, counts.tp, counts.fp, counts.tied, strict=True))
    assert found == brute_force(scores, anomaly)
    assert (counts.n_positive, counts.n_negative) == (anomaly.sum(), (~anomaly).sum())


@pytest.mark.parametrize("piece", [1, 2, 7, 50, 1000])
def test_counts_do_not_depend_on_how_voxels_are_cut_into_pieces(monkeypatch, piece):
    rng = np.random.default_rng(3)
    scores, anomaly = rng.integers(-5, 5, 200).astype(np.float32), rng.random(200) < 0.2
    monkeypatch.setattr(ranks, "_PIECE", piece)
    monkeypatch.setattr(ranks, "_VOXELS_PER_POSITIVE", 0)
    counts = count_ranks(lambda: zip(np.array_split(scores, 9), np.array_split(anomaly, 9), strict=True))
    assert list(zip(counts.scores, counts.tp, counts.fp, counts.tied, strict=True)) == brute_force(scores, anomaly)


def test_no_voxel_at_all_is_an_error():
    with pytest.raises(DataError, match="empty_domain"):
        count_ranks(list)


def test_a_spent_iterator_is_noticed():
    once = iter([voxels([1, 2], [0, 1])])
    with pytest.raises(DataError, match="start anew"):
        count_ranks(lambda: once)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused_with_patient_and_index(bad):
    patients = [voxels([1, 2], [0, 1]), voxels([1, bad], [0, 1])]
    with pytest.raises(MethodError, match=r"sub-7: score at \(1,\)") as caught:
        count_ranks(lambda: patients, names=["sub-6", "sub-7"])
    assert caught.value.reason == "nonfinite"


@pytest.mark.parametrize("scores", [np.zeros(2), np.zeros((2, 1), np.float32), np.zeros(3, np.float32)])
def test_scores_of_another_type_or_shape_are_refused(scores):
    with pytest.raises(MethodError, match="expected") as caught:
        count_ranks_of(scores, np.array([True, False]))
    assert caught.value.reason == "bad_output"


def test_memory_grows_with_positives_and_one_patient_not_with_all_voxels(monkeypatch):
    n_patients, n_voxels, n_positive = 40, 50_000, 500
    monkeypatch.setattr(ranks, "_PIECE", n_voxels)

    def patients():
        for number in range(n_patients):
            scores = np.random.default_rng(number).random(n_voxels, np.float32)
            yield scores, np.arange(n_voxels) < n_positive

    tracemalloc.start()
    counts = count_ranks(patients)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    piece = 4 * ranks._VOXELS_PER_POSITIVE * counts.n_positive
    assert counts.n_voxels == n_patients * n_voxels
    assert peak < piece + 60 * counts.n_positive + 3 * 4 * n_voxels < 4 * counts.n_voxels


def test_the_callers_arrays_stay_as_they_were():
    scores, anomaly = voxels([3, 1, 2], [1, 0, 1])
    count_ranks_of(scores, anomaly)
    assert scores.tolist() == [3, 1, 2]
