"""Tables as LaTeX `table` environments with booktabs rules."""

from collections.abc import Sequence

from uad_bench.boards.sheet import Cell, Sheet
from uad_bench.console import visible

_HEAD = "% needs \\usepackage{booktabs,graphicx}\n"
WIDE = 6  # columns beyond which a table is shrunk to the width of the text
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--", "—": "---", "…": r"\dots{}", "±": r"$\pm$", "µ": r"$\mu$",
    "³": r"$^3$", "²": r"$^2$", "×": r"$\times$", "→": r"$\to$", "[": "{[}", "]": "{]}",
}  # fmt: skip


def latex_text(sheets: Sequence[Sheet]) -> str:
    """One `table` environment per sheet, to be pasted into a paper."""
    return _HEAD + "\n".join(_table(sheet) for sheet in sheets) + "\n"


def escape(text: str) -> str:
    """`text` as plain text; other characters outside ASCII, which LaTeX may lack, are replaced by their code."""
    return "".join(_SPECIAL.get(c, c if c.isascii() else f"U+{ord(c):04X}") for c in visible(text))


def _table(sheet: Sheet) -> str:
    spec = "".join("r" if column.numeric else "l" for column in sheet.columns)
    head = " & ".join(escape(column.heading) for column in sheet.columns)
    rows = "\n".join("  " + " & ".join(map(_cell, row)) + r" \\" for row in sheet.rows)
    notes = " ".join(map(escape, sheet.notes))
    start, end = (r"\resizebox{\linewidth}{!}{", "}") if len(sheet.columns) > WIDE else ("", "")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(sheet.title)}. {notes}}}",
            rf"{start}\begin{{tabular}}{{{spec}}}",
            rf"  \toprule{chr(10)}  {head} \\{chr(10)}  \midrule",
            rows,
            r"  \bottomrule",
            rf"\end{{tabular}}{end}",
            r"\end{table}",
        ]
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.tone in {"best", "failed", "warning"}:
        return rf"\textbf{{{text}}}"
    return rf"\textit{{{text}}}" if cell.tone in {"oracle", "quiet"} else text
