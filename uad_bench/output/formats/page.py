"""Tables as HTML: a complete page in the style of the report, or a fragment for notebooks."""

from collections.abc import Sequence

from uad_bench.boards.sheet import Sheet


def html_text(sheets: Sequence[Sheet]) -> str:
    """A self-contained page, suitable for phones, print, and light and dark mode."""
    from uad_bench.output.report.templating import render

    title = sheets[0].title.partition(":")[0] if sheets else "leaderboard"
    return render("leaderboard.html.j2", title=title, sheets=sheets)


def fragment(sheets: Sequence[Sheet], sentences: Sequence[str] = ()) -> str:
    """Tables and sentences without a surrounding page, displayed in the style of the notebook."""
    from uad_bench.output.report.templating import render

    return render("fragment.html.j2", sheets=sheets, sentences=sentences)
