"""Builds the page: tables and figures from records, and pictures where they may be shown."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from uad_bench.data.cache import cache_root
from uad_bench.files import prepare_output, write_text
from uad_bench.method import Progress
from uad_bench.output.render import board_sheets
from uad_bench.output.report.cases import ChosenCase, case_sheet, choose_cases
from uad_bench.output.report.figures import inline_figures, save_figures
from uad_bench.output.report.material import MethodMaterial, ReportData, gather_material
from uad_bench.output.report.permission import may_show
from uad_bench.output.report.pictures import browser_payload
from uad_bench.output.report.templating import render
from uad_bench.runs.folder import Run
from uad_bench.runs.reopen import open_stored

Report = Callable[[Progress], None]
COLUMN = "dice@hFPR5"


def write_report(
    runs: Sequence[Run],
    output: Path,
    *,
    data: Path | None = None,
    images: bool | None = None,
    figures: Path | None = None,
    report: Report = lambda _: None,
) -> None:
    """Write one self-contained page about runs of one task.

    Args:
        runs: several methods, and several seeds of each.
        output: the HTML file.
        data: folder of the patients, where the data set is not embedded.
        images: show slices; None shows them for the embedded data set only.
        figures: also write each figure there, as PNG and SVG.
        report: receives progress.
    """
    prepare_output(output)
    material = gather_material(runs)
    report(Progress("report", 0, 3))
    if figures:
        save_figures(material, figures)
    report(Progress("report", 1, 3))
    write_text(output, report_page(material, _payload(material, data, may_show(material.board.record, images), report)))
    report(Progress("report", 3, 3))


def report_page(material: ReportData, payload: dict[str, Any] | None) -> str:
    """The page's text; without a payload there is no case browser."""
    table, methods = material.by_patient(COLUMN), [method.name for method in material.sound]
    chosen = _chosen(material)
    return render(
        "report.html.j2",
        record=material.board.record,
        boards=[sheet for board in material.boards for sheet in board_sheets(board, apart=True)],
        pictures=inline_figures(material),
        methods=material.sound,
        training=_training(material),
        folds=material.over_folds,
        failed=[method for method in material.methods if method.row.failure],
        cases=case_sheet(chosen, material.patients, table, methods) if methods else None,
        payload=None if payload is None else _script_json(payload),
    )


def _payload(material: ReportData, data: Path | None, show: bool, report: Report) -> dict[str, Any] | None:
    """The case browser's content, or None where images may not be shown or no map is there."""
    cases = _chosen(material)
    methods = [method for method in material.sound if _has_maps(method, cases)]
    if not show or not cases or not methods or methods[0].run is None:
        return None
    cohort = open_stored(methods[0].run, data, report)[0].cohort  # of all, for they share one table
    return browser_payload(cases, methods, cohort, cache_root())


def _has_maps(method: MethodMaterial, cases: Sequence[ChosenCase]) -> bool:
    """Whether every patient to be shown has a map and thresholds."""
    parts = [method.part_of(case.subject) for case in cases]
    return method.row.sound[0].present and all(part is not None and part.curve is not None for part in parts)


def _chosen(material: ReportData) -> list[ChosenCase]:
    return choose_cases(material.patients, material.by_patient(COLUMN), [method.name for method in material.sound])


def _training(material: ReportData) -> str:
    """How many patients each model was fitted on."""
    records = [part.record for method in material.sound[:1] for part in method.parts] or [material.board.record]
    counts = sorted({len(record.subjects.train or ()) for record in records})
    return " or ".join(map(str, counts)) + (" a fold" if material.over_folds else "")


def _script_json(value: Any) -> Markup:
    """JSON that cannot end the script element that holds it, whatever the patients are called."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - every character that HTML reads is escaped
