"""Verify a stored run: recompute every metric from scans and maps, check its event log, and report differences."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np

from uad_bench.data.cache import cache_root
from uad_bench.evaluation.rescore import Rescoring
from uad_bench.method import Progress, Report
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import (
    TOLERANCE,
    Finding,
    Verification,
    check_events,
    check_files,
    check_roles,
    check_version,
    differs,
)
from uad_bench.runs.record import METRICS_VERSION, RunRecord
from uad_bench.runs.reopen import open_stored
from uad_bench.runs.tables import load_replicates
from uad_bench.verification.claims import check_claims, check_form
from uad_bench.verification.combination_check import check_combination, unchecked_members
from uad_bench.verification.curve import NAN, Values
from uad_bench.verification.reconstruction_check import check_reconstructions, unchecked_reconstructions
from uad_bench.verification.record_check import RecordCheck
from uad_bench.verification.replicates import check_interval, over_folds
from uad_bench.verification.rescored_check import check_rescored, outdated_files, rescored_files

BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, EOFError)
"""Exceptions raised by documents that are valid at the top level but malformed below."""


def verify_run(run: Run, *, data: Path | None = None, report: Report = lambda _: None) -> Verification:
    """Check digests, claims, split, thresholds, every number of the record and every cell of its tables.

    Raises:
        DataError: the references are not found, or belong to different data.
    """
    try:
        return _verify(run, data, report)
    except BROKEN as error:
        broken = Finding("record.json or a file of the run", f"is malformed ({type(error).__name__}: {error})")
        return Verification(str(run.path), 0, (broken,))


def _verify(run: Run, data: Path | None, report: Report) -> Verification:
    parts, name = run.folds or (run,), str(run.path)
    whole = [*check_form(run)] if run.folds else []
    forms = [f for part in parts for f in _named(check_form(part), part.path.name if run.folds else "")]
    if whole or forms:
        return Verification(name, 0, (*whole, *forms))
    record = run.read_record()
    findings = [f for part in parts for f in _without_data(part, part.read_record(), named=bool(run.folds))]
    if run.folds:
        findings += [*check_files(run, record), *check_claims(run, record)]
    if run.folds and record.status == "ok":
        findings += _check_folds(run, record)
    if findings or record.status != "ok":
        return Verification(name, 0, tuple(findings), failed=record.status != "ok")
    if missing := [subject for part in parts for subject in _missing_maps(part)]:
        return Verification(name, 0, (), f"{len(missing)} score maps are missing, first {missing[0]}")
    count, found = _recompute(run, data, report)
    unchecked = (
        *_older(record), *outdated_files(run), *unchecked_reconstructions(run), *unchecked_members(run)
    )  # fmt: skip
    return Verification(name, count, tuple(found), unchecked=unchecked)


def _recompute(run: Run, data: Path | None, report: Report) -> tuple[int, list[Finding]]:
    """The number of recomputed values and the differences found; existing caches are not used."""
    cache_root().mkdir(parents=True, exist_ok=True)
    found: list[Finding] = []
    count = 0
    with TemporaryDirectory(prefix=".verify-", dir=cache_root()) as folder:
        parts = open_stored(run, data, report, cache=Path(folder))
        for stored in parts:
            report(Progress(f"recomputing {stored.part}".strip(), 0, 1))
            numbers, differing = RecordCheck.of(stored, report, cache=Path(folder)).compare()
            found, count = [*found, *_named(differing, stored.part)], count + numbers
        found += check_combination(run, parts, Path(folder))
        for path in rescored_files(run):
            report(Progress(f"recomputing {path.stem}", 0, 1))
            found += check_rescored(path, parts, Path(folder), report)
            count += len(Rescoring.read(path).metrics)
        numbers, differing = check_reconstructions(run, parts, Path(folder), report)
        found, count = [*found, *differing], count + numbers
    report(Progress("recomputing", 1, 1))
    return count, found


def _older(record: RunRecord) -> list[str]:
    """What an older metrics version computed in another way."""
    version = record.metrics_version
    if version == METRICS_VERSION:
        return []
    return [f"intervals, replicates and tables, computed under metrics version {version} (this is {METRICS_VERSION})"]


def _without_data(run: Run, record: RunRecord, *, named: bool) -> list[Finding]:
    found = [*check_version(record), *check_files(run, record), *check_roles(run, record), *check_claims(run, record)]
    found += check_events(run.read_events(), record)
    return _named(found, run.path.name if named else "")


def _named(findings: Sequence[Finding], part: str) -> list[Finding]:
    return [Finding(f"{part}/{f.where}" if part else f.where, f.what) for f in findings]


def _missing_maps(run: Run) -> list[str]:
    if not run.manifest.exists():
        return ["MANIFEST.json"]
    return [subject for subject in Manifest.read(run.manifest).maps if not run.map(subject).exists()]


def _check_folds(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Check the record over folds against the records of the folds."""
    folds = [fold.read_record() for fold in run.folds]
    tables = [{row.key: row.value for row in fold.metrics} for fold in folds]
    keys = sorted(row.key for row in record.metrics)
    if keys != sorted(tables[0]):
        yield Finding("record.json metrics", "are not the metrics of the folds, each once")
    for row in record.metrics:
        values = [table.get(row.key) for table in tables]
        known = [value for value in values if value is not None]
        mean = fmean(known) if len(known) == len(values) else NAN
        yield from differs(f"record.json {row.key}", row.value, mean)
    if {*record.warnings} != {warning for fold in folds for warning in fold.warnings}:
        yield Finding("record.json warnings", "are not those of the folds")
    if record.metrics_version == METRICS_VERSION:
        stored = load_replicates(run)
        yield from _check_replicates_of_folds(run, stored, tables)
        for row in record.metrics:
            yield from check_interval(row, stored.get(row.key), stored=row.key in stored)


def _check_replicates_of_folds(
    run: Run, stored: Mapping[str, Values], tables: Sequence[Mapping[str, float | None]]
) -> Iterator[Finding]:
    """Check the means of the folds' replicates; the replicates are recomputed with each fold."""
    folds = [load_replicates(fold) for fold in run.folds]
    again = {
        key: over_folds([float(table[key] or 0.0) for table in tables], [fold[key] for fold in folds])
        for key in folds[0]
        if all(key in fold for fold in folds)
    }
    if list(stored) != list(again):
        yield Finding("replicates.npy", "does not contain the metrics with replicates in every fold")
    for key in stored.keys() & again.keys():
        if stored[key].shape != again[key].shape or not np.allclose(
            stored[key], again[key], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
        ):
            yield Finding(f"replicates.npy {key}", "is not that of the mean over folds")
