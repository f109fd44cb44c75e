"""Over folds each fold has its line and its operating points, and their mean is drawn only where it is one."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from uad_bench.output.report.curve_plots import draw_dice, draw_precision_recall, draw_roc, mean_line
from uad_bench.output.report.report_data import gather_report_data
from uad_bench.runs.tables import read_curve


def lines_of(draw, report_data, method):
    """Thin and bold lines of a method, and its single markers."""
    axes = Figure().add_subplot()
    draw(axes, report_data)
    ours = [line for line in axes.get_lines() if line.get_color() == method.style.colour]
    long = [line for line in ours if len(line.get_xdata()) > 1]
    markers = [line for line in ours if len(line.get_xdata()) == 1]
    return (
        [line for line in long if line.get_linewidth() < 1],
        [line for line in long if line.get_linewidth() > 1],
        markers,
    )


@pytest.fixture(scope="module")
def folded(folded_runs):
    return gather_report_data(folded_runs)


def test_the_mean_line_is_drawn_where_every_line_has_a_value():
    lines = [(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0])), (np.array([0.2, 0.8]), np.array([1.0, 1.0]))]
    x, y = mean_line(lines, 4)
    assert x.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert y.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.9])


@pytest.mark.parametrize("draw", [draw_precision_recall, draw_roc, draw_dice])
def test_each_fold_has_a_thin_line_and_all_a_bold_one(draw, folded):
    thin, bold, _ = lines_of(draw, folded, folded.sound[0])
    assert (len(thin), len(bold)) == (2, 1)


def test_a_thin_line_is_the_sweep_of_its_fold(folded, folded_runs):
    run = next(run for run in folded_runs if folded.sound[0].name in str(run.path))
    thin, _, _ = lines_of(draw_precision_recall, folded, folded.sound[0])
    for line, fold in zip(thin, run.folds, strict=True):
        assert line.get_ydata().tolist() == read_curve(fold).precision.tolist()


def test_every_fold_has_its_own_operating_points(folded):
    _, _, markers = lines_of(draw_dice, folded, folded.sound[0])
    drawn = {(round(m.get_xdata()[0], 9), round(m.get_ydata()[0], 9)) for m in markers}
    for part in folded.sound[0].parts:
        found = {row.name: row.value for row in part.record.metrics
                 if row.policy == "hFPR5" and row.aggregation == "pooled"}  # fmt: skip
        assert (round(found["fpr"], 9), round(found["dice"], 9)) in drawn


def test_without_the_curve_of_a_fold_there_is_no_mean_over_folds(folded):
    method, other = folded.sound
    lacking = replace(method, parts=(method.parts[0], replace(method.parts[1], curve=None)))
    thin, bold, _ = lines_of(draw_roc, replace(folded, methods=(lacking, other)), method)
    assert (len(thin), len(bold)) == (1, 0)


def test_a_run_without_folds_is_one_line(many_runs):
    report_data = gather_report_data(many_runs)
    method = next(method for method in report_data.sound if method.name == "ae")
    thin, bold, _ = lines_of(draw_roc, report_data, method)
    assert (len(thin), len(bold)) == (0, 1)
