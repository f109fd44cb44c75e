"""A curve drawn with characters: two dots a column and four a line, as Braille has them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column of one character
BARS = " ▏▎▍▌▋▊▉█"


def draw_curve(
    x: NDArray[np.float64], y: NDArray[np.float64], *, width: int, height: int = 12, marks: Mapping[str, float]
) -> list[str]:
    """Lines of text: y in [0, 1] over x from its least to its greatest value.

    Args:
        x: (M,) finite.
        y: (M,); points where it is NaN are left out.
        width: characters of a line, the scale on the left counted.
        height: lines of the curve.
        marks: places on the x axis by name, such as threshold policies.
    """
    margin = 5
    columns = max(10, width - margin)
    canvas = np.zeros((height * 4, columns * 2), bool)
    low, high = float(np.min(x)), float(np.max(x))
    span = (high - low) or 1.0
    for place, value in zip((x - low) / span, y, strict=True):
        if np.isfinite(value):
            row = round((1 - min(max(value, 0.0), 1.0)) * (canvas.shape[0] - 1))
            canvas[row, round(float(place) * (canvas.shape[1] - 1))] = True
    lines = [_line(canvas[4 * i : 4 * i + 4]) for i in range(height)]
    scale = {0: "1.0", height // 2: "0.5", height - 1: "0.0"}
    drawn = [f"{scale.get(i, ''):>3} │{line}".rstrip() for i, line in enumerate(lines)]
    places = {name: round((value - low) / span * (columns - 1)) for name, value in marks.items()}
    return [*drawn, "    └" + "─" * columns, *(" " * margin + line for line in _labels(places, columns))]


def draw_bar(value: float, *, width: int) -> str:
    """A bar for a value in [0, 1], in eighths of a character."""
    if not np.isfinite(value):
        return ""
    eighths = round(min(max(value, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + BARS[eighths % 8].strip()


def _line(dots: NDArray[np.bool_]) -> str:
    """One line of characters from (4, 2C) dots."""
    codes = [
        sum(DOTS[r][c] for r in range(4) for c in range(2) if dots[r, 2 * column + c])
        for column in range(dots.shape[1] // 2)
    ]
    return "".join(chr(0x2800 + code) if code else " " for code in codes)


def _labels(places: Mapping[str, int], columns: int) -> Sequence[str]:
    """`^ name` under the axis, on as many lines as it takes for none to touch another."""
    lines: list[list[str]] = []
    ends: list[int] = []
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        if not 0 <= place < columns:
            continue
        text, start = (f"^{name}", place) if place + len(name) < columns else (f"{name}^", place - len(name))
        line = next((i for i, end in enumerate(ends) if start > end), None)
        if line is None:
            lines.append([" "] * columns)
            ends.append(-1)
            line = len(lines) - 1
        lines[line][start : start + len(text)] = text
        ends[line] = start + len(text)
    return ["".join(line).rstrip() for line in lines]
