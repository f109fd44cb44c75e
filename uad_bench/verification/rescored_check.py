"""Recompute rescored results, used in tables of the common chain and of lesion metrics, from scans and maps.

Post-processing, lesion and surface metrics are recomputed by the same code, without using any cache.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.rescore import FOLDER, Rescoring, compute_rescoring, is_current
from uad_bench.method import Report
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.reopen import Stored

ENDS = ("value", "low", "high")


def rescored_files(run: Run) -> list[Path]:
    """Stored results that this version can recompute."""
    return [path for path in sorted((run.path / FOLDER).glob("*.json")) if is_current(Rescoring.read(path))]


def outdated_files(run: Run) -> list[str]:
    """Stored results of another version of the metrics or of the protocol, which tables do not use."""
    current = rescored_files(run)
    return [f"{FOLDER}/{path.name}" for path in sorted((run.path / FOLDER).glob("*.json")) if path not in current]


def check_rescored(path: Path, parts: Sequence[Stored], cache: Path, report: Report) -> list[Finding]:
    """Check every row and replicate of one result."""
    stored, where = Rescoring.read(path), f"{FOLDER}/{path.name}"
    chain, _, by = path.stem.removeprefix(f"{stored.protocol}-").partition("-by-")
    again, replicates = compute_rescoring(parts, stored.protocol, chain, by or None, report, cache=cache)
    found = [*_check_rows(where, stored.metrics, again.metrics), *_check_rows(where, stored.groups, again.groups)]
    found += [
        Finding(f"{where} {name}", "differs from the recomputed value")
        for name in ("thresholds", "chosen_on", "size_cuts_mm3", "jackknife", "run", "chain", "published")
        if getattr(stored, name) != getattr(again, name)
    ]
    return [*found, *_check_replicates(path.with_suffix(".npy"), list(replicates.values()))]


def _check_rows(where: str, stored: Sequence[MetricRow], again: Sequence[MetricRow]) -> Iterator[Finding]:
    if [row.key for row in stored] != [row.key for row in again]:
        yield Finding(where, "does not contain each expected metric exactly once")
        return
    for row, other in zip(stored, again, strict=True):
        for name in ENDS:
            value = getattr(other, name)
            yield from differs(f"{where} {row.key} {name}", getattr(row, name), np.nan if value is None else value)
        cleared = dict.fromkeys(ENDS)
        if row.model_copy(update=cleared) != other.model_copy(update=cleared):
            yield Finding(f"{where} {row.key}", f"is {row}, recomputed {other}")


def _check_replicates(path: Path, again: Sequence[NDArray[np.float64]]) -> Iterator[Finding]:
    stored = np.load(path, allow_pickle=False)
    columns = np.stack(again, axis=1) if again else np.empty((0, 0))
    where = f"{FOLDER}/{path.name}"
    if stored.shape != columns.shape:
        yield Finding(where, f"has shape {stored.shape}, expected {columns.shape}")
    elif not np.allclose(stored, columns, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        yield Finding(where, "differs from the recomputed replicates")
