"""A measure is a number or has a reason, never both and never neither."""

import math

import pytest

from uad_bench.metrics.value import MetricValue, ratio, undefined


@pytest.mark.parametrize(("value", "reason"), [(math.nan, None), (0.5, "no_positive")])
def test_a_measure_cannot_contradict_itself(value, reason):
    with pytest.raises(ValueError, match="number or has a reason"):
        MetricValue(value, reason)


def test_nothing_to_divide_by_is_undefined_for_the_given_reason():
    assert ratio(1, 0, otherwise="empty_pred") == undefined("empty_pred")
    assert ratio(1, 4, otherwise="empty_pred") == MetricValue(0.25)
