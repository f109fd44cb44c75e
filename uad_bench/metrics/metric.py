"""The description of a metric: its name in records, and its label, direction and unit in tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Name and presentation of a metric.

    Attributes:
        name: as in records and files.
        label: column heading in tables.
        description: one sentence.
        better: which direction is better; None if it describes the data.
        unit: `""` for a ratio, else `"mm"` or `"mL"`.
        proportion: whether its values lie between 0 and 1, and so do its intervals.
    """

    name: str
    label: str
    description: str
    better: Literal["higher", "lower"] | None = "higher"
    unit: str = ""
    proportion: bool = True


M = TypeVar("M", bound=Metric)


def by_name(*metrics: M) -> Mapping[str, M]:
    """These metrics by name, in the order of records and tables."""
    return MappingProxyType({metric.name: metric for metric in metrics})
