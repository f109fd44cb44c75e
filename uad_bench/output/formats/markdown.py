"""Tables as GitHub-flavoured Markdown."""

import re
from collections.abc import Sequence

from uad_bench.boards.sheet import Cell, Sheet
from uad_bench.console import visible

_SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")


def markdown_text(sheets: Sequence[Sheet]) -> str:
    """One section per sheet: heading, table and notes."""
    return "\n\n".join(_section(sheet) for sheet in sheets) + "\n"


def escape(text: str) -> str:
    """`text` as plain text on one line, without markup or HTML."""
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain)


def _section(sheet: Sheet) -> str:
    head = "| " + " | ".join(escape(column.heading) for column in sheet.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else ":---" for column in sheet.columns) + "|"
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in sheet.rows]
    notes = "\n".join(f"- {escape(note)}" for note in sheet.notes)
    return "\n".join([f"## {escape(sheet.title)}", "", head, rule, *rows, "", notes]).rstrip()


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.tone in {"best", "failed", "warning"}:
        return f"**{text}**"
    return f"<sub>{text}</sub>" if cell.tone in {"oracle", "quiet"} and cell.text else text
