"""Verify a stored leaderboard: rows against their digests and runs, tables against the rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import read_json
from uad_bench.method import Report
from uad_bench.output.publishing import tables
from uad_bench.runs.document import without_paths
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.integrity import Finding, Verification
from uad_bench.runs.opening import is_bundle, open_run
from uad_bench.runs.record import record_digest
from uad_bench.verification.verify import verify_run
from uad_bench.verification.verify_bundle import verify_bundle

SHOWN = 5  # lines of a table that are quoted
SAME = ("subjects", "thresholds", "metrics", "groups", "task", "status", "reason")  # of a row and its run


def verify(target: str, *, runs: Path, data: Path | None = None, report: Report = lambda _: None) -> list[Verification]:
    """Verify a run, all runs of a folder, a bundle, or a stored leaderboard.

    Args:
        target: a run or bundle as in `open_run`, a folder of runs, or a leaderboard: `leaderboards/<task>`,
            `leaderboards/<task>.md`, or the folder of them all.
    """
    folder = Path(target)
    if is_bundle(target):
        return [verify_bundle(target, data=data, report=report)]
    if boards := _boards(folder):
        return [found for board in boards for found in _verify_board(board, runs, data, report)]
    if folder.is_dir() and not (folder / "record.json").exists() and (found := find_runs(folder)):
        return [verify_run(run, data=data, report=report) for run in found]
    return [verify_run(open_run(runs, target), data=data, report=report)]


def _boards(target: Path) -> list[Path]:
    """The folders of stored leaderboards in a folder or of a table; runs are nested deeper and named differently."""
    folder = target.with_suffix("") if target.suffix == ".md" else target
    return sorted({path.parent for pattern in ("*-seed*.json", "*/*-seed*.json") for path in folder.glob(pattern)})


def _verify_board(folder: Path, runs: Path, data: Path | None, report: Report) -> Iterator[Verification]:
    for path in sorted(folder.glob("*-seed*.json")):
        try:
            row = read_json(path)
            run = Run(runs / row["run"])
            findings = [*_check_row(row, run, path.name), *_check_replicates(row, path)]
        except (ConfigError, KeyError, TypeError, AttributeError) as error:
            yield Verification(str(path), 0, (Finding(path.name, f"is not a leaderboard row ({error})"),))
            continue
        if findings or not run.record.exists():
            gone = "" if run.record.exists() else f"its run is not in {runs}"
            yield Verification(str(path), 0, tuple(findings), "" if findings else gone)
        else:
            yield verify_run(run, data=data, report=report)
    yield Verification(str(folder), 0, tuple(_check_tables(folder)))


def _check_row(row: Mapping[str, Any], run: Run, name: str) -> Iterator[Finding]:
    if row.get("digest") != record_digest(row):
        yield Finding(name, "was changed after it was written (its digest differs)")
    if not run.record.exists():
        return
    record = without_paths(run.read_record().to_json())
    for key in SAME:
        if row.get(key) != record.get(key):
            yield Finding(f"{name} {key}", "differs from the run's record")


def _check_replicates(row: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Check the replicates of a row, if the row contains their digest."""
    digest, values = row["board"].get("replicates_sha256"), path.with_suffix(".npy")
    if digest and not values.exists():
        yield Finding(values.name, "is missing")
    elif digest and digest_file(values) != digest:
        yield Finding(values.name, "is not the file that was stored (SHA-256 differs)")


def _check_tables(folder: Path) -> Iterator[Finding]:
    """Check the stored tables against tables generated from the rows."""
    try:
        text, comparison = tables(folder)
    except (ConfigError, VerificationError) as error:
        yield Finding(folder.name, f"tables cannot be regenerated: {error}")
        return
    table = folder.with_suffix(".md")
    stored = table.read_text(encoding="utf-8") if table.exists() else ""
    pairs = enumerate(zip(stored.splitlines(), text.splitlines(), strict=False), 1)
    differing = [(number, line, again) for number, (line, again) in pairs if line != again]
    for number, line, again in differing[:SHOWN]:
        yield Finding(f"{table.name} line {number}", f"is {line!r}, expected {again!r}")
    if len(differing) > SHOWN:
        yield Finding(table.name, f"differs in {len(differing) - SHOWN} more lines")
    if len(stored.splitlines()) != len(text.splitlines()):
        yield Finding(table.name, "has a different number of lines than the regenerated table")
    try:
        same = read_json(folder / "comparison.json") == comparison
    except ConfigError as error:
        yield Finding("comparison.json", str(error))
        return
    if not same:
        yield Finding("comparison.json", "differs from the regenerated comparison")
