"""A board as sheets."""

from collections.abc import Sequence

from uad_bench.boards.board import Board
from uad_bench.boards.caption import caption
from uad_bench.boards.columns import BoardColumn, columns_of
from uad_bench.boards.row import Row
from uad_bench.boards.sheet import Sheet

CHAINS = {"none": "raw maps", "common": "common post-processing"}


def board_sheets(board: Board) -> tuple[Sheet, ...]:
    """The ranked table, and apart from it the bounds that saw labels."""
    columns = columns_of(board)
    title = f"{board.record['task']['name']}: {CHAINS.get(board.chain, board.chain)}"
    main = _sheet(title, board, board.ordered, columns, caption(board))
    if not board.bounds:
        return (main,)
    note = "Trained with labels; what is possible on these data, not a competitor. Never ranked."
    return main, _sheet(f"{title}, upper bounds", board, board.bounds, columns, (note,))


def _sheet(
    title: str, board: Board, rows: Sequence[Row], columns: Sequence[BoardColumn], notes: tuple[str, ...]
) -> Sheet:
    return Sheet(
        title=title,
        columns=tuple(c.column for c in columns),
        rows=tuple(tuple(c.fill(board, row) for c in columns) for row in rows),
        notes=notes,
    )
