"""Components at 129 thresholds beside scipy's labeller called at each of them, on one volume in one process.

`pytest tests/benchmarks/test_lesion_speed.py --benchmark-enable` prints the table; UAD_BENCH_BENCHMARK_SIDE=150 asks
for a brain of the size of BraTS.
"""

import os

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.metrics.components import MarkedVoxels
from uad_bench.metrics.froc import RATES

SIDE = int(os.environ.get("UAD_BENCH_BENCHMARK_SIDE", "30"))


@pytest.fixture(scope="module")
def volume():
    """A smooth map of a ball, and thresholds from 0.001 to 10 % of its voxels."""
    noise = np.random.default_rng(0).normal(size=(SIDE,) * 3)
    scores = np.asarray(ndimage.gaussian_filter(noise, 1.5), np.float32)
    brain = ((np.indices(scores.shape) - (SIDE - 1) / 2) ** 2).sum(axis=0) <= (SIDE / 2) ** 2
    thresholds = np.unique(np.quantile(scores[brain], 1 - RATES, method="higher"))[::-1]
    return scores, brain, thresholds


def grown(scores, brain, thresholds):
    return [np.count_nonzero(each.sizes) for each in MarkedVoxels.of(scores, brain, thresholds).components()]


def labelled(scores, brain, thresholds):
    return [ndimage.label(brain & (scores >= t), np.ones((3, 3, 3)))[1] for t in thresholds]


@pytest.mark.benchmark(group="components")
def test_scipy_at_each_threshold(benchmark, volume):
    assert benchmark.pedantic(labelled, volume, rounds=1)


@pytest.mark.benchmark(group="components")
def test_growing_from_one_threshold_to_the_next_gives_the_same_number(benchmark, volume):
    assert benchmark.pedantic(grown, volume, rounds=3) == labelled(*volume)
