"""Leaderboards as files: built from runs, extended by single runs, and rebuilt from their stored rows."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any, Self

from uad_bench.boards.board import Board, assemble_boards, choose_groups, name_left_out
from uad_bench.boards.comparable import require_comparable
from uad_bench.boards.overall import compare_over_tasks
from uad_bench.boards.overall_result import Overall
from uad_bench.boards.reported import beside_reported, read_tables
from uad_bench.boards.result import Result
from uad_bench.boards.run_folder import complete as complete_run
from uad_bench.boards.run_folder import read_result, read_results
from uad_bench.boards.sheet import Sheet
from uad_bench.boards.storage import read_stored, store_results
from uad_bench.errors import ConfigError
from uad_bench.evaluation.rescore import Crossing, crosswalk
from uad_bench.files import safe_name, write_json, write_text
from uad_bench.method import Report
from uad_bench.output.formats import escape_markdown, markdown_text
from uad_bench.output.render import board_sheets
from uad_bench.plugins.registry import baseline_methods, bound_methods
from uad_bench.resources import resource_path
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run, find_runs


class BoardComparison(Document):
    """Ranks and p-values of one board; unknown ones are None, and numbers have six significant digits.

    Attributes:
        rows: labels of the ranked rows, best first; the other lists follow their order.
        ranks: first and last rank of each row.
        rank_intervals: 95 % interval of the ranks over replicates.
        p_first: proportion of the replicates in which a row ranks first.
        yardstick: the strongest untrained baseline; `p_yardstick` has the p-values of the differences to it.
        kendall_tau: mean agreement of the ranking with those of the replicates.
        unknown: why ranks and p-values are unknown.
    """

    chain: str
    quantity: str
    rows: tuple[str, ...]
    ranks: tuple[tuple[int, int] | None, ...]
    rank_intervals: tuple[tuple[int, int] | None, ...]
    p_first: tuple[float | None, ...]
    p_pairs: tuple[tuple[float | None, ...], ...]
    yardstick: str | None
    p_yardstick: tuple[float | None, ...]
    kendall_tau: float | None
    unknown: str | None

    @classmethod
    def of(cls, board: Board) -> Self:
        """The document of one board."""
        ranking = board.ranking
        return cls(
            chain=board.chain,
            quantity="auprc",
            rows=tuple(row.label for row in ranking.rows),
            ranks=tuple(None if r is None else (r.first, r.last) for r in ranking.ranges),
            rank_intervals=ranking.intervals,
            p_first=tuple(map(_number, ranking.first)),
            p_pairs=tuple(tuple(map(_number, row)) for row in ranking.p),
            yardstick=board.best_baseline.label if board.best_baseline else None,
            p_yardstick=tuple(map(_number, board.best_baseline_p)),
            kendall_tau=_number(ranking.tau),
            unknown=ranking.reason,
        )


def _number(value: float) -> float | None:
    """Six significant digits, because further ones differ between processors; None for NaN."""
    return None if isnan(value) else float(f"{value:.6g}")


SHIPPED = "leaderboards"


def find_sheets(
    runs: Path, task: str, *, apart: bool = False, further: Sequence[str] = (), short: bool = False
) -> tuple[tuple[Sheet, ...], str]:
    """A task's tables and their origin: its runs, else the leaderboard shipped with the package.

    Args:
        task: its name, or the path of its TOML file.
        apart: show costs in a separate table.
        further: additional metrics, such as `specificity@hFPR5`.
        short: one note for a paper instead of all.
    """
    name = Path(task).stem if task.endswith(".toml") else task
    boards, origin = find_boards(runs, name)
    shipped = resource_path(SHIPPED) / name
    return all_sheets(boards, shipped, apart=apart, further=further, short=short), origin


def find_boards(runs: Path, task: str) -> tuple[tuple[Board, ...], str]:
    """A task's boards and their origin: its runs, else the leaderboard shipped with the package."""
    shipped = resource_path(SHIPPED) / task
    if find_runs(runs, task) or not shipped.is_dir():
        return boards_of(read_results(runs, task)), str(runs)
    return stored_boards(shipped), f"the leaderboard shipped as {SHIPPED}/{task}.md"


def compare_tasks(runs: Path, tasks: Sequence[str] = ()) -> tuple[Overall, str]:
    """Methods compared over several tasks, and where the boards come from.

    Args:
        tasks: names of tasks; by default all with runs or, with fewer than two of these, all shipped leaderboards.
    """
    own = sorted({run.path.parent.parent.name for run in find_runs(runs)})
    shipped = sorted(path.name for path in resource_path(SHIPPED).iterdir() if any(path.glob("*-seed*.json")))
    chosen = tasks or (own if len(own) > 1 else shipped)
    found = {task: find_boards(runs, task) for task in dict.fromkeys(chosen)}
    boards = {task: boards[0] for task, (boards, _) in found.items() if boards}
    origins = {origin if origin == str(runs) else "the shipped leaderboards": None for _, origin in found.values()}
    return compare_over_tasks(boards), " and ".join(origins)


