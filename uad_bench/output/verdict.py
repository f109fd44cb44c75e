"""The answer in one sentence: of a run against the baselines beside it, and of a leaderboard."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from uad_bench.boards.board import Board
from uad_bench.boards.comparison import CLAIMED_SEEDS, PairComparison, compare
from uad_bench.boards.ranking import AUPRC, LEVEL
from uad_bench.boards.row import Row
from uad_bench.metrics.significance import p_text
from uad_bench.metrics.uncertainty import t_interval
from uad_bench.output.methods_paragraph import listed
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord

KEY = "auprc@all/pooled"


def verdict(records: Sequence[RunRecord], runs: Path) -> str:
    """A sentence on the last record against the others, which are the baselines; empty where they cannot be compared.

    Args:
        runs: the runs folder, with their replicates and metrics per patient.
    """
    comparable = [record for record in records if record.jackknife and KEY in record.jackknife.metrics]
    if len(comparable) < 2 or comparable[-1] is not records[-1]:
        return ""
    *baselines, main = comparable
    strongest = max(baselines, key=lambda record: record.value("auprc") or 0.0)
    (pair,) = compare([Run(runs / main.run), Run(runs / strongest.run)]).pairs
    return _sentence(pair, main, strongest.method.name)


def _sentence(pair: PairComparison, main: RunRecord, baseline: str) -> str:
    name = main.method.name
    sign = 1 if pair.second == baseline else -1
    low, high = sorted((sign * pair.low, sign * pair.high))
    relation = "not significantly better" if not pair.shown else "significantly " + ("better", "worse")[sign < 0]
    numbers = f"{sign * pair.difference:+.3f} AUPRC [{low:.3f}, {high:.3f}], {p_text(pair.p)}"
    return f"{name} is {relation} than {baseline}, the strongest baseline here: {numbers}{_reservation(pair, main)}."


def _reservation(pair: PairComparison, main: RunRecord) -> str:
    """How many patients are lacking for a difference that is not significant; for others, the seeds lacking."""
    if pair.shown:
        return f"; run at least {CLAIMED_SEEDS} seeds before claiming it" if main.method.fit else ""
    lacking = (pair.patients_needed or 0) - pair.n_patients
    return f"; about {lacking} more patients would be needed to show a difference of this size" if lacking > 0 else ""


MOST = 3  # methods named


def headline(board: Board) -> str:
    """Which methods are significantly better than the strongest untrained baseline; empty if they are not compared."""
    baseline = board.best_baseline
    methods = [row for row in board.ranking.rows if not row.baseline]
    if baseline is None or board.ranking.reason or not methods:
        return ""
    placed = [(row, board.placement(row)) for row in methods]
    better = [row for row, place in placed if place.better and place.p is not None and place.p < LEVEL]
    against = f"the strongest untrained baseline ({baseline.label})"
    if not better:
        return f"No method is significantly better than {against}; {_difference(board, methods[0], baseline)}."
    labels = [row.label for row in better]
    names = listed(labels if len(labels) <= MOST else [*labels[:MOST], f"{len(labels) - MOST} more"])
    verb = "is" if len(better) == 1 else "are"
    differences = "; ".join(_difference(board, row, baseline) for row in better[:MOST])
    return f"{names} {verb} significantly better than {against}: {differences}."


def _difference(board: Board, row: Row, baseline: Row) -> str:
    """`mmccd +0.008 AUPRC [-0.010, 0.024], p = 0.51`."""
    metric = AUPRC.in_chain(board.chain)
    one, other = row.number(metric).value, baseline.number(metric).value
    assert one is not None
    assert other is not None
    first, second = row.replicates(metric), baseline.replicates(metric)
    interval = ""
    if first is not None and second is not None:
        ends = t_interval(one - other, first - second, n_patients=len(board.record.subjects.test))
        interval = "" if ends.undefined else f" [{ends.low:.3f}, {ends.high:.3f}]"
    p = board.placement(row).p
    return f"{row.label} {one - other:+.3f} AUPRC{interval}{'' if p is None else f', {p_text(p)}'}"


def next_steps(record: RunRecord, runs: Path, plugins: Sequence[Path] = ()) -> Iterator[str]:
    """The command to type after a run; for a method that failed, also where its traceback is."""
    if record.status != "failed":
        yield f"Next: uad-bench report --task {record.task.name} -o report.html"
        return
    name, origin = record.method.name, record.method.origin
    yield from (f"Traceback and output: {log}" for log in sorted((runs / record.run).rglob("method.log")))
    if origin != "command":
        yield f"Next: uad-bench check-method {next((file for file in plugins if file.name == origin), name)}"
