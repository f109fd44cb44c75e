"""Output formats of tables; each escapes what its reader would interpret or execute."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from uad_bench.boards.sheet import Sheet
from uad_bench.output.formats.comma import csv_text
from uad_bench.output.formats.latex import latex_text
from uad_bench.output.formats.markdown import markdown_text
from uad_bench.output.formats.objects import json_text
from uad_bench.output.formats.page import html_text
from uad_bench.output.formats.terminal import plain_text

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
