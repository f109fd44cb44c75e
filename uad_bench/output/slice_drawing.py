"""Slices in a terminal: two pixels a character where there are colours, else letters and shades."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.text import Text

from uad_bench.boards.sheet import visible

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MARKED, OUTLINE = (230, 159, 0), (86, 180, 233)
TINT = 0.6  # of the colour in a marked pixel
SHADES = " .,:-=+"
HIT, ALARM, MISS = "#xo"
WIDEST = 60  # characters of one picture


@dataclass(frozen=True, slots=True, eq=False)
class PatientSlice:
    """One slice, turned as radiologists look.

    Attributes:
        title: who is seen, and why.
        place: which slice.
        image: (H, W) grey values.
        marked: (H, W) at or above the threshold.
        anomaly: (H, W) the reference.
        aspect: width over height in millimetres.
    """

    title: str
    place: str
    image: Image
    marked: Mask
    anomaly: Mask
    aspect: float


@dataclass(frozen=True, slots=True)
class SliceView:
    """What `show --slices` prints: the image, and beside it the marked voxels with the reference."""

    slices: Sequence[PatientSlice]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Each patient as wide as the window allows."""
        many = console.color_system in {"256", "truecolor"} and not console.no_color and not options.ascii_only
        width = max(8, min((options.max_width - 2) // 2, WIDEST))
        for one in self.slices:
            yield Text(visible(one.title), "bold")
            yield Text(visible(one.place), "dim")
            yield from (_coloured if many else _lettered)(one, width)
            yield Text("")
        yield _colour_key() if many else Text(f"{HIT} hit   {ALARM} false positive   {MISS} missed")
        yield Text("the patient's right is on the left", "dim")


def shrink(image: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Means (height, width) over the area that each new pixel covers."""
    rows, columns = _shares(image.shape[0], height), _shares(image.shape[1], width)
    means: NDArray[np.float64] = np.linalg.multi_dot([rows, image.astype(np.float64), columns.T])
    return means


def border(mask: Mask) -> Mask:
    """Pixels of the mask with a neighbour outside it; beyond the picture is outside."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _shares(old: int, new: int) -> NDArray[np.float64]:
    """(new, old): what share of each new pixel every old one fills."""
    edges = np.linspace(0, old, new + 1)
    low, high = edges[:-1, None], edges[1:, None]
    here = np.arange(old)
    overlap: NDArray[np.float64] = np.minimum(high, here + 1) - np.maximum(low, here)
    return overlap.clip(0, None) * new / old


def _coloured(one: PatientSlice, width: int) -> Iterator[Text]:
    height = 2 * max(1, round(width / one.aspect / 2))
    grey = np.repeat(shrink(one.image, height, width)[..., None], 3, axis=2)
    over = grey.copy()
    marked = shrink(one.marked, height, width) >= 0.5
    over[marked] = (1 - TINT) * over[marked] + TINT * np.array(MARKED)
    over[border(shrink(one.anomaly, height, width) >= 0.5)] = OUTLINE
    pixels = np.concatenate((grey, np.full((height, 2, 3), -1.0), over), axis=1).round().astype(int)
    for top, bottom in zip(pixels[::2], pixels[1::2], strict=True):
        yield _half_blocks(top.tolist(), bottom.tolist())


def _half_blocks(top: list[list[int]], bottom: list[list[int]]) -> Text:
    """One line of characters, of two pixels each; negative pixels are gaps."""
    line = Text(no_wrap=True)
    for (above, below), run in groupby(zip(map(tuple, top), map(tuple, bottom), strict=True)):
        count = len(list(run))
        if min(above) < 0:
            line.append(" " * count)
        else:
            line.append("▀" * count, Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
    return line


def _colour_key() -> Text:
    return Text.assemble(
        ("■", f"rgb({MARKED[0]},{MARKED[1]},{MARKED[2]})"), " marked at hFPR5   ",
        ("■", f"rgb({OUTLINE[0]},{OUTLINE[1]},{OUTLINE[2]})"), " anomaly (reference)",
    )  # fmt: skip


def _lettered(one: PatientSlice, width: int) -> Iterator[Text]:
    height = max(1, round(width / one.aspect / 2))  # characters are twice as high as wide
    shades = (shrink(one.image, height, width) / 256 * len(SHADES)).astype(int)
    plain = np.array([*SHADES])[shades]
    marked, anomaly = (shrink(mask, height, width) >= 0.5 for mask in (one.marked, one.anomaly))
    letters = np.select([marked & anomaly, marked, anomaly], [HIT, ALARM, MISS], plain)
    for left, right in zip(plain, letters, strict=True):
        yield Text(f"{''.join(left)}  {''.join(right)}".rstrip(), no_wrap=True)
