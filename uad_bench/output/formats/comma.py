"""Tables as CSV: one header, one row per method, unrounded values."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from uad_bench.boards.sheet import Sheet
from uad_bench.console import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(sheets: Sequence[Sheet]) -> str:
    """The rows of all sheets under one header; the column `table` contains the title of their sheet."""
    rows = table_rows(sheets)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: _field(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def table_rows(sheets: Sequence[Sheet]) -> list[dict[str, Any]]:
    """The unrounded values of all cells; unknown ones are None."""
    return [
        {"table": sheet.title, **{name: value for cell in row for name, value in cell.values}}
        for sheet in sheets
        for row in sheet.rows
    ]


def _field(value: Any) -> Any:
    """Exact numbers, and text that spreadsheets do not interpret as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        shown = visible(value)
        return f"'{shown}" if shown.startswith(_FORMULA) else shown
    return repr(value)
