"""What reaches a terminal: no control character of a method's message or of a file."""

import io

from rich.table import Table
from rich.text import Text

from uad_bench.console import Reporter, Terminal, visible
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
