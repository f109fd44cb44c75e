"""Verify a bundle: its digests, claims and event log and, if it contains score maps, its metrics."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from uad_bench.data.cache import cache_root
from uad_bench.method import Report
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import (
    Finding,
    Verification,
    check_events,
    check_numbers,
    check_roles,
    check_version,
    differs,
)
from uad_bench.runs.opening import open_run
from uad_bench.runs.reopen import open_stored
from uad_bench.verification.claims import check_claims, check_form
from uad_bench.verification.record_check import RecordCheck

ROUNDED = 2e-3
"""Tolerance of metrics recomputed from the maps of a bundle, which are rounded to 65,536 levels."""
WITHOUT = "it contains no score maps; its digests, its split and its event log are consistent"


def verify_bundle(file: str, *, data: Path | None, report: Report) -> Verification:
    """Verify a bundle without trusting anything in it.

    Raises:
        VerificationError: the bundle is not valid.
        DataError: it contains maps, and the patients are not found or differ.
    """
    run = open_run(Path(), file, maps=True)
    parts = run.folds or (run,)
    if findings := [finding for part in parts for finding in _check(part)]:
        return Verification(file, 0, tuple(findings))
    if not any(run.path.rglob("maps/*")):
        return Verification(file, 0, (), WITHOUT)
    numbers, findings = _recompute(run, data, report)
    return Verification(file, numbers, tuple(findings), within=ROUNDED)


def _check(run: Run) -> Iterator[Finding]:
    yield from (broken := check_form(run))
    if broken:
        return
    record = run.read_record()
    yield from check_version(record)
    yield from check_numbers(run, record)
    yield from check_roles(run, record)
    yield from check_claims(run, record)
    if run.events.exists():
        yield from check_events(run.read_events(), record)


def _recompute(run: Run, data: Path | None, report: Report) -> tuple[int, list[Finding]]:
    """The number of recomputed metrics, and those that differ by more than the rounding of the maps explains."""
    cache_root().mkdir(parents=True, exist_ok=True)
    findings: list[Finding] = []
    numbers = 0
    with TemporaryDirectory(prefix=".verify-", dir=cache_root()) as folder:
        for stored in open_stored(run, data, report, cache=Path(folder)):
            check = RecordCheck.of(stored, report, cache=Path(folder))
            again = check.numbers(check.test)
            for row in stored.record.metrics:
                value = again[row.key].value if row.key in again else float("nan")
                findings += differs(f"{stored.part} {row.key}".strip(), row.value, value, within=ROUNDED)
            numbers += len(stored.record.metrics)
    return numbers, findings
