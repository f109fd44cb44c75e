"""Building the HTML report: tables, figures and, where permitted, slices."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from uad_bench.boards.overall_result import Overall, OverallPair
from uad_bench.boards.sheet import Sheet
from uad_bench.data.cache import cache_root
from uad_bench.errors import ConfigError
from uad_bench.evaluation.reconstructions import read_reconstructions
from uad_bench.evaluation.rescore import read_rescored
from uad_bench.files import prepare_output, write_text
from uad_bench.method import Progress, Report
from uad_bench.output.formats import render
from uad_bench.output.overall_table import overall_sheets, summary
from uad_bench.output.render import board_sheets
from uad_bench.output.report.cases import COLUMN, ChosenCase, case_sheet, choose_cases
from uad_bench.output.report.figures import inline_drawing, inline_figures, save_figures
from uad_bench.output.report.patients import component_table, patient_table
from uad_bench.output.report.pictures import browser_payload
from uad_bench.output.report.report_data import HUES, MethodData, ReportData, gather_report_data
from uad_bench.output.tables import label_sheet, reconstruction_sheet
from uad_bench.output.verdict import headline
from uad_bench.plugins import registry
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import open_stored

MOST_VIEWS = 160  # patients times methods in the case browser


def write_report(
    runs: Sequence[Run],
    output: Path,
    *,
    data: Path | None = None,
    images: bool | None = None,
    figures: Path | None = None,
    report: Report = lambda _: None,
) -> None:
    """Write a self-contained HTML report on runs of one task.

    Args:
        runs: runs of one or more methods, with one or more seeds each.
        images: whether to show slices; None shows them for embedded data only.
        figures: folder to also write every figure to, as PNG and SVG.
    """
    prepare_output(output)
    report_data = gather_report_data(runs)
    report(Progress("report", 0, 3))
    if figures:
        save_figures(report_data, figures)
    report(Progress("report", 1, 3))
    write_text(
        output,
        report_page(report_data, _payload(report_data, data, may_show(report_data.board.record, images), report)),
    )
    report(Progress("report", 3, 3))


def report_page(report_data: ReportData, payload: dict[str, Any] | None) -> str:
    """The HTML of the report; without a payload there is no case browser."""
    table, methods = report_data.by_patient(COLUMN), [method.name for method in report_data.sound]
    chosen = _chosen(report_data)
    shown = [case["name"] for case in payload["cases"]] if payload else ()
    patients = patient_table(report_data, shown)
    return render(
        "report.html.j2",
        record=report_data.board.record,
        headline=headline(report_data.board),
        further=[*_label_values(report_data), *_reconstructions(report_data)],
        patients=patients,
        components=component_table(report_data, shown),
        patients_payload=_script_json({"cells": patients.cells}) if patients else "",
        boards=[sheet for board in report_data.boards for sheet in board_sheets(board, apart=True)],
        pictures=inline_figures(report_data),
        methods=report_data.sound,
        training=_training(report_data),
        folds=report_data.over_folds,
        failed=[method for method in report_data.methods if method.row.failure],
        cases=case_sheet(chosen, report_data.patients, table, methods) if methods else None,
        payload=None if payload is None else _script_json(payload),
    )


def _payload(report_data: ReportData, data: Path | None, show: bool, report: Report) -> dict[str, Any] | None:
    """Data of the case browser, or None if images may not be shown or score maps are missing."""
    cases = [*_chosen(report_data), *_further_cases(report_data)]
    methods = [method for method in report_data.sound if _has_maps(method, cases)]
    if not show or not cases or not methods or methods[0].run is None:
        return None
    cohort = open_stored(methods[0].run, data, report)[0].cohort  # the same for all methods
    return browser_payload(cases, methods, cohort, cache_root())


def _has_maps(method: MethodData, cases: Sequence[ChosenCase]) -> bool:
    """Whether every patient to be shown has a score map and thresholds."""
    parts = [method.part_of(case.subject) for case in cases]
    return method.row.sound[0].present and all(part is not None and part.curve is not None for part in parts)


def _chosen(report_data: ReportData) -> list[ChosenCase]:
    return choose_cases(
        report_data.patients, report_data.by_patient(COLUMN), [method.name for method in report_data.sound]
    )


def _further_cases(report_data: ReportData) -> list[ChosenCase]:
    """The other patients, as many as can be shown in reasonable time; each takes seconds per method."""
    chosen = {case.subject for case in _chosen(report_data)}
    others = [name for name in report_data.patients if name not in chosen]
    most = MOST_VIEWS // max(len(report_data.sound), 1) - len(chosen)
    return [ChosenCase(name, ()) for name in others[: max(0, most)]]


def _reconstructions(report_data: ReportData) -> list[Sheet]:
    """The table of pseudo-healthy images, if a run has some."""
    found = {
        method.name: images
        for method in report_data.sound
        if method.run and (images := read_reconstructions(method.run)) and images.metrics
    }
    return [reconstruction_sheet(found)] if found else []


def _label_values(report_data: ReportData) -> list[Sheet]:
    """The table of sensitivity by label value, if runs were rescored and references have several values."""
    protocol = report_data.board.record.task.protocol
    documents = {method.name: read_rescored(method.run, protocol) for method in report_data.sound if method.run}
    sheet = label_sheet({name: found[0].groups for name, found in documents.items() if found})
    return [sheet] if sheet else []


def _training(report_data: ReportData) -> str:
    """Number of training patients, per fold with cross-validation."""
    records = [part.record for method in report_data.sound[:1] for part in method.parts] or [report_data.board.record]
    counts = sorted({len(record.subjects.train or ()) for record in records})
    return " or ".join(map(str, counts)) + (" per fold" if report_data.over_folds else "")


def _script_json(value: Any) -> Markup:
    """JSON that cannot close its script element, whatever the names of patients."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - every character special to HTML is escaped


def may_show(record: RunRecord, images: bool | None) -> bool:
    """Whether slices of a record's patients may be shown: as requested, by default only those of embedded data.

    Raises:
        ConfigError: nothing was requested, and the dataset is not installed.
    """
    if images is not None:
        return images
    name = record.task.dataset
    known = registry.datasets()
    if name not in known:
        raise ConfigError(f"dataset {name!r} is not installed; add --no-images, or --with-images and --data DIR")
    return bool(getattr(known[name].load(), "embedded", False))


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
