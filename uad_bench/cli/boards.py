"""`uad-bench leaderboard`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import RUNS, AsJson, Data, RunName, Task, print_result, root_of

leaderboard = typer.Typer(
    help="Compare all runs of a task: rank ranges, confidence intervals and costs.", no_args_is_help=True
)

Format = Literal["table", "md", "csv", "json", "latex", "html"]
Source = Annotated[
    Path, typer.Option("--runs", "--from", envvar="UAD_BENCH_RUNS", help="Folder of runs.")
]  # `--from` reads well beside `-o`
Further = Annotated[
    list[str] | None,
    typer.Option("--column", help="Also show this metric, such as [b]specificity@hFPR5[/b].", show_default=False),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Only these columns, such as rank,method,auprc,beats.", show_default=False),
]
Boards = Annotated[Path, typer.Option("--output", "-o", help="Folder of leaderboards.")]
BOARDS = Path("leaderboards")


@leaderboard.command("show")
def show(
    task: Task = "phantom",
    runs: Source = RUNS,
    column: Further = None,
    columns: Columns = None,
    every: Annotated[bool, typer.Option("--all", help="All columns; a terminal shows the main ones.")] = False,
    json: AsJson = False,
) -> None:
    """Rank all runs of a task; if there are none, show the leaderboard shipped with the package."""
    from uad_bench.console import stderr, stdout
    from uad_bench.output.formats import FORMATS, TerminalView
    from uad_bench.output.publishing import find_sheets
    from uad_bench.output.render import further_metrics, overview, select_columns, split_names

    names = split_names(columns or "")
    sheets, origin = find_sheets(Path(runs), task, further=[*(column or ()), *further_metrics(names)])
    if names:
        sheets = select_columns(sheets, names)
    if json:
        typer.echo(FORMATS["json"](sheets), nl=False)
        return
    brief = stdout().is_terminal and not (every or names or column)
    stdout().print(TerminalView(overview(sheets) if brief else sheets))
    more = "; --all shows all columns and intervals, --columns NAMES those you choose" if brief else ""
    stderr().print(f"from {origin}{more}", markup=False)


@leaderboard.command("build")
def build(
    task: Task = "phantom",
    runs: Source = RUNS,
    output: Boards = BOARDS,
    data: Data = None,
    complete: Annotated[
        bool, typer.Option(help="Compute missing lesion metrics and post-processed scores first.")
    ] = True,
) -> None:
    """Write a task's table, and a record per row from which the table can be rebuilt without the runs."""
    from uad_bench.console import reporting, stderr
    from uad_bench.output.publishing import build_board, left_out

    with reporting() as reporter:
        written = build_board(Path(runs), task, output, data=root_of(data), complete=complete, report=reporter)
    if sentence := left_out(Path(runs), task):
        stderr().print(sentence, markup=False)
    stderr().print(f"{len(written) - 2} rows, {written[0]}", markup=False)


@leaderboard.command("add")
def add(
    run: RunName,
    runs: Source = RUNS,
    output: Boards = BOARDS,
) -> None:
    """Add one run to a leaderboard; it replaces the run with the same method, settings and seed."""
    from uad_bench.console import stderr
    from uad_bench.output.publishing import add_run
    from uad_bench.runs.opening import open_run

    stderr().print(f"added to {add_run(open_run(Path(runs), run), output)}", markup=False)


@leaderboard.command("export")
def export(
    task: Task = "phantom",
    format_: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = "table",
    runs: Source = RUNS,
    column: Further = None,
    columns: Columns = None,
    chain: Annotated[
        Literal["none", "common"] | None,
        typer.Option(
            help="Only the tables of raw maps ([b]none[/b]) or of common post-processing.", show_default=False
        ),
    ] = None,
    caption: Annotated[Literal["full", "short"], typer.Option(help="All notes, or one sentence for a paper.")] = "full",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; by default standard output.")
    ] = None,
) -> None:
    """Export a task's table for a paper, a spreadsheet, a program or a browser."""
    from uad_bench.files import prepare_output, write_text
    from uad_bench.output.formats import FORMATS
    from uad_bench.output.publishing import find_sheets
    from uad_bench.output.render import further_metrics, select_columns, split_names

    names = split_names(columns or "")
    sheets, _ = find_sheets(
        Path(runs),
        task,
        apart=format_ in {"md", "latex", "html"} and not names,
        further=[*(column or ()), *further_metrics(names)],
        short=caption == "short",
    )
    if chain:
        sheets = tuple(sheet for sheet in sheets if sheet.chain == chain)
    if names:  # in a paper, one table per chain
        sheets = select_columns([sheet for sheet in sheets if format_ != "latex" or not sheet.bounds], names)
    text = FORMATS[format_](sheets)
    if output:
        write_text(prepare_output(output), text)
    else:
        typer.echo(text, nl=False)


@leaderboard.command("overall")
def overall(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK…",
            help="Two or more tasks; by default all that have runs or, if fewer than two have, all shipped boards.",
            show_default=False,
        ),
    ] = None,
    runs: Source = RUNS,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write an HTML report with a forest plot.", show_default=False),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare methods over several tasks: mean ranks, and differences whose p-values are combined over tasks."""
    from uad_bench.console import stderr
    from uad_bench.output.overall_table import overall_view
    from uad_bench.output.publishing import compare_tasks
    from uad_bench.output.report.building import write_overall

    found, origin = compare_tasks(Path(runs), tasks or ())
    if output:
        write_overall(found, output)
    print_result(found.to_json(), overall_view(found), json=json)
    stderr().print(f"from {origin}" + (f"; report in {output}" if output else ""), markup=False)
