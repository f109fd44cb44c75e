"""What every metric has: its name in records, and how tables name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric as tables name it.

    Attributes:
        name: as in records and files.
        label: as printed in a table's head.
        description: one sentence.
        better: which direction is better; None for a number that describes the data.
        unit: `""` for a ratio, else `"mm"`.
    """

    name: str
    label: str
    description: str
    better: Literal["higher", "lower"] | None = "higher"
    unit: str = ""


M = TypeVar("M", bound=Metric)


def by_name(*metrics: M) -> Mapping[str, M]:
    """These metrics by name, in this order, which is that of records and tables."""
    return MappingProxyType({metric.name: metric for metric in metrics})
