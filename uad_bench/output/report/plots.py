"""Figures of a report, drawn on given matplotlib axes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.boards.result import MetricKey
from uad_bench.config import read_toml
from uad_bench.metrics.ranking import ranks_of
from uad_bench.output.report.curve_plots import (
    draw_alarms,
    draw_dice,
    draw_precision_recall,
    draw_roc,
    has_curves,
    has_froc,
    plain_powers,
)
from uad_bench.output.report.report_data import MethodData, ReportData
from uad_bench.runs.metric_rows import MetricRow

Draw = Callable[[Any, ReportData], None]

SIZES = ("small", "middle", "large")
PLACES = [
    (dx, dy) for dy in (5, -12, 14, -20, 23, -29) for dx in (7, -7)
]  # offsets of a label, the preferred ones first


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure.

    Attributes:
        caption: one or two sentences; also the alternative text for screen readers.
        over_folds: additional caption for runs with folds.
        by_rows: whether the height follows the number of methods instead.
        named: whether it names each method, so that it needs no legend.
    """

    name: str
    title: str
    caption: str
    draw: Draw
    possible: Callable[[ReportData], bool]
    wide: bool = False
    size: tuple[float, float] = (5.2, 3.7)
    by_rows: bool = False
    named: bool = False
    over_folds: str = ""

    def caption_for(self, report_data: ReportData) -> str:
        """The caption for this report."""
        return f"{self.caption} {self.over_folds}".rstrip() if report_data.over_folds else self.caption


def _patients(axes: Any, report_data: ReportData) -> None:
    table = report_data.by_patient("dice@hFPR5")
    generator = np.random.Generator(np.random.PCG64(0))
    for place, (method, values) in enumerate(zip(report_data.sound, table, strict=True)):
        known = values[np.isfinite(values)]
        offsets = generator.uniform(-0.26, 0.26, known.size)
        axes.scatter(known, place + offsets, s=max(4, 26 - known.size / 10), color=method.style.colour, alpha=0.45,
                     linewidths=0)  # fmt: skip
        number = method.row.number(MetricKey("dice", "hFPR5", "mean"))
        if number.value is not None:
            if number.low is not None and number.high is not None:
                axes.plot([number.low, number.high], [place, place], color=method.style.colour, linewidth=2.4)
            axes.plot(number.value, place, marker="D", markersize=6, color=method.style.colour, markeredgecolor="white",
                      markeredgewidth=0.8)  # fmt: skip
    axes.set(yticks=range(len(report_data.sound)), yticklabels=[method.name for method in report_data.sound])
    axes.set_ylim(len(report_data.sound) - 0.5, -0.5)
    axes.set(xlabel="per-patient Dice at hFPR5", xlim=(-0.02, 1.02))


def _sizes(axes: Any, report_data: ReportData) -> None:
    count = len(report_data.sound)
    for m, method in enumerate(report_data.sound):
        for place, size in enumerate(SIZES):
            metric = _group_metric(method, f"size={size}")
            if metric is None or metric.value is None:
                continue
            x = place + (m - (count - 1) / 2) * min(0.12, 0.75 / max(count, 1))
            if metric.low is not None:
                axes.plot([x, x], [metric.low, metric.high], color=method.style.colour, linewidth=1.6)
            axes.plot(x, metric.value, marker=method.style.marker, markersize=6, color=method.style.colour)
    axes.set(ylabel="pooled AUPRC", ylim=(0, 1), xticks=range(len(SIZES)), xlim=(-0.55, len(SIZES) - 0.45))
    cuts = report_data.board.record.size_cuts_mm3
    labels = [*SIZES]
    if len(cuts) == 2:
        first, last = (cut / 1000 for cut in cuts)
        labels = [f"small\nup to {first:.3g} ml", "medium", f"large\nover {last:.3g} ml"]
    axes.set_xticklabels(labels)


def _group_metric(method: MethodData, group: str) -> MetricRow | None:
    rows = method.row.sound[0].record.groups
    return next((row for row in rows if (row.name, row.group) == ("auprc", group)), None)


