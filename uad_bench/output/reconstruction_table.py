"""Table of the metrics of pseudo-healthy images."""

from collections.abc import Mapping

from uad_bench.boards.sheet import Cell, Column, Sheet
from uad_bench.evaluation.reconstructions import Reconstructions
from uad_bench.metrics.reconstruction import RECONSTRUCTION
from uad_bench.output.columns import write_value

NOTE = (
    "Pooled over voxels, in the task's units of intensity. Lesion left: error inside lesions against the healthy "
    "tissue behind them, which only the phantom knows, divided by that of the scan: 0 is perfect, 1 is no change."
)


def reconstruction_sheet(found: Mapping[str, Reconstructions]) -> Sheet:
    """One row per method with pseudo-healthy images."""
    columns = (
        Column("method", numeric=False, identity=True),
        *(Column(metric.label, note=metric.description) for metric in RECONSTRUCTION.values()),
    )
    return Sheet("Pseudo-healthy images", columns, tuple(_row(name, one) for name, one in found.items()), (NOTE,))


def _row(name: str, found: Reconstructions) -> tuple[Cell, ...]:
    rows = {row.key: row for row in found.metrics}
    return Cell(name), *(
        Cell(write_value(rows.get(f"{metric}@all/pooled"), interval=True)) for metric in RECONSTRUCTION
    )
