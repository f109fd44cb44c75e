"""Scores on their way from a method to a map."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.errors import MethodError
from uad_bench.execution.scoring import ROUNDED, checked_scores
from uad_bench.method import SliceKey

KEYS = [SliceKey("a", 3), SliceKey("a", 4)]
SHAPE = torch.Size((2, 4, 5))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=40, max_size=40))
def test_finite_float32_scores_come_through_unchanged(values: list[float]):
    scores = torch.tensor(values, dtype=torch.float32).reshape(SHAPE)
    array, remarks = checked_scores(scores, SHAPE, KEYS)
    np.testing.assert_array_equal(array, scores.numpy())
    assert (array.dtype, remarks) == (np.float32, set())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(dtype: torch.dtype):
    array, _ = checked_scores(torch.ones(SHAPE, dtype=dtype), SHAPE, KEYS)
    assert array.dtype == np.float32


def test_the_copy_does_not_share_memory_and_a_transposed_view_keeps_its_values():
    scores = torch.arange(40.0).reshape(2, 5, 4).transpose(1, 2).requires_grad_()
    array, _ = checked_scores(scores, SHAPE, KEYS)
    before = array.copy()
    scores.detach().zero_()
    np.testing.assert_array_equal(array, before)


def test_double_scores_that_stay_distinct_get_no_remark_and_those_that_do_not_get_one():
    coarse = torch.arange(40.0, dtype=torch.float64).reshape(SHAPE)
    assert checked_scores(coarse, SHAPE, KEYS)[1] == set()
    assert checked_scores(1 + coarse * 1e-12, SHAPE, KEYS)[1] == {ROUNDED}


def test_a_double_too_large_for_float32_is_not_finite():
    scores = torch.zeros(SHAPE, dtype=torch.float64)
    scores[1, 2, 1] = 1e300
    with pytest.raises(MethodError, match=r"score of a, slice 4, pixel \(2, 1\) is inf; 0 more are not finite"):
        checked_scores(scores, SHAPE, KEYS)
