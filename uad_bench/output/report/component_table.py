"""Table of the largest missed lesions and the worst false alarms of each method, with links to the slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uad_bench.output.report.report_data import ReportData
from uad_bench.runs.folder import Run
from uad_bench.runs.tables import read_rows

MOST = 3  # of each kind per method


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """A missed lesion or a false alarm, at one false positive per volume.

    Attributes:
        method: name of the row.
        kind: `missed lesion` or `false alarm`.
        ml: volume.
        slice: index of the axial slice.
        score: highest score in it.
        case: position of the patient in the case browser; None if it has no slices there.
    """

    method: str
    kind: str
    subject: str
    ml: str
    slice: int
    score: str
    case: int | None


def component_table(report_data: ReportData, shown: Sequence[str]) -> list[ComponentEntry]:
    """The largest missed lesions and the false alarms with the highest scores of each method.

    Args:
        report_data: the methods and their runs.
        shown: patients in the case browser, in its order.
    """
    places = {name: place for place, name in enumerate(shown)}
    entries = []
    for method in report_data.sound:
        missed, false = _worst([part.run for part in method.parts])
        for kind, rows in (("missed lesion", missed), ("false alarm", false)):
            entries += [
                ComponentEntry(
                    method.name,
                    kind,
                    row["subject"],
                    f"{float(row['volume_mm3']) / 1000:.2f}",
                    int(row["slice"]),
                    f"{float(row['max_score']):.4g}",
                    places.get(row["subject"]),
                )
                for row in rows
            ]
    return entries


def _worst(runs: Sequence[Run]) -> tuple[Sequence[Mapping[str, str]], Sequence[Mapping[str, str]]]:
    """Missed lesions, largest first, and false positives, highest score first; scores of folds are not comparable."""
    missed = [row for run in runs if run.lesions.exists() for row in read_rows(run.lesions) if row["detected"] == "0"]
    false = [row for run in runs if run.false_positives.exists() for row in read_rows(run.false_positives)]
    missed.sort(key=lambda row: -float(row["volume_mm3"]))
    false.sort(key=lambda row: -float(row["volume_mm3" if len(runs) > 1 else "max_score"]))
    return missed[:MOST], false[:MOST]
