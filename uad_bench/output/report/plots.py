"""The figures of a report, drawn with matplotlib on axes that are handed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uad_bench.boards.result import Quantity
from uad_bench.output.report.curve_plots import draw_dice, draw_precision_recall, draw_roc, has_curves, plain_powers
from uad_bench.output.report.material import MethodMaterial, ReportData
from uad_bench.runs.metric_rows import Metric

Draw = Callable[[Any, ReportData], None]

SIZES = ("small", "middle", "large")
PLACES = [(dx, dy) for dy in (5, -12, 14, -20, 23, -29) for dx in (7, -7)]  # of a label, the best first


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure.

    Attributes:
        name: of its file.
        caption: what is seen, one sentence or two; also the text read out in its place.
        draw: fills matplotlib axes.
        possible: whether the material has what it shows.
        over_folds: what is to be said besides where runs are over folds.
        wide: takes the page's whole width.
        size: inches.
    """

    name: str
    title: str
    caption: str
    draw: Draw
    possible: Callable[[ReportData], bool]
    wide: bool = False
    size: tuple[float, float] = (5.2, 3.7)
    over_folds: str = ""

    def caption_for(self, material: ReportData) -> str:
        """What is seen in this report."""
        return f"{self.caption} {self.over_folds}".rstrip() if material.over_folds else self.caption


def _patients(axes: Any, material: ReportData) -> None:
    table = material.by_patient("dice@hFPR5")
    generator = np.random.Generator(np.random.PCG64(0))
    for place, (method, values) in enumerate(zip(material.sound, table, strict=True)):
        known = values[np.isfinite(values)]
        offsets = generator.uniform(-0.26, 0.26, known.size)
        axes.scatter(known, place + offsets, s=max(4, 26 - known.size / 10), color=method.style.colour, alpha=0.45,
                     linewidths=0)  # fmt: skip
        number = method.row.number(Quantity("dice", "hFPR5", "mean"))
        if number.value is not None:
            if number.low is not None and number.high is not None:
                axes.plot([number.low, number.high], [place, place], color=method.style.colour, linewidth=2.4)
            axes.plot(number.value, place, marker="D", markersize=6, color=method.style.colour, markeredgecolor="white",
                      markeredgewidth=0.8)  # fmt: skip
    _method_axis(axes, material)
    axes.set(xlabel="Dice of a patient at hFPR5", xlim=(-0.02, 1.02))


def _sizes(axes: Any, material: ReportData) -> None:
    count = len(material.sound)
    for m, method in enumerate(material.sound):
        for place, size in enumerate(SIZES):
            metric = _group_metric(method, f"size={size}")
            if metric is None or metric.value is None:
                continue
            x = place + (m - (count - 1) / 2) * min(0.12, 0.75 / max(count, 1))
            if metric.low is not None:
                axes.plot([x, x], [metric.low, metric.high], color=method.style.colour, linewidth=1.6)
            axes.plot(x, metric.value, marker=method.style.marker, markersize=6, color=method.style.colour)
    axes.set(ylabel="AUPRC, pooled", ylim=(0, 1), xticks=range(len(SIZES)), xlim=(-0.55, len(SIZES) - 0.45))
    cuts = material.board.record.size_cuts_mm3
    labels = [*SIZES]
    if len(cuts) == 2:
        first, last = (cut / 1000 for cut in cuts)
        labels = [f"small\nup to {first:.3g} ml", "middle", f"large\nover {last:.3g} ml"]
    axes.set_xticklabels(labels)


def _group_metric(method: MethodMaterial, group: str) -> Metric | None:
    rows = method.row.sound[0].record.groups
    return next((row for row in rows if (row.name, row.group) == ("auprc", group)), None)


def _pareto(axes: Any, material: ReportData) -> None:
    points = [(cost, number.value, number, method) for cost, number, method in _costs(material)]
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
    axes.set(xscale="log", xlabel="seconds a slice", ylabel="AUPRC", ylim=(0, 1.03))
    seconds = [cost for cost, *_ in points]
    axes.set_xlim(10 ** np.floor(np.log10(min(seconds) / 1.5)), 10 ** np.ceil(np.log10(max(seconds) * 4)))
    plain_powers(axes)
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
    """Where the labels of (x, y, label) cover no other label and no mark: from the mark to the label's inner end.

    All in points; letters are about 5.3 wide and 9 high, marks 12.
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


def _costs(material: ReportData) -> list[tuple[float, Any, MethodMaterial]]:
    quantity = Quantity("auprc")
    known = ((method.row.cost("score_s_per_slice"), method.row.number(quantity), method) for method in material.sound)
    return [(cost, number, method) for cost, number, method in known if cost and number.value is not None]


def _ranks(axes: Any, material: ReportData) -> None:
    """Area of a disc: share of the replicates in which a row has that rank."""
    ranking = material.board.ranking
    styles = {method.row.label: method.style for method in material.methods}
    columns = [row.replicates(Quantity("auprc")) for row in ranking.rows]
    replicates = np.stack([column for column in columns if column is not None])
    ranks = 1 + np.sum(replicates[:, None] < replicates[None, :], axis=1)
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


def _method_axis(axes: Any, material: ReportData) -> None:
    axes.set(yticks=range(len(material.sound)), yticklabels=[method.name for method in material.sound])
    axes.set_ylim(len(material.sound) - 0.5, -0.5)


def _has_sizes(material: ReportData) -> bool:
    return any(_group_metric(method, "size=small") for method in material.sound)


def _has_patients(material: ReportData) -> bool:
    return bool(material.sound) and bool(np.isfinite(material.by_patient("dice@hFPR5")).any())


PLOTS = (
    Plot(
        "dice-threshold", "Dice against threshold",
        "What every threshold would give, on the pooled test patients, with the operating point of each policy. "
        "The hollow star is chosen on the test patients themselves.",
        draw_dice, has_curves, wide=True, size=(10.4, 4.0),
        over_folds="Thin: one line a fold, for scores of different folds have no common scale; bold: their mean at "
        "equal false-positive rate. Each fold has its own operating points.",
    ),
    Plot(
        "precision-recall", "Precision and sensitivity",
        "The area under each line is the AUPRC; a map that knows nothing stays at the prevalence.",
        draw_precision_recall, has_curves,
        over_folds="Thin: one line a fold, for scores of different folds have no common scale; bold: their mean at "
        "equal sensitivity.",
    ),
    Plot(
        "roc", "ROC",
        "Sensitivity against false positives among all healthy voxels; flattering where anomalies are rare.",
        draw_roc, has_curves,
        over_folds="Thin: one line a fold; bold: their mean at equal false-positive rate.",
    ),
    Plot(
        "patients", "Patients",
        "Each dot is a patient, the diamond their mean, the bar its 95 % interval over patients.",
        _patients, _has_patients,
    ),
    Plot(
        "sizes", "Small and large anomalies", "AUPRC in tertiles of the anomaly's volume, with 95 % intervals.",
        _sizes, _has_sizes,
    ),
    Plot(
        "pareto", "What it costs", "AUPRC against scoring time; nothing beats a method on the grey line at less cost.",
        _pareto, lambda material: bool(_costs(material)),
    ),
    Plot(
        "ranks", "How sure the ranks are",
        "The larger a disc, the more of 2,000 draws of patients give the method that rank; the line holds 95 % of "
        "them.",
        _ranks, lambda material: material.board.ranking.reason is None,
    ),
)  # fmt: skip
