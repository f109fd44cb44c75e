"""Entry point: registers the commands and turns every error into a message and an exit code."""

import logging
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer

from uad_bench.cli import authoring, boards, data, running, runs, scores, showing, suites
from uad_bench.cli.failures import Stop, explain, prepare_streams, stdout_fails

app = typer.Typer(
    name="uad-bench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(running.run)
app.command("score")(running.score)
app.command("show")(showing.show)
app.command("report")(showing.report)
app.command("export")(showing.export)
app.command("list")(showing.list_)
app.command("machine")(showing.machine)
app.command("new-method")(authoring.new_method)
app.command("check-method")(authoring.check_method)
app.command("evaluate")(scores.evaluate)
app.command("rescore")(scores.rescore)
app.command("crosswalk")(scores.crosswalk)
app.command("combine")(scores.combine)
app.command("compare")(scores.compare)
app.command("verify")(scores.verify)
app.add_typer(boards.leaderboard, name="leaderboard")
app.add_typer(data.data, name="data")
app.add_typer(runs.runs, name="runs")
app.add_typer(runs.bundle, name="bundle")
app.add_typer(suites.suite, name="suite")


def _print_version(asked: bool) -> None:
    if asked:
        from uad_bench.version import VERSION  # slow to find, so only where it is needed

        typer.echo(f"uad-bench {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Print log messages, and the traceback if a command fails; may also follow the command."
        ),
    ] = False,
) -> None:
    """Compare unsupervised anomaly-segmentation methods on brain MRI."""


def main() -> NoReturn:
    """Run the command line and exit with the project's codes."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    prepare_streams()
    if debug:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("uad_bench").setLevel(logging.DEBUG)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    sys.exit(_run(arguments, debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="uad-bench", standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as request:
        return request.exit_code
    except SystemExit:  # raised by Typer after shell completion, and when the reader of standard output has exited
        stdout_fails()
        return 0
    except BaseException as error:  # noqa: BLE001 - every error becomes a message
        if _is_no_failure(error):
            return 0
        from uad_bench.console import visible

        message, failure = explain(error, arguments)
        if debug:
            traceback.print_exc()
        print("uad-bench:", visible(message, keep="\n"), file=sys.stderr)  # noqa: T201
        return failure
    return int(code or 0)


def _is_no_failure(error: BaseException) -> bool:
    """Whether a command group has only printed its help, or the reader of standard output has exited."""
    if isinstance(error, typer.TyperException):
        return not error.format_message()
    return isinstance(error, BrokenPipeError) and stdout_fails()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
    raise Stop(number)