def boards_of(results: Sequence[Result]) -> tuple[Board, ...]:
    """Boards with the baselines and upper bounds declared in the shipped configuration."""
    return assemble_boards(results, baselines=baseline_methods(), bounds=bound_methods())


def stored_boards(folder: Path) -> tuple[Board, ...]:
    """Boards of a stored leaderboard, if it has rows; it may lack baselines declared after it was built."""
    if not any(folder.glob("*-seed*.json")):
        return ()
    results = read_stored(folder)
    held = {result.method for result in results}
    return assemble_boards(results, baselines=held.intersection(baseline_methods()), bounds=bound_methods())


def all_sheets(
    boards: Sequence[Board], folder: Path, *, apart: bool = False, further: Sequence[str] = (), short: bool = False
) -> tuple[Sheet, ...]:
    """Measured tables first, then those reported in papers."""
    measured = [sheet for board in boards for sheet in board_sheets(board, apart=apart, further=further, short=short)]
    return (*measured, *(table.sheet for table in read_tables(folder / "reported.toml")))


def crosswalk_run(
    run: Run, protocols: Sequence[str], *, data: Path | None = None, report: Report = lambda _: None
) -> list[Crossing]:
    """The cross-walk of a run, beside the numbers that papers report for its method under the same protocols."""
    files = sorted(resource_path(SHIPPED).glob("*/reported.toml"))
    tables = [table for path in files for table in read_tables(path)]
    return beside_reported(crosswalk(run, protocols, data=data, report=report), run.read_record(), tables)


def build_board(
    runs: Path,
    task: str,
    output: Path,
    *,
    data: Path | None = None,
    complete: bool = True,
    report: Report = lambda _: None,
) -> list[Path]:
    """Write a task's leaderboard from its runs; returns the written files, the table first.

    A stored leaderboard contains one group of comparable runs: the largest or, of equally large ones, the newest.

    Args:
        task: its name, or the path of its TOML file.
        complete: compute missing lesion metrics and post-processed scores first, which takes seconds per patient.

    Raises:
        VerificationError: a record or a score map was changed after it was written.
        ConfigError: a baseline is missing; nothing was written.
    """
    name = safe_name(Path(task).stem if task.endswith(".toml") else task, "task")
    boards_of(read_results(runs, name, verify=True))  # raises errors before the long computation
    for run in find_runs(runs, name) if complete else ():
        complete_run(run, data=data, report=report)
    (largest, *_), _ = choose_groups(read_results(runs, name, verify=True), baselines=baseline_methods())
    return _publish(largest.results, output / name)


def left_out(runs: Path, task: str) -> str:
    """A sentence that lists the runs that `build_board` leaves out; empty if there are none."""
    results = read_results(runs, Path(task).stem if task.endswith(".toml") else task)
    (_, *smaller), others = choose_groups(results, baselines=baseline_methods())
    return name_left_out([*smaller, *others], "more or newer runs share another table")


def add_run(run: Run, output: Path) -> Path:
    """Add one run to a stored leaderboard and rewrite its tables; returns the table.

    It replaces the run with the same method, settings and seed, if there is one.

    Raises:
        ConfigError: the run is not comparable with the existing rows; nothing was written.
    """
    result = read_result(run, verify=True)
    folder = output / safe_name(result.record.task.name, "task")
    others = read_stored(folder) if any(folder.glob("*-seed*.json")) else []
    require_comparable([*others, result])
    return _publish([*others, result], folder)[0]


def _publish(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write rows and tables, then remove replaced rows."""
    kept = [result for row in boards_of(results)[0].rows for result in row.results]
    rows = store_results(kept, folder)
    for old in {*folder.glob("*-seed*.json")} - {*rows}:
        old.unlink()
        old.with_suffix(".npy").unlink(missing_ok=True)
    return [*write_tables(folder), *rows]


def write_tables(folder: Path) -> list[Path]:
    """Write `<task>.md` and `comparison.json` from the stored rows and the reported results."""
    texts = tables(folder)
    table, comparison = folder.with_suffix(".md"), folder / "comparison.json"
    write_text(table, texts[0])
    write_json(comparison, texts[1])
    return [table, comparison]


def tables(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """The text of `<task>.md` and the content of `comparison.json`, from a stored leaderboard alone."""
    boards = stored_boards(folder)
    sheets = all_sheets(boards, folder, apart=True)
    if not sheets:
        raise ConfigError(f"{folder}: no rows and no reported.toml; build it with: uad-bench leaderboard build")
    name = folder.name
    head = f"# {escape_markdown(name)}\n\nGenerated by `uad-bench leaderboard build --task {name}`; do not edit.\n\n"
    commands = "\n".join(result.command for board in boards[:1] for row in board.ordered for result in row.results)
    reproduce = f"\n## Reproduce\n\n```sh\n{commands}\n```\n" if commands else ""
    page = head + markdown_text(sheets) + reproduce
    return page, [BoardComparison.of(board).to_json() for board in boards]
