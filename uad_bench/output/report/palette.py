"""Colours, dashes and markers that tell methods apart without relying on hue alone."""

from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito (2008), for readers with any colour vision; darkened where a thin line would vanish on white.
HUES = ("#0072B2", "#D55E00", "#009E73", "#B3579B", "#C08A00", "#3D9FDB", "#8C6BB1", "#A6462A")
GREYS = ("#6B7480", "#8A929C", "#6B7480", "#8A929C")
DASHES = ((), (6, 2), (2, 1.5), (6, 2, 1.5, 2))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True, slots=True)
class Style:
    """How one method is drawn.

    Attributes:
        colour: `#rrggbb`, readable on white and on black.
        dashes: lengths of line and gap in points; empty is solid.
        marker: matplotlib's letter.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str


def styles(baselines: Sequence[bool]) -> list[Style]:
    """One style a method; trivial baselines are grey and dashed, so that they stay in the background."""
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
