"""Tables of a board."""

from collections.abc import Sequence

from uad_bench.boards.board import Board
from uad_bench.boards.row import Row
from uad_bench.boards.sheet import Sheet
from uad_bench.output.caption import caption, short_caption
from uad_bench.output.columns import COSTS, HARDWARE, BoardColumn, columns_of

CHAINS = {"none": "raw maps", "common": "common post-processing"}
COST_NOTES = (
    "Time and memory are means over seeds as the method's process measured them, scoring without the first patient.",
    "verified: built, every score map had its digest when the board was built; here, the maps are on this machine.",
)


def board_sheets(
    board: Board, *, apart: bool = False, further: Sequence[str] = (), short: bool = False
) -> tuple[Sheet, ...]:
    """The ranked table and, in a separate table, the upper bounds that saw labels.

    Args:
        board: the board to show.
        apart: show costs in a separate table.
        further: additional metrics, such as `specificity@hFPR5`.
        short: one note for a paper instead of all.
    """
    columns = columns_of(board, further)
    title = f"{board.record.task.name}: {CHAINS.get(board.chain, board.chain)}"
    title += f", {board.apart}" if board.apart else ""
    main = _sheet(title, board, board.ordered, columns, short_caption(board) if short else caption(board))
    sheets = _split(main, costs=board.chain == "none") if apart else (main,)
    if not board.bounds:
        return sheets
    note = "Trained with labels; what is possible on these data, not a competitor. Never ranked."
    return *sheets, _sheet(f"{title}, upper bounds", board, board.bounds, columns, (note,))


def _split(sheet: Sheet, *, costs: bool) -> tuple[Sheet, ...]:
    """Metrics in one table and, if wanted, costs and provenance in another; post-processing does not change these."""
    cost_headings = {column.column.heading for column in (*COSTS, *HARDWARE)}
    metric_columns = [i for i, column in enumerate(sheet.columns) if column.heading not in cost_headings]
    cost_columns = [i for i, column in enumerate(sheet.columns) if column.heading in {*cost_headings, "method"}]
    metrics = _only(sheet, metric_columns, sheet.title, sheet.notes)
    return (metrics, _only(sheet, cost_columns, "Cost and provenance", COST_NOTES)) if costs else (metrics,)


def _only(sheet: Sheet, chosen: Sequence[int], title: str, notes: tuple[str, ...]) -> Sheet:
    rows = tuple(tuple(row[i] for i in chosen) for row in sheet.rows)
    return Sheet(title, tuple(sheet.columns[i] for i in chosen), rows, notes)


def _sheet(
    title: str, board: Board, rows: Sequence[Row], columns: Sequence[BoardColumn], notes: tuple[str, ...]
) -> Sheet:
    return Sheet(
        title=title,
        columns=tuple(c.column for c in columns),
        rows=tuple(tuple(c.fill(board, row) for c in columns) for row in rows),
        notes=notes,
    )
