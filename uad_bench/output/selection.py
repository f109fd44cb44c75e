"""Selection of a table's columns by short names, such as `rank,method,auprc,dice@hFPR5,beats`."""

from collections.abc import Sequence
from dataclasses import replace

from uad_bench.boards.sheet import Sheet
from uad_bench.errors import ConfigError, unknown
from uad_bench.metrics.registry import METRICS


def split_names(text: str) -> list[str]:
    """The names in a list separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def further_metrics(names: Sequence[str]) -> list[str]:
    """The names that are metrics, which a table may have to be asked for."""
    return [name for name in names if name.partition("@")[0] in METRICS]


def select_columns(sheets: Sequence[Sheet], names: Sequence[str]) -> tuple[Sheet, ...]:
    """The sheets that have all these columns, with only these, in this order.

    A name is a heading in lower case without interval or question mark, or an unambiguous beginning of one.

    Raises:
        ConfigError: no sheet has a column of this name, or several columns begin with it.
    """
    known = {short_name(column.heading) for sheet in sheets for column in sheet.columns}
    for name in names:
        _full_name(name, known)
    return tuple(_only(sheet, names) for sheet in sheets if _has_all(sheet, names))


def short_name(heading: str) -> str:
    """`beats-baselines` for `beats baselines?`, `auprc` for `AUPRC [95 % CI]`."""
    return heading.partition(" [")[0].rstrip("?").lower().replace(" ", "-").replace("_", "-")


def _full_name(name: str, known: set[str]) -> str:
    wanted = name.lower().replace("_", "-")
    found = [wanted] if wanted in known else sorted(one for one in known if one.startswith(wanted))
    if not found:
        raise unknown("column", name, known)
    if len(found) > 1:
        raise ConfigError(f"column {name!r} is ambiguous: {', '.join(found)}")
    return found[0]


def _has_all(sheet: Sheet, names: Sequence[str]) -> bool:
    try:
        _only(sheet, names)
    except ConfigError:
        return False
    return True


def _only(sheet: Sheet, names: Sequence[str]) -> Sheet:
    shorts = [short_name(column.heading) for column in sheet.columns]
    places = [shorts.index(_full_name(name, set(shorts))) for name in names]
    return replace(
        sheet,
        columns=tuple(sheet.columns[i] for i in places),
        rows=tuple(tuple(row[i] for i in places) for row in sheet.rows),
    )
