"""Sheets as one HTML page in the report's dress."""

from collections.abc import Sequence

from uad_bench.boards.sheet import Sheet


def html_text(sheets: Sequence[Sheet]) -> str:
    """A self-contained page, readable on a phone and in print, light and dark."""
    from uad_bench.output.report.templating import render

    title = sheets[0].title.partition(":")[0] if sheets else "leaderboard"
    return render("leaderboard.html.j2", title=title, sheets=sheets)
