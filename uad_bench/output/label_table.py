"""Table of the sensitivity by label value, where references distinguish parts of a lesion."""

from collections.abc import Mapping, Sequence

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.evaluation.label_values import GROUP
from uad_bench.output.columns import DASH, write_value
from uad_bench.runs.metric_rows import MetricRow

POLICY = "hFPR5"
NOTE = "Share of the voxels of each label value in the reference that are marked at hFPR5, raw maps."


def label_sheet(groups: Mapping[str, Sequence[MetricRow]]) -> Sheet | None:
    """One row per method, one column per label value; None if references have a single value.

    Args:
        groups: rows of groups in the rescored result of each method.
    """
    found = {name: dict(map(_keyed, filter(_is_shown, rows))) for name, rows in groups.items()}
    values = sorted({value for rows in found.values() for value in rows}, key=lambda value: (len(value), value))
    if not values:
        return None
    columns = (
        Column("method", numeric=False, identity=True),
        *(Column(f"label {value} [95 % CI]") for value in values),
    )
    rows = tuple(
        (Cell(name), *(Cell(write_value(own[v], interval=True) if v in own else DASH) for v in values))
        for name, own in found.items()
        if own
    )
    return Sheet("Sensitivity by label value", columns, rows, (NOTE,))


def _is_shown(row: MetricRow) -> bool:
    return (row.name, row.policy, row.chain) == ("sensitivity", POLICY, "none") and str(row.group).startswith(
        f"{GROUP}="
    )


def _keyed(row: MetricRow) -> tuple[str, MetricRow]:
    return str(row.group).partition("=")[2], row
