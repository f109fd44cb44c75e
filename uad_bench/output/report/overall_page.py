"""Report page of a comparison over several tasks: tables, a rank heat map and a forest plot."""

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from uad_bench.boards.overall_result import Overall, OverallPair
from uad_bench.files import prepare_output, write_text
from uad_bench.output.overall_table import overall_sheets, summary
from uad_bench.output.report.figures import inline_drawing
from uad_bench.output.report.palette import HUES
from uad_bench.output.report.templating import render


def write_overall(overall: Overall, output: Path) -> None:
    """Write a self-contained HTML page."""
    write_text(prepare_output(output), overall_page(overall))


def overall_page(overall: Overall) -> str:
    """The HTML of the page."""
    return render(
        "overall.html.j2",
        overall=overall,
        sheets=overall_sheets(overall),
        sentences=summary(overall),
        reference=reference(overall),
        heat_map=rank_heat_map(overall),
        forest=forest_plot(overall),
    )


def reference(overall: Overall) -> str:
    """The method that the forest plot compares with: the first baseline, or the first method without baselines."""
    return next((method.name for method in overall.methods if method.baseline), overall.methods[0].name)


def rank_heat_map(overall: Overall) -> Markup:
    """Ranks of the methods with results on every task."""
    ranked = [method for method in overall.methods if method.mean_rank is not None]
    if not ranked:
        return Markup()
    ranks = np.array([[method.ranks[task] for task in overall.tasks] for method in ranked])

    def draw(axes: Any) -> None:
        axes.imshow(ranks, cmap="viridis_r", aspect="auto", vmin=1, vmax=max(2, len(ranked)))
        for (m, t), rank in np.ndenumerate(ranks):
            colour = "white" if rank > len(ranked) / 2 else "black"  # the scale is dark for the last ranks
            axes.text(t, m, str(rank), ha="center", va="center", color=colour)
        axes.grid(visible=False)
        axes.set(yticks=range(len(ranked)), yticklabels=[method.name for method in ranked])
        axes.set_xticks(range(len(overall.tasks)), overall.tasks, rotation=30, ha="right")

    return inline_drawing("rank-heat-map", (7.0, 0.34 * len(ranked) + 1.2), draw)


def forest_plot(overall: Overall) -> Markup:
    """Difference of every method to the reference: one dot per task, and their combination as a diamond."""
    base = reference(overall)
    names = [method.name for method in overall.methods if method.name != base]
    pairs = [(name, pair) for name in names if (pair := overall.pair(name, base))]

    def draw(axes: Any) -> None:
        for place, (name, pair) in enumerate(pairs):
            _draw_effects(axes, place, pair, 1 if pair.first == name else -1, overall)
        axes.axvline(0, color="#8A929C", linewidth=1)
        axes.set(yticks=range(len(pairs)), yticklabels=[name for name, _ in pairs], ylim=(len(pairs) - 0.4, -0.6))
        axes.set_xlabel(f"difference in AUPRC gain to {base}")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)

    return inline_drawing("forest-plot", (10.4, 0.62 * len(pairs) + 1.0), draw)


def _draw_effects(axes: Any, place: int, pair: OverallPair, sign: int, overall: Overall) -> None:
    steps = np.linspace(-0.32, 0.2, max(2, len(overall.tasks)))
    for effect in pair.effects:
        t = overall.tasks.index(effect.task)
        y, colour = place + steps[t], HUES[t % len(HUES)]
        label = effect.task if place == 0 else None
        axes.plot([sign * effect.low, sign * effect.high], [y, y], color=colour, linewidth=1)
        axes.plot(sign * effect.difference, y, marker="o", markersize=4, color=colour, linestyle="", label=label)
    y, label = place + 0.34, "combined" if place == 0 else None
    axes.plot([sign * pair.low, sign * pair.high], [y, y], color="#8A929C", linewidth=2.4)
    axes.plot(sign * pair.difference, y, marker="D", markersize=7, color="#8A929C", linestyle="", label=label)
