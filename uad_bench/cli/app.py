"""Entry point: registers the commands and turns every error into one sentence and an exit code."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import NoReturn

import typer

from uad_bench.cli import (
    applying,
    authoring,
    boards,
    data,
    exporting,
    listing,
    reporting,
    running,
    scores,
    sharing,
    showing,
    suites,
)
from uad_bench.errors import UadBenchError

app = typer.Typer(
    name="uad-bench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare unsupervised anomaly-segmentation methods on brain MRI.",
)
app.command("run")(running.run)
app.command("score")(applying.score)
app.command("show")(showing.show)
app.command("report")(reporting.report)
app.command("export")(exporting.export)
app.command("bundle")(sharing.bundle)
app.command("list")(listing.list_)
app.command("new-method")(authoring.new_method)
app.command("check-method")(authoring.check_method)
app.command("evaluate")(scores.evaluate)
app.command("rescore")(scores.rescore)
app.command("crosswalk")(scores.crosswalk)
app.command("compare")(scores.compare)
app.command("verify")(scores.verify)
app.command("check")(scores.check)
app.add_typer(boards.leaderboard, name="leaderboard")
app.add_typer(data.data, name="data")
app.add_typer(suites.suite, name="suite")


class Stop(BaseException):
    """A request to stop, by signal; no KeyboardInterrupt, because Typer makes of that an exit without a word."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main() -> NoReturn:
    """Run the command line and exit with the project's codes."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    sys.exit(_run(arguments, debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        return int(typer.main.get_command(app).main(arguments, prog_name="uad-bench", standalone_mode=False) or 0)
    except typer.Exit as request:
        return request.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone, for instance `| head`
        return 0
    except (Exception, KeyboardInterrupt, Stop) as error:  # noqa: BLE001 - what _sentence does not know is raised again
        message, code = _sentence(error)
        if debug:
            traceback.print_exc()
        print(f"uad-bench: {message}", file=sys.stderr)  # noqa: T201
        return code


def _sentence(error: BaseException) -> tuple[str, int]:
    """What to say, and the exit code."""
    match error:
        case UadBenchError():
            return str(error), error.exit_code
        case typer.TyperException():
            return f"{error.format_message()} (see {_help_of(error)})", 1
        case Stop() | KeyboardInterrupt():
            number = getattr(error, "number", signal.SIGINT)
            return "stopped; what was finished is kept: run the same command again to go on", 128 + number
        case MemoryError():
            return f"out of memory: {error}", 4
    raise error


def _help_of(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'uad-bench'} --help"


def _stop(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # one request is enough; cleaning up must not be interrupted
    raise Stop(number)
