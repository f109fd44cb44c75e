"""A metric's value, or the reason why it has none."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number, or NaN with a reason code. An undefined metric is never reported as 0, 0.5 or 1.

    Attributes:
        value: the number; NaN exactly when `undefined` is set.
        undefined: reason code such as `"no_positive"`.

    Raises:
        ValueError: a NaN without a reason, or a reason beside a number.
    """

    value: float
    undefined: str | None = None

    def __post_init__(self) -> None:
        if math.isnan(self.value) != (self.undefined is not None):
            raise ValueError(f"a measure is a number or has a reason, got {self.value} with reason {self.undefined!r}")

    @property
    def defined(self) -> bool:
        return self.undefined is None


def undefined(reason: str) -> MetricValue:
    """An undefined measure with its reason code."""
    return MetricValue(math.nan, reason)


def ratio(numerator: float, denominator: float, *, otherwise: str) -> MetricValue:
    """`numerator / denominator`, or undefined with the reason `otherwise` if the denominator is zero."""
    return MetricValue(numerator / denominator) if denominator else undefined(otherwise)
