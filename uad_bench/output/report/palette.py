"""Colours, dashes and markers of methods, distinguishable without relying on hue alone."""

from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito (2008), safe for colour-blind readers; darkened where a thin line would be faint on white.
HUES = ("#0072B2", "#D55E00", "#009E73", "#B3579B", "#C08A00", "#3D9FDB", "#8C6BB1", "#A6462A")
GREYS = ("#6B7480", "#8A929C", "#6B7480", "#8A929C")
DASHES = ((), (6, 2), (2, 1.5), (6, 2, 1.5, 2))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True, slots=True)
class Style:
    """Style of one method.

    Attributes:
        colour: `#rrggbb`, readable on white and on black.
        dashes: lengths of lines and gaps in points; empty for a solid line.
        marker: matplotlib marker.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str


def styles(baselines: Sequence[bool]) -> list[Style]:
    """One style per method; trivial baselines are grey and dashed."""
    drawn, taken, plain = [], 0, 0
    for baseline in baselines:
        if baseline:
            drawn.append(Style(GREYS[plain % len(GREYS)], DASHES[1 + plain % 3], MARKERS[plain % len(MARKERS)]))
            plain += 1
        else:
            cycle = taken // len(HUES)
            drawn.append(Style(HUES[taken % len(HUES)], DASHES[cycle % len(DASHES)], MARKERS[taken % len(MARKERS)]))
            taken += 1
    return drawn
