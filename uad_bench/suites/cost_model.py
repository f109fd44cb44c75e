"""What a matrix of runs would take on machines that are not here: `python -m uad_bench.suites.cost_model FILE`.

seconds of a cell = overhead + training operations / rate + scoring operations / rate + volumes x harness's seconds

Operations come from counting, the harness's seconds and bytes from measuring, the rate of a GPU from an assumption.
"""

import heapq
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BACKWARD = 3.0  # a training step does the work of three forward passes: one forward, two back
GIGA, TIB = 1e9, 2**40
RATES_TFLOPS = (10.0, 40.0, 100.0)
GPUS = (1, 8, 64)


@dataclass(frozen=True, slots=True)
class Work:
    """What one method does.

    Attributes:
        train_gflop_per_slice: forward and backward.
        calls_per_slice: network calls to score a slice.
    """

    steps: int
    batch_size: int
    train_gflop_per_slice: float
    calls_per_slice: float

    @property
    def training_gflop(self) -> float:
        """All steps."""
        return self.steps * self.batch_size * self.train_gflop_per_slice

    def scoring_gflop(self, slices: int) -> float:
        """All network calls for so many slices."""
        return slices * self.calls_per_slice * self.train_gflop_per_slice / BACKWARD


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix of runs.

    Attributes:
        runs: pairs x seeds, for each method.
        volumes: patients that a run scores and evaluates.
        slices: scored slices a volume.
    """

    runs: int
    volumes: int
    slices: float


@dataclass(frozen=True, slots=True)
class Harness:
    """Measured seconds that no faster GPU saves: of a cell, and of a volume."""

    cell_s: float
    store_s: float
    evaluate_s: float

    def seconds(self, volumes: int) -> float:
        """Of one run."""
        return self.cell_s + volumes * (self.store_s + self.evaluate_s)


def cell_seconds(work: Work, matrix: Matrix, harness: Harness, *, tflops: float) -> float:
    """Wall seconds of one run on one GPU that sustains `tflops`."""
    gflop = work.training_gflop + work.scoring_gflop(round(matrix.volumes * matrix.slices))
    return gflop / (tflops * 1e3) + harness.seconds(matrix.volumes)


def makespan(seconds: Iterable[float], machines: int) -> float:
    """Wall seconds of independent cells on so many machines, longest first to whoever is free."""
    free = [0.0] * machines
    for cell in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + cell)
    return max(free)


def map_bytes(matrix: Matrix, *, bytes_per_volume: float) -> float:
    """Score maps of one run."""
    return matrix.volumes * bytes_per_volume


def tables(measured: Mapping[str, Any]) -> str:
    """All tables of the page, in Markdown."""
    parts = (work_table, time_table, method_table, storage_table, board_table)
    return "\n\n".join(_markdown(*part(measured)) for part in parts)


Table = tuple[Sequence[str], Iterable[Sequence[str]]]


def work_table(measured: Mapping[str, Any]) -> Table:
    """What each method does, and how fast the measuring machine did it."""
    head = ("method", "size", "steps x batch", "training GFLOP a slice", "calls a slice", "GFLOP/s on one core")
    return head, (
        (
            name,
            str(m["size"]),
            f"{m['steps']:,} x {m['batch_size']}",
            f"{m['train_gflop_per_slice']:,.1f}",
            f"{m['calls_per_slice']:,}",
            f"{m['train_gflop_per_slice'] / m['train_cpu_s_per_slice']:,.0f}",
        )
        for name, m in measured["methods"].items()
    )


def time_table(measured: Mapping[str, Any]) -> Table:
    """Days of the whole matrix by rate and number of GPUs."""
    head = ("matrix", "TFLOP/s a GPU", *(f"{n} GPU{'s' * (n > 1)}, days" for n in GPUS), "harness's share")
    return head, _time_rows(measured)


def method_table(measured: Mapping[str, Any]) -> Table:
    """Hours of one run of each method at the middle rate."""
    matrices, rate = _matrices(measured), RATES_TFLOPS[1]
    head = ("method", "training", *(f"scoring, {name}" for name in matrices))
    rows = []
    for name, work in _works(measured).items():
        spent = [work.training_gflop, *(work.scoring_gflop(round(m.volumes * m.slices)) for m in matrices.values())]
        rows.append((name, *(f"{gflop / (rate * 1e3) / 3600:,.2f} h" for gflop in spent)))
    return head, rows


def storage_table(measured: Mapping[str, Any]) -> Table:
    """Score maps of whole volumes by how they are kept."""
    matrix = _matrices(measured)["volumes"]
    runs = matrix.runs * len(measured["methods"])
    head = ("kept as", "a volume, MB", "a run, GB", f"{runs} runs, TiB")
    return head, (
        (
            kind.replace("_", ", "),
            f"{size / 1e6:.1f}",
            f"{map_bytes(matrix, bytes_per_volume=size) / GIGA:.1f}",
            f"{runs * map_bytes(matrix, bytes_per_volume=size) / TIB:.2f}",
        )
        for kind, size in measured["volume"]["map_bytes"].items()
    )


def board_table(measured: Mapping[str, Any]) -> Table:
    """Seconds of building a leaderboard."""
    head = ("methods", "write rows, s", "read rows, s", "rank, s", "write tables, s", "files, MiB")
    return head, ([f"{row[0]:,.0f}", *(f"{value:.1f}" for value in row[1:])] for row in measured["boards"])


def _time_rows(measured: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    works, harness = _works(measured).values(), Harness(**measured["harness"])
    for name, matrix in _matrices(measured).items():
        fixed = len(works) * matrix.runs * harness.seconds(matrix.volumes)
        for rate in RATES_TFLOPS:
            cells = [cell_seconds(w, matrix, harness, tflops=rate) for w in works for _ in range(matrix.runs)]
            days = (f"{makespan(cells, n) / 86400:,.1f}" for n in GPUS)
            yield name, f"{rate:.0f}", *days, f"{fixed / sum(cells):.1%}"


def _works(measured: Mapping[str, Any]) -> dict[str, Work]:
    keys = ("steps", "batch_size", "train_gflop_per_slice", "calls_per_slice")
    return {name: Work(**{key: m[key] for key in keys}) for name, m in measured["methods"].items()}


def _matrices(measured: Mapping[str, Any]) -> dict[str, Matrix]:
    return {name: Matrix(**m) for name, m in measured["matrices"].items()}


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ruler, *rows))


def main() -> None:
    """Print the tables."""
    sys.stdout.write(tables(json.loads(Path(sys.argv[1]).read_text())) + "\n")


if __name__ == "__main__":
    main()
