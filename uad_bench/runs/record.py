"""What a run record is: one JSON document that says what was run, on what, where, and what came out."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from uad_bench.digests import digest_file, digest_json
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import Metric

SCHEMA = 1


METRICS_VERSION = 1


UNLABELLED = "unlabelled"  # status of a run that has maps and nothing to judge them by


NO_NUMBERS: Mapping[str, Any] = {
    "thresholds": {}, "chosen_on": {}, "metrics": [], "groups": [], "size_cuts_mm3": [], "bootstrap": None
}  # fmt: skip


def rows(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Metrics as plain values."""
    return [_plain(asdict(metric)) for metric in metrics]


def seal(record: dict[str, Any], run: Run) -> dict[str, Any]:
    """Add the digests of the tables beside the record and, last, of the record itself: any later change shows."""
    tables = (run.metrics, run.sweep, run.replicates)
    record = {key: value for key, value in record.items() if key not in {"files", "digest"}}
    record["files"] = {path.name: digest_file(path) for path in tables if path.exists() and record["metrics"]}
    return {**record, "digest": record_digest(record)}


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a record but its own digest."""
    return digest_json({key: value for key, value in record.items() if key != "digest"})


def run_name(run: Run) -> str:
    """`task/method/seed0-1a2b3c4d`, with `/fold0` behind it for a fold."""
    return "/".join(run.path.parts[-4 if run.path.name.startswith("fold") else -3 :])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Shorter rows: fields that say nothing are left out."""
    return {key: value for key, value in row.items() if value is not None or key in {"value", "policy"}}
