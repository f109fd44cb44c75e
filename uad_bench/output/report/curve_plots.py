"""Figures of curves over thresholds. With folds: one thin line per fold, and their mean at equal x."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.output.report.report_data import MethodData, ReportData
from uad_bench.runs.tables import Curve

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x, ascending, and y."""

CURVE_POINTS = 220  # of one line in a figure
POLICY_MARKERS = {"hFPR1": "<", "hFPR5": "o", "valDice": "s", "oracle": "*"}
NEUTRAL = "#6B7480"


def draw_precision_recall(axes: Any, report_data: ReportData) -> None:
    """Precision against sensitivity, with the prevalence, which is the AUPRC of an uninformative map."""
    _draw_lines(axes, report_data, lambda curve: (curve.sensitivity, curve.precision))
    prevalence = report_data.board.record.value("prevalence")
    if prevalence:
        axes.axhline(prevalence, color="#8A929C", linewidth=0.8, dashes=(2, 2))
        below = prevalence > 0.06  # there the area below has few lines
        axes.annotate("prevalence", (0.99, prevalence), xytext=(0, -3 if below else 3), ha="right", fontsize=8,
                      va="top" if below else "bottom", textcoords="offset points", color=NEUTRAL)  # fmt: skip
    axes.set(xlabel="sensitivity", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))


def draw_roc(axes: Any, report_data: ReportData) -> None:
    """Sensitivity against false-positive rate, including both end points."""
    _draw_lines(axes, report_data, lambda curve: (_with_ends(curve.fpr), _with_ends(curve.sensitivity)))
    axes.plot([0, 1], [0, 1], color="#8A929C", linewidth=0.8, dashes=(2, 2))
    axes.set(xlabel="false-positive rate", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.02))


def draw_dice(axes: Any, report_data: ReportData) -> None:
    """Dice against false-positive rate on a logarithmic scale, with the operating points."""
    axes.set_xscale("log")
    _draw_lines(axes, report_data, _dice_line, back=lambda x: 10**x)
    for method in _with_curves(report_data):
        _mark_operating_points(axes, method)
    handles = [
        axes.plot([], [], marker=marker, linestyle="none", color=NEUTRAL, label=policy,
                  markerfacecolor="none" if policy == "oracle" else NEUTRAL)[0]
        for policy, marker in POLICY_MARKERS.items()
    ]  # fmt: skip
    axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=9, title="operating points",
                title_fontsize=9, alignment="left")  # fmt: skip
    axes.set(xlabel="false-positive rate at the threshold (higher thresholds to the left)",
             ylabel="pooled Dice", ylim=(0, 1))  # fmt: skip
    axes.set_xlim(left=max(axes.get_xlim()[0], 1e-5), right=1)
    plain_powers(axes)


def draw_alarms(axes: Any, report_data: ReportData) -> None:
    """Lesion sensitivity against the share of lesion-free slices with an alarm."""
    for method in report_data.sound:
        curves = [part.froc for part in method.parts if part.froc is not None]
        for froc in curves:
            _line(axes, method, froc.slice_alarm_rate, froc.lesion_sensitivity, thin=len(curves) > 1)
    axes.axvline(0.1, color="#8A929C", linewidth=0.8, dashes=(2, 2))
    axes.set(xlabel="slice alarm rate", ylabel="lesion sensitivity", xlim=(0, 1), ylim=(0, 1.02))


def has_froc(report_data: ReportData) -> bool:
    """Whether any method has a curve of lesions and alarms that is defined."""
    curves = [part.froc for method in report_data.sound for part in method.parts if part.froc is not None]
    return any(np.isfinite(curve.slice_alarm_rate + curve.lesion_sensitivity).any() for curve in curves)


def has_curves(report_data: ReportData) -> bool:
    """Whether any method has a curve."""
    return bool(_with_curves(report_data))


def plain_powers(axes: Any) -> None:
    """Label powers of ten as decimals, because mathematical text is disabled."""
    from matplotlib.ticker import NullFormatter

    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def mean_line(lines: Sequence[Line], points: int) -> Line:
    """Mean of several lines over the range of x that all cover, as x and y of shape (points,)."""
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    places = np.linspace(low, high, points)
    return places, np.mean([np.interp(places, x, y) for x, y in lines], axis=0)


def _with_curves(report_data: ReportData) -> list[MethodData]:
    """Methods with curves; baselines first, so that they are drawn below the others."""
    return sorted((m for m in report_data.sound if m.curves), key=lambda method: not method.row.baseline)


def _draw_lines(
    axes: Any,
    report_data: ReportData,
    line_of: Callable[[Curve], Line],
    back: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda x: x,
) -> None:
    """Draw the lines of every method; `back` converts x from the scale used for means to that of the axes."""
    for method in _with_curves(report_data):
        lines = [line_of(curve.thinned(2 * CURVE_POINTS)) for curve in method.curves]
        alone = len(method.parts) == 1
        for x, y in lines:
            _line(axes, method, back(x), y, thin=not alone)
        if not alone and len(lines) == len(method.parts):  # no mean over folds if a fold is missing
            x, y = mean_line(lines, CURVE_POINTS)
            _line(axes, method, back(x), y)


def _line(axes: Any, method: MethodData, x: NDArray[np.float64], y: NDArray[np.float64], *, thin: bool = False) -> None:
    width = 1.3 if method.row.baseline else 1.9
    (line,) = axes.plot(x, y, color=method.style.colour, linewidth=0.7 if thin else width, alpha=0.5 if thin else 1,
                        zorder=1.5 if thin else 2)  # fmt: skip
    if method.style.dashes and not thin:
        line.set_dashes(method.style.dashes)


def _with_ends(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate(([0.0], rates, [1.0]))


def _dice_line(curve: Curve) -> Line:
    shown = curve.fpr > 0
    return np.log10(curve.fpr[shown]), curve.dice[shown]


def _mark_operating_points(axes: Any, method: MethodData) -> None:
    small = len(method.parts) > 1
    for part in method.parts:
        for policy, marker in POLICY_MARKERS.items():
            fpr, dice = (part.record.value(name, policy) for name in ("fpr", "dice"))
            if fpr and dice is not None:
                hollow = policy == "oracle"
                size = (9 if hollow else 6.5) * (0.65 if small else 1)
                axes.plot(fpr, dice, marker=marker, markersize=size, color=method.style.colour, zorder=5,
                          markerfacecolor="none" if hollow else method.style.colour, linestyle="none")  # fmt: skip
