"""Threshold searches of published papers. Only published protocols use them; see `thresholds` for the exact policies.

A search has access to a `ThresholdObjective`: the Dice at any threshold, and the distribution of scores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid")
Values = NDArray[np.float64]
Count = Annotated[int, Field(ge=2, le=10_000)]


@dataclass(frozen=True, slots=True)
class ThresholdObjective:
    """The input of a threshold search.

    Attributes:
        dice: the objective at thresholds, (T,) -> (T,).
        scores: all scores, or an even subsample, ascending.
    """

    dice: Callable[[Values], Values]
    scores: NDArray[np.float32]

    def best(self, thresholds: NDArray[np.floating[Any]]) -> float:
        """The first threshold at which the objective is highest."""
        return float(thresholds[int(np.nanargmax(self.dice(thresholds.astype(np.float64))))])


@dataclass(frozen=True, kw_only=True)
class Grid:
    """`count` steps of fixed size in the unit of the scores."""

    __pydantic_config__ = STRICT

    kind: Literal["grid"] = "grid"
    start: float = 0.0
    step: Annotated[float, Field(gt=0)]
    count: Count
    unit: Literal["raw", "rescaled"] = "raw"

    def find(self, seen: ThresholdObjective) -> float:
        """The best step."""
        return seen.best(self.start + self.step * np.arange(self.count, dtype=np.float64))

    def ends_at(self, threshold: float) -> bool:
        """Whether this is the last step, so that the best threshold may be beyond the grid."""
        return threshold > self.start + self.step * (self.count - 1.5)

    def refusal(self, seen: ThresholdObjective) -> str | None:
        """Why the grid does not apply to these scores, if it is in the unit of the paper's scores."""
        lowest, highest = float(seen.scores[0]), float(seen.scores[-1])
        if self.unit == "rescaled" or 0 <= lowest <= highest <= 1:
            return None
        return f"thresholds up to 1 in the unit of the paper's scores; these go from {lowest:.3g} to {highest:.3g}"


class AdaptiveSearch:
    """Base of searches that adapt to the scores and apply in any unit."""

    def ends_at(self, _: float) -> bool:
        """False: it covers all scores."""
        return False

    def refusal(self, _: ThresholdObjective) -> str | None:
        """None: it always applies."""
        return None


@dataclass(frozen=True, kw_only=True)
class Linear(AdaptiveSearch):
    """`count` even steps from the lowest to the highest score."""

    __pydantic_config__ = STRICT

    kind: Literal["linear"] = "linear"
    count: Count

    def find(self, seen: ThresholdObjective) -> float:
        """The best step."""
        return seen.best(np.linspace(seen.scores[0], seen.scores[-1], self.count, dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class Quantiles(AdaptiveSearch):
    """`count` even quantiles of the scores."""

    __pydantic_config__ = STRICT

    kind: Literal["quantiles"] = "quantiles"
    count: Count

    def find(self, seen: ThresholdObjective) -> float:
        """The best quantile."""
        places = np.linspace(0, seen.scores.size - 1, self.count).round().astype(np.int64)
        return seen.best(seen.scores[places].astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class Halving(AdaptiveSearch):
    """Interval halving: keep the half with the better midpoint, and return the best threshold evaluated."""

    __pydantic_config__ = STRICT

    kind: Literal["halving"] = "halving"
    steps: Annotated[int, Field(ge=1, le=100)]

    def find(self, seen: ThresholdObjective) -> float:
        """The best threshold evaluated."""
        low, high = min(0.0, float(seen.scores[0])), float(seen.scores[-1])
        best, found = -1.0, low
        for _ in range(self.steps):
            quarters = low + (high - low) * np.array([0.25, 0.75])
            dice = seen.dice(quarters)
            upper = int(dice[1] > dice[0])
            if dice[upper] > best:
                best, found = float(dice[upper]), float(quarters[upper])
            middle = (low + high) / 2
            low, high = (middle, high) if upper else (low, middle)
        return found


@dataclass(frozen=True, kw_only=True)
class Yen(AdaptiveSearch):
    """Yen's maximum-correlation criterion on a histogram of the scores (Yen, Chang and Chang 1995)."""

    __pydantic_config__ = STRICT

    kind: Literal["yen"] = "yen"
    bins: Count = 256

    def find(self, seen: ThresholdObjective) -> float:
        """The centre of the bin that splits the histogram best."""
        counts, edges = np.histogram(seen.scores, self.bins)
        p = counts / counts.sum()
        below, square = np.cumsum(p)[:-1], np.cumsum(p**2)
        above = square[-1] - square[:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            criterion = 2 * np.log(below * (1 - below)) - np.log(square[:-1] * above)
        k = int(np.nanargmax(np.where(np.isfinite(criterion), criterion, -np.inf)))
        return float((edges[k] + edges[k + 1]) / 2)


@dataclass(frozen=True, kw_only=True)
class EachUnit(AdaptiveSearch):
    """The best threshold of each slice or patient, chosen with its label: an upper bound."""

    __pydantic_config__ = STRICT

    kind: Literal["each"] = "each"
    count: Count = 1000

    def find(self, seen: ThresholdObjective) -> float:
        """The best of `count` quantiles; called once per unit."""
        return Quantiles(count=self.count).find(seen)


@dataclass(frozen=True, kw_only=True)
class UpperQuantile(AdaptiveSearch):
    """The quantile that a share `rate` of scores exceeds.

    Attributes:
        of: `healthy` brain voxels in slices without anomaly, before post-processing; or all `negatives`.
    """

    __pydantic_config__ = STRICT

    kind: Literal["quantile"] = "quantile"
    rate: Annotated[float, Field(gt=0, lt=1)]
    of: Literal["healthy", "negatives"]

    def find(self, seen: ThresholdObjective) -> float:
        """The quantile of the scores, interpolated linearly."""
        return float(np.quantile(seen.scores.astype(np.float64), 1 - self.rate))


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A threshold given in the paper, in the unit of its scores."""

    __pydantic_config__ = STRICT

    kind: Literal["fixed"] = "fixed"
    value: float

    def find(self, _: ThresholdObjective) -> float:
        """The fixed threshold."""
        return self.value

    def ends_at(self, _: float) -> bool:
        """False: there is no grid."""
        return False

    def refusal(self, _: ThresholdObjective) -> str | None:
        """A fixed threshold does not apply to other scores."""
        return f"the threshold {self.value:g} is fixed in the unit of the paper's own scores"
