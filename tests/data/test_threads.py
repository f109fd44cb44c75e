"""Slices are the same bytes with any number of threads: they decide what is learned."""

import numpy as np
from threadpoolctl import threadpool_limits

from uad_bench.data.geometry import SliceGeometry
from uad_bench.data.preparation import shrink


def test_a_slice_does_not_depend_on_the_number_of_threads():
    box = ((30, 20, 0), (210, 220, 60))
    geometry = SliceGeometry(
        (240, 240, 60), box, ((24.0, 216.0), (24.0, 216.0)), 64, np.ones((180, 200, 60), bool), (0.0,)
    )
    volume = np.random.default_rng(0).normal(size=(180, 200, 60)).astype(np.float32)
    slices = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            slices.append(shrink(volume, geometry))
    assert slices[0].std() > 0.1
    assert np.array_equal(*slices)
