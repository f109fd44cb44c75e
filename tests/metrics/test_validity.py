"""The gate in front of every metric, on whole volumes."""

import numpy as np
import pytest

from uad_bench.errors import MethodError
from uad_bench.metrics.validity import require_scores


def test_a_transposed_volume_is_refused_with_both_shapes():
    with pytest.raises(MethodError, match=r"sub-1: scores are \(3, 2, 4\), expected \(2, 3, 4\)") as caught:
        require_scores(np.zeros((3, 2, 4), np.float32), shape=(2, 3, 4), name="sub-1")
    assert caught.value.reason == "bad_output"


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.complex64, object, "U3"])
def test_another_type_is_refused_and_never_cast(dtype):
    with pytest.raises(MethodError, match="expected float32") as caught:
        require_scores(np.zeros((2, 2), dtype), shape=(2, 2), name="sub-1")
    assert caught.value.reason == "bad_output"


def test_one_nan_in_a_volume_is_named_by_its_index():
    scores = np.zeros((4, 5, 6), np.float32)
    scores[1, 2, 3] = np.nan
    with pytest.raises(MethodError, match=r"sub-1: score at \(1, 2, 3\) is nan") as caught:
        require_scores(scores, shape=scores.shape, name="sub-1")
    assert caught.value.reason == "nonfinite"
