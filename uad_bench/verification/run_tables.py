"""Check every value of the tables of a run."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.runs.integrity import Finding, differs
from uad_bench.verification.curve import NAN, Curve
from uad_bench.verification.recompute import Patient, recompute_patient

POINTS = 1_000  # of a sweep


def check_metrics(path: Path, test: Sequence[Patient], thresholds: Mapping[str, float]) -> Iterator[Finding]:
    """Check that there is one row per test patient with exactly the expected metrics."""
    header, rows = read_table(path)
    known = [recompute_patient(patient, thresholds) for patient in test]
    if [row.get("subject") for row in rows] != [p.name for p in test]:
        yield Finding("metrics.csv", "does not contain exactly the test patients")
        return
    if sorted(header) != sorted(["subject", *known[0]]):
        yield Finding("metrics.csv", _columns(header, ["subject", *known[0]]))
        return
    for patient, row, again in zip(test, rows, known, strict=True):
        for key, value in again.items():
            yield from differs(f"metrics.csv {patient.name} {key}", _number(row[key]), value)


def check_rows(path: Path, again: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Check every number of a table against the rows that are expected, in this order."""
    header, rows = read_table(path)
    if len(rows) != len(again):
        yield Finding(path.name, f"has {len(rows)} rows, expected {len(again)}")
        return
    if again and sorted(header) != sorted(again[0]):
        yield Finding(path.name, _columns(header, list(again[0])))
        return
    for number, (row, values) in enumerate(zip(rows, again, strict=True), 1):
        if row.get("subject") != values.get("subject"):
            yield Finding(f"{path.name} row {number}", "is of another patient than expected")
            continue
        for name in values.keys() - {"subject"}:
            yield from differs(f"{path.name} row {number} {name}", _number(row[name]), values[name])


def count_cells(path: Path) -> int:
    """Number of table cells with a value or the reason why it is undefined."""
    header, rows = read_table(path)
    return len(rows) * (len(header) - 1)


def sweep(curve: Curve) -> Iterator[dict[str, float]]:
    """Rows of sweep.csv: distinct scores of positives, subsampled evenly by rank; the best Dice is always included."""
    places = np.arange(curve.scores.size)
    if places.size > POINTS:
        even = np.linspace(0, places.size - 1, POINTS - 1).round().astype(int)
        places = np.union1d(even, np.argmax(curve.dice))
    n_negative = curve.n - curve.n_positive
    for k in places:
        tp, marked = curve.tp[k], curve.marked[k]
        yield {
            "thresholds": float(curve.scores[k]),
            "precision": tp / marked,
            "sensitivity": tp / curve.n_positive,
            "dice": curve.dice[k],
            "fpr": (marked - tp) / n_negative if n_negative else NAN,
        }


def _columns(found: Sequence[str], wanted: Sequence[str]) -> str:
    lacking, more = set(wanted) - set(found), set(found) - set(wanted)
    return f"missing columns {sorted(lacking)}, unexpected columns {sorted(more)}, or a duplicate column"


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None  # the reason of an undefined value


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Head and rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)
