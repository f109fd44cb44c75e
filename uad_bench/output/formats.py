"""Output formats of tables; each escapes what its reader would interpret or execute."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from markupsafe import Markup
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from uad_bench.boards.sheet import Cell, Sheet
from uad_bench.console import as_text, visible
from uad_bench.resources import PACKAGE
from uad_bench.version import VERSION

STYLES = {"best": "bold green", "strong": "bold", "oracle": "dim", "quiet": "dim", "failed": "red", "warning": "yellow"}
GAP = 2  # spaces between two columns: one of padding, one of the box


def plain_text(sheets: Sequence[Sheet]) -> str:
    """The sheets as plain text without colour."""
    return as_text(TerminalView(tuple(sheets)))


@dataclass(frozen=True, slots=True)
class TerminalView:
    """Sheets printed by rich in a terminal of any width."""

    sheets: tuple[Sheet, ...]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        for sheet in self.sheets:
            yield from _parts(sheet, options.max_width)


def _parts(sheet: Sheet, width: int) -> Iterator[RenderableType]:
    if sheet.title:
        yield Text(visible(sheet.title), style="bold")
    for columns in fold(sheet, width):
        yield _table(sheet, columns)
    for note in sheet.notes:
        yield Text(visible(note), style="dim")
    yield Text("")


def fold(sheet: Sheet, width: int) -> list[list[int]]:
    """Indices of the columns of each part: as many as fit, preceded by the identifying columns."""
    texts = ((column.heading, *(row[i].text for row in sheet.rows)) for i, column in enumerate(sheet.columns))
    widths = [max(len(visible(text)) for text in each) + GAP for each in texts]
    identity = [i for i, column in enumerate(sheet.columns) if column.identity]
    start = sum(widths[i] for i in identity)
    parts, used = [[*identity]], start
    for i in (i for i in range(len(widths)) if i not in identity):
        if used + widths[i] > width and parts[-1] != identity:
            parts.append([*identity])
            used = start
        parts[-1].append(i)
        used += widths[i]
    return parts


def _table(sheet: Sheet, columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for i in columns:
        column = sheet.columns[i]
        table.add_column(
            visible(column.heading), justify="right" if column.numeric else "left", no_wrap=True, overflow="ellipsis"
        )
    for row in sheet.rows:
        cells = (row[i] for i in columns)
        table.add_row(*(Text(visible(cell.text), style=STYLES.get(cell.tone, "")) for cell in cells))
    return table


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


def json_text(sheets: Sequence[Sheet]) -> str:
    """`{"tables": [{"title", "notes", "rows": [{…}]}]}`; unknown numbers are null.

    ASCII only, so that names cannot send control characters to a terminal.
    """
    tables = [
        {
            "title": sheet.title,
            "notes": list(sheet.notes),
            "rows": [{k: v for k, v in row.items() if k != "table"} for row in table_rows([sheet])],
        }
        for sheet in sheets
    ]
    return json.dumps({"tables": tables}, indent=1, allow_nan=False) + "\n"


def html_text(sheets: Sequence[Sheet]) -> str:
    """A self-contained page, suitable for phones, print, and light and dark mode."""
    title = sheets[0].title.partition(":")[0] if sheets else "leaderboard"
    return render("leaderboard.html.j2", title=title, sheets=sheets)


def fragment(sheets: Sequence[Sheet], sentences: Sequence[str] = ()) -> str:
    """Tables and sentences without a surrounding page, displayed in the style of the notebook."""
    return render("fragment.html.j2", sheets=sheets, sentences=sentences)


_MARKDOWN = re.compile(r"([\\`*_\[\]#|~$])")


def markdown_text(sheets: Sequence[Sheet]) -> str:
    """One section per sheet: heading, table and notes."""
    return "\n\n".join(_markdown_section(sheet) for sheet in sheets) + "\n"


def escape_markdown(text: str) -> str:
    """`text` as plain text on one line, without markup or HTML."""
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", plain)


def _markdown_section(sheet: Sheet) -> str:
    head = "| " + " | ".join(escape_markdown(column.heading) for column in sheet.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else ":---" for column in sheet.columns) + "|"
    rows = ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in sheet.rows]
    notes = "\n".join(f"- {escape_markdown(note)}" for note in sheet.notes)
    return "\n".join([f"## {escape_markdown(sheet.title)}", "", head, rule, *rows, "", notes]).rstrip()


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    if cell.tone in {"best", "failed", "warning"}:
        return f"**{text}**"
    return f"<sub>{text}</sub>" if cell.tone in {"oracle", "quiet"} and cell.text else text


_LATEX_HEAD = "% needs \\usepackage{booktabs,graphicx}\n"
WIDE = 6  # columns beyond which a table is shrunk to the width of the text
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "–": "--", "—": "---", "…": r"\dots{}", "±": r"$\pm$", "µ": r"$\mu$",
    "³": r"$^3$", "²": r"$^2$", "×": r"$\times$", "→": r"$\to$", "[": "{[}", "]": "{]}",
}  # fmt: skip


def latex_text(sheets: Sequence[Sheet]) -> str:
    """One `table` environment per sheet, to be pasted into a paper."""
    return _LATEX_HEAD + "\n".join(_latex_table(sheet) for sheet in sheets) + "\n"


def escape_latex(text: str) -> str:
    """`text` as plain text; other characters outside ASCII, which LaTeX may lack, are replaced by their code."""
    return "".join(_LATEX.get(c, c if c.isascii() else f"U+{ord(c):04X}") for c in visible(text))


def _latex_table(sheet: Sheet) -> str:
    spec = "".join("r" if column.numeric else "l" for column in sheet.columns)
    head = " & ".join(escape_latex(column.heading) for column in sheet.columns)
    rows = "\n".join("  " + " & ".join(map(_latex_cell, row)) + r" \\" for row in sheet.rows)
    notes = " ".join(map(escape_latex, sheet.notes))
    start, end = (r"\resizebox{\linewidth}{!}{", "}") if len(sheet.columns) > WIDE else ("", "")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(sheet.title)}. {notes}}}",
            rf"{start}\begin{{tabular}}{{{spec}}}",
            rf"  \toprule{chr(10)}  {head} \\{chr(10)}  \midrule",
            rows,
            r"  \bottomrule",
            rf"\end{{tabular}}{end}",
            r"\end{table}",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.tone in {"best", "failed", "warning"}:
        return rf"\textbf{{{text}}}"
    return rf"\textit{{{text}}}" if cell.tone in {"oracle", "quiet"} else text


Format = Callable[[Sequence[Sheet]], str]

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "table": plain_text,
        "md": markdown_text,
        "csv": csv_text,
        "json": json_text,
        "latex": latex_text,
        "html": html_text,
    }
)


TEMPLATES = PACKAGE / "output" / "report" / "templates"


def render(template: str, **values: Any) -> str:
    """Render a template with these values; styles and scripts are embedded, so that the page needs no other file."""
    return str(_environment().get_template(template).render(version=VERSION, **values))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["visible"] = visible
    environment.globals["asset"] = _asset
    return environment


def _asset(name: str) -> Markup:
    """A shipped style sheet or script, not escaped because it contains no data."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704
