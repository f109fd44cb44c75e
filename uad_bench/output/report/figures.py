"""Figures as files, and as SVG in the HTML report, where they use the colours of the page."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from uad_bench.output.report.plots import PLOTS, Plot
from uad_bench.output.report.report_data import ReportData

INK, GRID = "#010203", "#010204"
"""Placeholders, replaced by colours of the page."""

STYLE: dict[str, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.7,
    "axes.linewidth": 0.8,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a method's name may contain a dollar sign
    "savefig.transparent": True,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the report."""

    plot: Plot
    caption: str
    svg: Markup


def inline_figures(report_data: ReportData) -> list[Picture]:
    """Every figure with data, as SVG whose text and grid use the colours of the page."""
    return [_picture(plot, report_data) for plot in PLOTS if plot.possible(report_data)]


def _picture(plot: Plot, report_data: ReportData) -> Picture:
    svg = inline_drawing(plot.name, _size(plot, report_data), lambda axes: plot.draw(axes, report_data))
    return Picture(plot, plot.caption_for(report_data), svg)


def save_figures(report_data: ReportData, folder: Path) -> list[Path]:
    """Write every figure as PNG and SVG, black on white; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for plot in PLOTS if plot.possible(report_data) for path in _save(plot, report_data, folder)]


def inline_drawing(name: str, size: tuple[float, float], draw: Callable[[Any], None]) -> Markup:
    """A drawing on matplotlib axes as SVG whose text and grid use the colours of the page.

    Args:
        name: prefix of its ids, unique within the page.
        size: width and height in inches.
    """
    svg = _bytes(_figure(size, draw, ink=INK, grid=GRID), "svg", name).decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for found in sorted(set(re.findall(r'\bid="([^"]+)"', svg)), key=len, reverse=True):
        svg = re.sub(rf'(id="|#){re.escape(found)}(?=["\)])', rf"\g<1>{name}-{found}", svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    return Markup(svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1))  # noqa: S704 - matplotlib escapes


def _save(plot: Plot, report_data: ReportData, folder: Path) -> Iterator[Path]:
    def draw(axes: Any) -> None:
        plot.draw(axes, report_data)
        if not plot.named:
            _add_legend(axes.figure, report_data, columns=4 if plot.wide else 3)

    figure = _figure(_size(plot, report_data), draw, ink="#1d2329", grid="#e4e7ea")
    for suffix in (".svg", ".png"):
        path = folder / f"{plot.name}{suffix}"
        path.write_bytes(_bytes(figure, suffix[1:], plot.name))
        yield path


def _size(plot: Plot, report_data: ReportData) -> tuple[float, float]:
    """Width and height in inches."""
    width, height = plot.size
    return width, max(1.6, 0.36 * len(report_data.methods) + 0.9) if plot.by_rows else height


def _figure(size: tuple[float, float], draw: Callable[[Any], None], *, ink: str, grid: str) -> Any:
    """A matplotlib figure, made without pyplot and its global state."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings: Any = {**STYLE, **dict.fromkeys(inked, ink), "grid.color": grid}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.tick_params(which="both", length=0, pad=5)
        axes.tick_params(axis="x", pad=8)  # keeps the first labels of the two axes apart
    return figure


def _add_legend(figure: Any, report_data: ReportData, *, columns: int) -> None:
    """Add the methods' colours below the axes, which keep their height."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=m.style.colour, dashes=m.style.dashes or (None, None), label=m.name)
        for m in report_data.sound
    ]
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def _bytes(figure: Any, format_: str, salt: str) -> bytes:
    """File content, reproducible: without a date, and with ids that depend only on the figure."""
    from matplotlib import rc_context

    target = io.BytesIO()
    settings: Any = {**STYLE, "svg.hashsalt": salt, "savefig.transparent": format_ == "svg"}
    with rc_context(settings):
        figure.savefig(target, format=format_, dpi=200, metadata={"Date": None} if format_ == "svg" else {})
    return target.getvalue()
