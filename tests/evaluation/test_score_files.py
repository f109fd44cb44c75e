"""Scores are compared in float32; what that makes equal is counted."""

import numpy as np
import pytest

from uad_bench.evaluation.score_files import _merged


@pytest.mark.parametrize(
    ("scores", "merged"),
    [
        (np.array([1, 1 + 1e-12, 2, 2, 3]), 1),
        (np.array([2**24, 2**24 + 1], np.int64), 1),
        (np.array([1, 1, 2], np.float64), 0),
        (np.array([1, 1, 2], np.float32), 0),
    ],
)
def test_distinct_scores_that_float32_makes_equal_are_counted(scores, merged):
    assert _merged(scores) == merged
