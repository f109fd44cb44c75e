"""Recomputes every number of a stored run by a second, different road and names whatever differs."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.reference import Reference
from uad_bench.evaluation.judging import bootstrap_seed, cases_of, read_map, validated
from uad_bench.evaluation.metric_rows import key_of
from uad_bench.evaluation.protocol import Protocol, load_protocol
from uad_bench.files import read_json
from uad_bench.method import Progress
from uad_bench.storage.replicates import load_replicates
from uad_bench.storage.runs import Run
from uad_bench.storage.stored import Stored, open_stored
from uad_bench.verification.findings import Finding, Verification
from uad_bench.verification.integrity import check_files, check_roles, check_version
from uad_bench.verification.recount import (
    NAN,
    Curve,
    Patient,
    false_alarms,
    overlaps,
    pooled,
    recount,
    recount_patient,
    recount_thresholds,
)

Report = Callable[[Progress], None]
TOLERANCE = 1e-9  # relative; both roads sum the same numbers in another order
REPLICATE_TOLERANCE = 1e-3  # of pooled ranks, which the bootstrap counts in 16,384 bins
ROWS_CHECKED = 3  # bootstrap rows recomputed from voxels


def verify_run(run: Run, *, data: Path | None = None, report: Report = lambda _: None) -> Verification:
    """Check digests, split, thresholds, every number of the record and every cell of its tables.

    Raises:
        DataError: the references cannot be found, or belong to other data.
    """
    record, name = run.read_record(), str(run.path)
    parts = run.folds or (run,)
    findings = [f for part in parts for f in _without_data(part, part.read_record(), named=bool(run.folds))]
    if run.folds:
        findings += [*check_files(run, record), *_check_folds(run, record)]
    if findings or record["status"] != "ok":
        return Verification(name, 0, tuple(findings), failed=record["status"] != "ok")
    if missing := [subject for part in parts for subject in _missing_maps(part)]:
        return Verification(name, 0, (), f"{len(missing)} score maps are not here, first {missing[0]}")
    found: list[Finding] = []
    count = 0
    for stored in open_stored(run, data, report):
        report(Progress(f"recounting {stored.part}".strip(), 0, 1))
        numbers, differing = _Second.road(stored, report).compare()
        found, count = [*found, *_named(differing, stored.part)], count + numbers
    report(Progress("recounting", 1, 1))
    return Verification(name, count, tuple(found))


def _without_data(run: Run, record: Mapping[str, Any], *, named: bool) -> list[Finding]:
    found = [*check_version(record), *check_files(run, record), *check_roles(run, record)]
    return _named(found, run.path.name if named else "")


def _named(findings: Sequence[Finding], part: str) -> list[Finding]:
    return [Finding(f"{part}/{f.where}" if part else f.where, f.what) for f in findings]


def _missing_maps(run: Run) -> list[str]:
    if not run.manifest.exists():
        return ["MANIFEST.json"]
    return [subject for subject in read_json(run.manifest)["maps"] if not run.map(subject).exists()]


def _check_folds(run: Run, record: Mapping[str, Any]) -> Iterator[Finding]:
    """The record over folds against the records of the folds."""
    tables = [{key_of(row): row["value"] for row in fold.read_record()["metrics"]} for fold in run.folds]
    for row in record["metrics"]:
        values = [table.get(key_of(row)) for table in tables]
        known = [value for value in values if value is not None]
        mean = fmean(known) if len(known) == len(values) else NAN
        yield from _differs(f"record.json {key_of(row)}", row["value"], mean)
    yield from _check_intervals(record, load_replicates(run))


@dataclass(frozen=True, slots=True, eq=False)
class _Second:
    """All voxels of a run's patients in memory, and the record they must give."""

    stored: Stored
    test: Sequence[Patient]
    val: Sequence[Patient]
    healthy: NDArray[np.float32]

    @classmethod
    def road(cls, stored: Stored, report: Report) -> _Second:
        """Read maps and references."""
        protocol = load_protocol(stored.cohort.task.protocol)
        references = cases_of(stored.run, stored.cohort, stored.split, protocol, report).references
        slices = stored.cohort.task.slices

        def read(subject: str, chosen: Protocol) -> Patient | None:
            return _patient(references[subject], read_map(stored.run.map(subject)), chosen, slices)

        val = sorted(validated(stored.run, stored.split))
        everything = [p for s in val if (p := read(s, load_protocol("volume")))]
        return cls(
            stored,
            [p for s in sorted(stored.split.test) if (p := read(s, protocol))],
            [p for s in val if (p := read(s, protocol))],
            np.concatenate([p.scores[p.healthy] for p in everything] or [np.empty(0, np.float32)]),
        )

    def compare(self) -> tuple[int, list[Finding]]:
        """How many numbers were recomputed, and those that differ."""
        record, run = self.stored.record, self.stored.run
        known = {p: float.fromhex(t) for p, t in record["thresholds"].items() if t is not None}
        rows = {key_of(row): row for row in (*record["metrics"], *record["groups"])}
        again = recount(self.test, known)
        for group, members in self._sizes().items():
            again |= {f"{key}#{group}": value for key, value in recount(members, known).items()}
        cells = list(_table(run.metrics))
        found = [
            *self._check_thresholds(record["thresholds"]),
            *(
                f
                for key, row in rows.items()
                for f in _differs(f"record.json {key}", row["value"], again.get(key, NAN))
            ),
            *_check_intervals(record, load_replicates(run)),
            *self._check_rows(record["bootstrap"]["metrics"], known),
            *self._check_subjects(cells, known),
            *self._check_sweep(run.sweep),
        ]
        return len(rows) + len(known) + sum(len(row) - 1 for row in cells), found

    def _check_thresholds(self, stored: Mapping[str, str | None]) -> Iterator[Finding]:
        for policy, value in recount_thresholds(self.val, self.healthy, self.test).items():
            if policy in stored:
                text = stored[policy]
                yield from _differs(f"record.json threshold {policy}", float.fromhex(text) if text else None, value)

    def _sizes(self) -> dict[str, list[Patient]]:
        """Tertiles of lesion size."""
        ill = [p for p in self.test if p.anomaly_mm3 > 0]
        if len(ill) < 3:
            return {}
        lower, upper = np.percentile([p.anomaly_mm3 for p in ill], [100 / 3, 200 / 3])
        parts = {"small": (-1.0, lower), "middle": (lower, upper), "large": (upper, math.inf)}
        return {f"size={n}": m for n, (a, b) in parts.items() if (m := [p for p in ill if a < p.anomaly_mm3 <= b])}

    def _check_rows(self, keys: Sequence[str], known: Mapping[str, float]) -> Iterator[Finding]:
        """Some bootstrap rows, drawn anew and counted voxel by voxel."""
        replicates = load_replicates(self.stored.run)
        n, total = len(self.test), next(iter(replicates.values())).size if replicates else 0
        drawn = np.random.Generator(np.random.PCG64(bootstrap_seed(self.stored.split.test)))
        rows = drawn.integers(0, n, size=(total, n)) if total else np.empty((0, n), int)
        for r in sorted({0, total // 2, total - 1} if total else set())[:ROWS_CHECKED]:
            weights = np.bincount(rows[r], minlength=n).astype(np.float64)
            curve = pooled(self.test, weights)
            again = {
                "auprc@all/pooled": curve.area,
                "auroc@all/pooled": curve.roc_area,
                "dice@oracle/pooled": curve.best_dice,
                "prevalence@all/pooled": curve.prevalence,
                **{f"fpr_healthy@{p}/pooled": false_alarms(self.test, t, weights) for p, t in known.items()},
            }
            for p, t in known.items():
                fixed = {f"{m}@{p}/pooled": v for m, v in overlaps(self.test, t, weights).items()}
                again = {**fixed, **again}
            for key in [key for key in keys if key in again]:
                yield from _differs(
                    f"replicates.npy row {r} {key}", replicates[key][r], again[key], within=REPLICATE_TOLERANCE
                )

    def _check_subjects(self, cells: Sequence[Mapping[str, str]], known: Mapping[str, float]) -> Iterator[Finding]:
        rows = {row["subject"]: row for row in cells}
        if list(rows) != [p.name for p in self.test]:
            yield Finding("metrics.csv", "does not hold exactly the test patients")
        for patient in self.test:
            again = recount_patient(patient, known)
            for key, text in rows.get(patient.name, {}).items():
                if key in again:
                    yield from _differs(f"metrics.csv {patient.name} {key}", _number(text), again[key])

    def _check_sweep(self, path: Path) -> Iterator[Finding]:
        curve = pooled(self.test)
        ascending = curve.scores[::-1]
        for number, row in enumerate(_table(path), 1):
            k = curve.scores.size - 1 - int(np.searchsorted(ascending, float(row["thresholds"])))
            for name, value in _at(curve, k).items():
                yield from _differs(f"sweep.csv row {number} {name}", float(row[name]), value)


def _patient(
    reference: Reference, score_map: NDArray[np.float32], protocol: Protocol, slices: tuple[int, int] | None
) -> Patient | None:
    """The voxels that count, found on the scan's whole grid; None where no slice does."""
    low, high = reference.box
    inside = np.asarray(score_map)[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    z = np.broadcast_to(np.arange(low[2], high[2]), inside.shape)
    first, last = slices or (0, reference.shape[2])
    area = np.where((np.arange(low[2], high[2]) >= first) & (np.arange(low[2], high[2]) <= last), 1, 0)
    if protocol.slices == "largest":
        area = area * reference.anomaly.sum(axis=(0, 1))
        area = (np.arange(area.size) == int(np.argmax(area))) * (area > 0)
    if not area.any():
        return None
    counted = (reference.brain | reference.anomaly) & (area > 0)
    volume = float((reference.anomaly & (area > 0)).sum() * np.prod(reference.spacing))
    return Patient(reference.id, inside[counted], reference.anomaly[counted], z[counted], volume)


def _at(curve: Curve, k: int) -> dict[str, float]:
    tp, marked = curve.tp[k], curve.marked[k]
    n_negative = curve.n - curve.n_positive
    return {
        "precision": tp / marked,
        "sensitivity": tp / curve.n_positive,
        "dice": curve.dice[k],
        "fpr": (marked - tp) / n_negative if n_negative else NAN,
    }


def _check_intervals(record: Mapping[str, Any], replicates: Mapping[str, NDArray[np.float64]]) -> Iterator[Finding]:
    for row in record["metrics"]:
        if row.get("low") is None:
            continue
        values = np.sort(replicates[key_of(row)])
        values = values[~np.isnan(values)]
        for end, share in (("low", 0.025), ("high", 0.975)):
            again = float(np.interp(share * (values.size - 1), np.arange(values.size), values))
            yield from _differs(f"record.json {key_of(row)} {end}", row[end], again)


def _differs(where: str, stored: float | None, again: float, *, within: float = TOLERANCE) -> Iterator[Finding]:
    value = NAN if stored is None else float(stored)
    both_undefined = math.isnan(value) and math.isnan(again)
    if not both_undefined and not math.isclose(value, again, rel_tol=within, abs_tol=within):
        yield Finding(where, f"says {value:.17g}, the maps give {again:.17g}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # the reason of an undefined value


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