def _pareto(axes: Any, report_data: ReportData) -> None:
    points = [(cost, number.value, number, method) for cost, number, method in _costs(report_data)]
    for cost, value, number, method in points:
        if number.low is not None and number.high is not None:
            axes.plot([cost, cost], [number.low, number.high], color=method.style.colour, linewidth=1.4)
        axes.plot(cost, value, marker=method.style.marker, markersize=8, color=method.style.colour)
    best, front = -1.0, []
    for cost, value, *_ in sorted(points, key=lambda point: (point[0], -point[1])):
        if value > best:
            front.append((cost, value))
            best = value
    axes.plot(*zip(*front, strict=True), color="#8A929C", linewidth=1, drawstyle="steps-post", zorder=0)
    axes.set(xscale="log", xlabel="scoring time per slice (s)", ylabel="AUPRC", ylim=(0, 1.03))
    seconds = [cost for cost, *_ in points]
    axes.set_xlim(min(seconds) / 4, max(seconds) * 4)  # room for labels
    plain_powers(axes)
    axes.figure.draw_without_rendering()  # now the axes have their final size
    places = axes.transData.transform([(cost, value) for cost, value, *_ in points]) * 72 / axes.figure.dpi
    labels = [(*place, method.name) for place, (*_, method) in zip(places, points, strict=True)]
    for (cost, value, _, method), place in zip(points, _label_places(labels), strict=True):
        axes.annotate(
            method.name,
            (cost, value),
            xytext=place,
            textcoords="offset points",
            fontsize=8.5,
            horizontalalignment="left" if place[0] > 0 else "right",
        )


def _label_places(points: Sequence[tuple[float, float, str]]) -> list[tuple[int, int]]:
    """Offsets of the labels of (x, y, label) such that they overlap no other label or marker, where possible.

    All in points; characters are about 5.3 wide and 9 high, markers 12.
    """
    taken, places = [(x - 6, y - 6, x + 6, y + 6) for x, y, _ in points], []
    for x, y, label in points:
        width = 5.3 * len(label)
        boxes = {(dx, dy): (left := x + dx - (width if dx < 0 else 0), y + dy - 1, left + width, y + dy + 8)
                 for dx, dy in PLACES}  # fmt: skip
        free = (place for place, box in boxes.items() if not any(_overlap(box, other) for other in taken))
        places.append(next(free, PLACES[0]))
        taken.append(boxes[places[-1]])
    return places


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[k] < other[k + 2] and other[k] < one[k + 2] for k in (0, 1))


def _costs(report_data: ReportData) -> list[tuple[float, Any, MethodData]]:
    metric = MetricKey("auprc")
    known = ((method.row.cost("score_s_per_slice"), method.row.number(metric), method) for method in report_data.sound)
    return [(cost, number, method) for cost, number, method in known if cost and number.value is not None]


def _ranks(axes: Any, report_data: ReportData) -> None:
    """Draw each row's distribution of ranks; disc area is the proportion of the draws."""
    ranking = report_data.board.ranking
    styles = {method.row.label: method.style for method in report_data.methods}
    ranks = ranks_of(ranking.draws)
    for m, row in enumerate(ranking.rows):
        shares = np.array([np.mean(ranks[m] == k) for k in range(1, len(ranking.rows) + 1)])
        places = np.flatnonzero(shares) + 1
        axes.scatter(places, np.full(places.size, m), s=320 * shares[places - 1], color=styles[row.label].colour,
                     linewidths=0)  # fmt: skip
        interval = ranking.intervals[m]
        if interval:
            axes.plot(interval, [m, m], color=styles[row.label].colour, linewidth=1.6, alpha=0.7)
    count = len(ranking.rows)
    axes.set(yticks=range(count), yticklabels=[row.label for row in ranking.rows], ylim=(count - 0.4, -0.6))
    axes.set(xticks=range(1, count + 1), xlabel="rank by AUPRC", xlim=(0.4, count + 0.6))


DRAWINGS: Mapping[str, tuple[Draw, Callable[[ReportData], bool]]] = {
    "dice-threshold": (draw_dice, has_curves),
    "precision-recall": (draw_precision_recall, has_curves),
    "roc": (draw_roc, has_curves),
    "alarms": (draw_alarms, has_froc),
    "patients": (_patients, lambda report_data: bool(np.isfinite(report_data.by_patient("dice@hFPR5")).any())),
    "sizes": (_sizes, lambda report_data: any(_group_metric(method, "size=small") for method in report_data.sound)),
    "pareto": (_pareto, lambda report_data: bool(_costs(report_data))),
    "ranks": (_ranks, lambda report_data: report_data.board.ranking.reason is None),
}
"""How each figure is drawn, and whether a report has its data."""

TEXTS = read_toml(Path(__file__).with_name("plots.toml"))
PLOTS = tuple(Plot(name, draw=draw, possible=possible, **TEXTS[name]) for name, (draw, possible) in DRAWINGS.items())
