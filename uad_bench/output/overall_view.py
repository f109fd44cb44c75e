"""A comparison over several tasks on a terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from uad_bench.boards.overall_result import Overall
from uad_bench.output.formats.terminal import TerminalView
from uad_bench.output.overall_table import overall_sheets, summary


def overall_view(overall: Overall) -> RenderableType:
    """The table of methods, the statement on ties, and the best method against each other one."""
    return Group(TerminalView(overall_sheets(overall)[:1]), *map(Text, summary(overall)))
