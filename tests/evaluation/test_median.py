"""The shared-merge median against scipy's, voxel for voxel."""

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.evaluation.median import median_filter, merge


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("shape", [(7, 9, 6), (6, 70, 8), (5, 5, 1)])
def test_medians_are_those_of_scipy_ties_and_edges_included(size: int, shape: tuple[int, int, int]):
    scores = np.random.default_rng(size).integers(-9, 9, shape).astype(np.float32)
    assert np.array_equal(median_filter(scores, size=size), ndimage.median_filter(scores, size))
    assert np.array_equal(median_filter(scores, size=size, dims=2), ndimage.median_filter(scores, (size, size, 1)))


def test_a_tall_strip_is_the_same_whatever_tile_it_is_cut_into(monkeypatch: pytest.MonkeyPatch):
    scores = np.random.default_rng(0).random((6, 60, 4), dtype=np.float32)
    whole = median_filter(scores, size=5)
    monkeypatch.setattr("uad_bench.evaluation.median._TILE", 64)
    assert np.array_equal(median_filter(scores, size=5), whole)


def test_a_single_hot_voxel_disappears():
    scores = np.zeros((7, 7, 7), np.float32)
    scores[3, 3, 3] = 1e30
    assert not median_filter(scores, size=3).any()


@pytest.mark.parametrize(("n", "m"), [(1, 4), (3, 5), (5, 5), (2, 9), (0, 3)])
def test_merging_two_sorted_lists_sorts_their_union(n: int, m: int):
    rng = np.random.default_rng(n + 10 * m)
    a, b = (np.sort(rng.integers(0, 6, (k, 50)).astype(np.float32), axis=0) for k in (n, m))
    assert np.array_equal(np.array(merge(list(a), list(b))), np.sort(np.concatenate([a, b]), axis=0))
