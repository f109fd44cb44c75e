"""Tables of all test patients, and of the largest missed lesions and worst false alarms, with links to the slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uad_bench.output.columns import finite
from uad_bench.output.report.report_data import ReportData
from uad_bench.runs.folder import Run
from uad_bench.runs.tables import read_rows

OF_PATIENT = ("lesion_ml", "lesion (mL)")
OF_METHOD = (
    ("dice@hFPR5", "Dice", 3),
    ("sensitivity@hFPR5", "sensitivity", 3),
    ("false_positive_ml@hFPR5", "false positives (mL)", 2),
    ("fpr_healthy@hFPR5", "realised FPR (%)", 2),
)
PERCENT = frozenset({"fpr_healthy@hFPR5"})


@dataclass(frozen=True, slots=True)
class PatientRow:
    """One patient.

    Attributes:
        case: position in the case browser; None if it has no slices there.
    """

    subject: str
    case: int | None
    lesion_ml: str
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PatientTable:
    """All patients under all methods; one method is displayed at a time."""

    methods: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[PatientRow, ...]
    volumes: bool

    @property
    def cells(self) -> list[list[tuple[str, ...]]]:
        """Text by patient, method and column, for the script that switches methods."""
        return [list(row.cells) for row in self.rows]


def patient_table(report_data: ReportData, shown: Sequence[str]) -> PatientTable | None:
    """The table; None without results.

    Args:
        shown: patients in the case browser, in its order.
    """
    if not report_data.sound:
        return None
    columns = [column for column in OF_METHOD if np.isfinite(report_data.by_patient(column[0])).any()]
    tables = {key: report_data.by_patient(key) * (100 if key in PERCENT else 1) for key, _, _ in columns}
    volumes = report_data.by_patient(OF_PATIENT[0])[0]
    place = {name: number for number, name in enumerate(shown)}
    rows = tuple(
        PatientRow(
            subject=name,
            case=place.get(name),
            lesion_ml=finite(volumes[i], 2),
            cells=tuple(
                tuple(finite(tables[key][m, i], digits) for key, _, digits in columns)
                for m in range(len(report_data.sound))
            ),
        )
        for i, name in enumerate(report_data.patients)
    )
    headings = tuple(heading for _, heading, _ in columns)
    names = tuple(method.name for method in report_data.sound)
    return PatientTable(names, headings, rows, bool(np.isfinite(volumes).any()))


MOST = 3  # of each kind per method


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """A missed lesion or a false alarm, at one false positive per volume.

    Attributes:
        ml: volume.
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
