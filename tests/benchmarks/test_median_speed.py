"""The median of 5 x 5 x 5 windows beside scipy's on the same volume."""

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.evaluation.median import median_filter

pytestmark = pytest.mark.slow
VOLUME = np.random.default_rng(0).random((100, 120, 60), dtype=np.float32)


@pytest.mark.benchmark(group="median 5 x 5 x 5, 720,000 voxels")
def test_shared_merges(benchmark):
    benchmark(median_filter, VOLUME, size=5)


@pytest.mark.benchmark(group="median 5 x 5 x 5, 720,000 voxels")
def test_scipy(benchmark):
    benchmark.pedantic(ndimage.median_filter, (VOLUME, 5), rounds=3)
