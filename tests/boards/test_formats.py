"""Every format says the same and lets no name do anything."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from tests.made_results import made_board, made_failure, made_result
from uad_bench.boards.board import make_boards
from uad_bench.boards.result import Result
from uad_bench.output.formats import FORMATS, fold
from uad_bench.output.render import board_sheets

HOSTILE = (
    "=cmd()",
    "<script>alert(1)</script>",
    "a_b",
    "pay\u202eload",
    "x|y*z",
    "50%&$~^#{}\\",
    "\x1b[31mred",
    "-1+1",
)


def sheets(*methods):
    results = made_board(*(made_result(name) for name in methods), Result(made_failure("broken")))
    return board_sheets(make_boards(results, baselines=("random", "intensity"))[0])


@pytest.fixture(scope="module")
def hostile():
    """Each format's text about methods with hostile names."""
    return {name: form(sheets(*HOSTILE)) for name, form in FORMATS.items()}


def test_every_format_has_every_method_and_the_failed_one():
    for name, form in FORMATS.items():
        text = form(sheets("ae"))
        assert all(word in text for word in ("ae", "intensity", "random", "broken", "crash")), name


def test_no_format_passes_a_control_or_direction_character_on(hostile):
    for name, text in hostile.items():
        assert "\u202e" not in text, name
        assert "\x1b" not in text, name
    assert all("U+202E" in hostile[name] for name in ("table", "md", "csv", "latex", "html"))


def test_html_has_no_element_from_a_name(hostile):
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(hostile["html"])
    assert "script" not in tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile["html"]


def test_markdown_neutralises_html_and_cell_borders(hostile):
    assert "<script" not in hostile["md"]
    assert r"a\_b" in hostile["md"]
    assert r"x\|y\*z" in hostile["md"]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in hostile["md"].splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_no_csv_field_is_a_formula(hostile):
    rows = list(csv.reader(io.StringIO(hostile["csv"])))
    texts = [field for row in rows for field in row if not re.fullmatch(r"-?[\d.]+(e-?\d+)?", field)]
    assert not [field for field in texts if field.startswith(("=", "+", "-", "@"))]
    assert any(field == "'=cmd()" for field in texts)


def test_csv_opens_as_numbers_in_pandas():
    import pandas as pd

    table = pd.read_csv(io.StringIO(FORMATS["csv"](sheets("ae"))))
    row = table[table["method"] == "ae"].iloc[0]
    assert row["auprc"] == 0.6
    assert row["auprc_low"] < 0.6 < row["auprc_high"]
    assert row["rank_first"] == row["rank_last"] == 1
    assert table["auprc"].isna().sum() == 1  # the failed one


def test_json_holds_names_as_they_are_and_null_where_nothing_is_known():
    table = json.loads(FORMATS["json"](sheets("=cmd()")))["tables"][0]
    rows = {row["method"]: row for row in table["rows"]}
    assert rows["=cmd()"]["auprc"] == 0.6
    assert rows["broken"]["auprc"] is None
    assert rows["broken"]["failed"] == "crash"


def test_latex_escapes_every_special_character(hostile):
    body = hostile["latex"].partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    assert r"a\_b" in body
    assert r"50\%\&\$\textasciitilde{}\textasciicircum{}\#\{\}\textbackslash{}" in body
    assert r"\textless{}script\textgreater{}" in body
    assert body.isascii()


def test_latex_braces_and_environments_are_balanced(hostile):
    plain = re.sub(r"\\.", "", hostile["latex"])
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", hostile["latex"]) == ["table", "tabular"]


DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\begin{document}
TABLES
\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles_in_a_document(hostile, tmp_path):
    (tmp_path / "table.tex").write_text(DOCUMENT.replace("TABLES", hostile["latex"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_narrow_terminal_folds_between_columns(width):
    sheet = sheets("ae")[0]
    parts = fold(sheet, width)
    assert sorted({i for part in parts for i in part}) == list(range(len(sheet.columns)))
    assert all(part[:2] == [0, 1] for part in parts)  # rank and method are in each part


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_of_a_terminal_table_is_wider_than_the_window_or_wrapped(width):
    from rich.console import Console

    from uad_bench.output.formats import TerminalView

    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(TerminalView(sheets("ae", "a-method-of-some-length")))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert sum("a-method-of-some-length" in line for line in lines) == len(
        fold(sheets("a-method-of-some-length")[0], width)
    )
    assert "…" not in "".join(lines)
