"""Figures as files and as pictures inside the page, where they take the page's colours."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from uad_bench.output.report.material import ReportData
from uad_bench.output.report.plots import PLOTS, Plot

INK, GRID = "#010203", "#010204"
"""Colours that stand for the page's own, until the picture lies in it."""

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
    "text.parse_math": False,  # a method's name may hold a dollar sign
    "savefig.transparent": True,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure inside the page."""

    plot: Plot
    caption: str
    svg: Markup


def inline_figures(material: ReportData) -> list[Picture]:
    """Every figure that the material allows, as SVG whose text and grid follow the page's colours."""
    return [
        Picture(plot, plot.caption_for(material), _inline(plot, material)) for plot in PLOTS if plot.possible(material)
    ]


def save_figures(material: ReportData, folder: Path) -> list[Path]:
    """PNG and SVG files of every figure, black on white; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for plot in PLOTS if plot.possible(material) for path in _save(plot, material, folder)]


def _save(plot: Plot, material: ReportData, folder: Path) -> Iterator[Path]:
    figure = _draw(plot, material, ink="#1d2329", grid="#e4e7ea", legend=True)
    for suffix in (".svg", ".png"):
        path = folder / f"{plot.name}{suffix}"
        path.write_bytes(_bytes(figure, suffix[1:], plot.name))
        yield path


def _inline(plot: Plot, material: ReportData) -> Markup:
    svg = _bytes(_draw(plot, material, ink=INK, grid=GRID, legend=False), "svg", plot.name).decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for name in sorted(set(re.findall(r'\bid="([^"]+)"', svg)), key=len, reverse=True):  # several figures, one page
        svg = re.sub(rf'(id="|#){re.escape(name)}(?=["\)])', rf"\g<1>{plot.name}-{name}", svg)
    svg = svg.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    return Markup(svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1))  # noqa: S704 - matplotlib escapes


def _draw(plot: Plot, material: ReportData, *, ink: str, grid: str, legend: bool) -> Any:
    """A matplotlib figure, without pyplot and its global state."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings: Any = {**STYLE, **dict.fromkeys(inked, ink), "grid.color": grid}
    height = plot.size[1] if plot.name not in {"patients", "ranks"} else max(2.4, 0.42 * len(material.methods) + 0.9)
    with rc_context(settings):
        figure = Figure(figsize=(plot.size[0], height), layout="constrained")
        axes = figure.add_subplot()
        plot.draw(axes, material)
        if legend and axes.get_legend() is None:
            _add_legend(figure, material)
        axes.tick_params(which="both", length=0, pad=5)
        axes.tick_params(axis="x", pad=8)  # the first number of either axis lies near the other's
    return figure


def _add_legend(figure: Any, material: ReportData) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=m.style.colour, dashes=m.style.dashes or (None, None), label=m.name)
        for m in material.sound
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _bytes(figure: Any, format_: str, salt: str) -> bytes:
    """The same bytes for the same figure: no date, and names that depend on the figure alone."""
    from matplotlib import rc_context

    target = io.BytesIO()
    settings: Any = {**STYLE, "svg.hashsalt": salt, "savefig.transparent": format_ == "svg"}
    with rc_context(settings):
        figure.savefig(target, format=format_, dpi=200, metadata={"Date": None} if format_ == "svg" else {})
    return target.getvalue()
