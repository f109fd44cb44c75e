"""What reaches a terminal: no control character of a method's message or of a file."""

import io

from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from uad_bench.console import Reporter, Terminal, times, visible
from uad_bench.method import Progress

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202e\r"


def printed(*things: object) -> str:
    file = io.StringIO()
    console = Terminal(file=file, width=200, force_terminal=True, color_system=None)
    for thing in things:
        if isinstance(thing, Progress):
            Reporter(console, title="made")(thing)
        elif isinstance(thing, str):
            Reporter(console).say(thing)
        else:
            console.print(thing)
    return file.getvalue()


def test_control_characters_are_shown_as_their_code():
    table = Table("name")
    table.add_row(ESCAPES)
    text = printed(ESCAPES, Text(ESCAPES), table, Progress(ESCAPES, 1, 2))
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    assert text.count("<U+001B>]0;owned") == 4


def test_lines_and_letters_stay_as_they_are():
    assert printed("größer\nals 5\u00a0%") == "größer\nals 5\u00a0%\n"


def test_of_text_in_one_line_the_end_of_line_is_shown_too():
    assert visible("a\nb") == "a<U+000A>b"


def test_a_line_of_a_stage_says_what_has_passed_and_what_is_left():
    lines, seconds = [], iter((0.0, 333.0))
    reporter = Reporter(
        Terminal(file=io.StringIO()), "mmccd", show=lines.append, every_s=0, clock=lambda: next(seconds)
    )
    reporter(Progress("training FLAIR to T2 (1/2)", 0, 674))
    reporter(Progress("training FLAIR to T2 (1/2)", 333, 674, loss=0.5))
    assert lines == [
        "mmccd: training FLAIR to T2 (1/2) 0/674",
        "mmccd: training FLAIR to T2 (1/2) 333/674, 5:33 elapsed, 5:41 left, loss 0.5000",
    ]


def test_a_stage_of_one_unit_has_no_count():
    lines = []
    reporter = Reporter(Terminal(file=io.StringIO()), "ae", show=lines.append)
    reporter(Progress("evaluating", 0, 1))
    reporter(Progress("evaluating", 1, 1))
    assert lines[0] == "ae: evaluating"
    assert lines[1].startswith("ae: evaluating done")


def test_the_bar_of_a_stage_is_full_once_the_next_one_begins():
    console = Terminal(file=io.StringIO(), force_terminal=True)
    with Bars(console=console, auto_refresh=False) as bars:
        reporter = Reporter(console, bars=bars)
        reporter(Progress("scoring patients", 15, 16))
        reporter(Progress("evaluating", 0, 1))
        assert [(task.completed, task.total) for task in bars.tasks] == [(16, 16), (0, None)]


def test_times_over_an_hour_show_hours():
    assert times(65, 3725) == "1:05 elapsed, 1:02:05 left"
