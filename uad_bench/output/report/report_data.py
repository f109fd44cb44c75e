"""Data of a report: the boards, and the curves, per-patient metrics and style of each method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.board import Board, make_boards, name_left_out
from uad_bench.boards.comparable import comparable_groups
from uad_bench.boards.result import Result
from uad_bench.boards.row import Row
from uad_bench.boards.run_folder import read_result
from uad_bench.errors import ConfigError
from uad_bench.plugins.registry import baseline_methods, bound_methods
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord
from uad_bench.runs.tables import Curve, FrocCurve, Patients, read_curve, read_froc, read_patients

# Okabe and Ito (2008), safe for colour-blind readers; darkened where a thin line would be faint on white.
HUES = ("#0072B2", "#D55E00", "#009E73", "#B3579B", "#C08A00", "#3D9FDB", "#8C6BB1", "#A6462A")
GREYS = ("#6B7480", "#8A929C", "#6B7480", "#8A929C")
DASHES = ((), (6, 2), (2, 1.5), (6, 2, 1.5, 2))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True, slots=True)
class Style:
    """Style of one method.

    Attributes:
        colour: `#rrggbb`, readable on white and on black.
        dashes: lengths of lines and gaps in points; empty for a solid line.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str


def styles(baselines: Sequence[bool]) -> list[Style]:
    """One style per method; trivial baselines are grey and dashed."""
    drawn, taken, plain = [], 0, 0
    for baseline in baselines:
        if baseline:
            drawn.append(Style(GREYS[plain % len(GREYS)], DASHES[1 + plain % 3], MARKERS[plain % len(MARKERS)]))
            plain += 1
        else:
            cycle = taken // len(HUES)
            drawn.append(Style(HUES[taken % len(HUES)], DASHES[cycle % len(DASHES)], MARKERS[taken % len(MARKERS)]))
            taken += 1
    return drawn


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One fitted model, which determines the scale of scores: a run without folds, or one fold.

    Attributes:
        name: `fold0` and so on; empty for a run without folds.
        curve: metrics by threshold; None if no test patient has an anomaly.
        froc: lesion sensitivity and false alarms by threshold; None in a run of an older version.
    """

    name: str
    run: Run
    record: RunRecord
    curve: Curve | None
    froc: FrocCurve | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MethodData:
    """Data of one method.

    Attributes:
        run: the successful run with the lowest seed, whose maps and curves are shown; None for a failed method.
        parts: the folds of that run, or the run itself.
        patients: per-patient metrics, mean over seeds.
    """

    row: Row
    style: Style
    run: Run | None
    parts: tuple[Part, ...]
    patients: Patients

    @property
    def name(self) -> str:
        """The row's label."""
        return self.row.label

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The existing curves, one per part."""
        return tuple(part.curve for part in self.parts if part.curve is not None)

    def part_of(self, subject: str) -> Part | None:
        """The part that tested a patient; None if there is none."""
        return next((part for part in self.parts if subject in part.record.subjects.test), None)


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """Everything that the report shows except images.

    Attributes:
        boards: board of raw maps, followed by those of other post-processing chains.
        methods: in the order of the first board.
    """

    boards: tuple[Board, ...]
    methods: tuple[MethodData, ...]

    @property
    def board(self) -> Board:
        """The board of raw maps."""
        return self.boards[0]

    @property
    def sound(self) -> tuple[MethodData, ...]:
        """Methods with results."""
        return tuple(method for method in self.methods if method.row.sound)

    @property
    def over_folds(self) -> bool:
        """Whether metrics are means over folds."""
        return bool(self.board.record.n_folds)

    @property
    def patients(self) -> tuple[str, ...]:
        """Test patients."""
        return self.board.record.subjects.test

    def by_patient(self, column: str) -> NDArray[np.float64]:
        """Per-patient values (M, n) of the methods with results, in the order of `patients`; NaN where missing."""
        table = np.full((len(self.sound), len(self.patients)), np.nan)
        place = {name: i for i, name in enumerate(self.patients)}
        for m, method in enumerate(self.sound):
            values = method.patients.values.get(column, np.full(len(method.patients.names), np.nan))
            for name, value in zip(method.patients.names, values, strict=True):
                if name in place:
                    table[m, place[name]] = value
        return table


def gather_report_data(runs: Sequence[Run]) -> ReportData:
    """Read the records and tables of runs; seeds of a method are averaged.

    Raises:
        ConfigError: there are no runs.
        VerificationError: a run was changed after it was written.
    """
    if not runs:
        raise ConfigError("a report needs at least one run; see uad-bench list runs")
    by_name: dict[str, Run] = {}
    results: list[Result] = []
    for run in runs:
        result = read_result(run)
        by_name[result.name] = run
        results.append(result)
    boards = _boards(results)
    rows = (*boards[0].ordered, *boards[0].bounds)
    drawn = styles([row.baseline for row in rows])
    return ReportData(boards, tuple(_method(row, style, by_name) for row, style in zip(rows, drawn, strict=True)))


def _boards(results: Sequence[Result]) -> tuple[Board, ...]:
    """Boards of the largest group of comparable runs; the caption lists the others."""
    group, *others = comparable_groups(results)
    present = {result.method for result in group.results}
    trivial = [name for name in baseline_methods() if name in present]
    raw, *after = make_boards(group.results, baselines=trivial, bounds=bound_methods())
    left_out = name_left_out(others, "more or newer runs share another table")
    return replace(raw, left_out=left_out), *after


def _method(row: Row, style: Style, runs: Mapping[str, Run]) -> MethodData:
    sound = [runs[result.name] for result in row.sound]
    return MethodData(
        row=row,
        style=style,
        run=sound[0] if sound else None,
        parts=_parts(sound[0]) if sound else (),
        patients=_mean_over_seeds([read_patients(run) for run in sound]),
    )


def _parts(run: Run) -> tuple[Part, ...]:
    runs = run.folds or (run,)
    return tuple(
        Part(one.path.name if run.folds else "", one, one.read_record(), read_curve(one), read_froc(one))
        for one in runs
    )


def _mean_over_seeds(seeds: Sequence[Patients]) -> Patients:
    if len(seeds) < 2:
        return seeds[0] if seeds else Patients((), {})
    shared = [key for key in seeds[0].values if all(key in seed.values for seed in seeds)]
    values = {key: np.mean([seed.values[key] for seed in seeds], axis=0) for key in shared}
    return Patients(seeds[0].names, values, seeds[0].reasons)
