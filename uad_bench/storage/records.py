"""The run record: one JSON document that says what was run, on what, where, and what came out."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.cohort import Cohort
from uad_bench.config import Experiment
from uad_bench.data.oddities import find_oddities
from uad_bench.data.splits import Split
from uad_bench.errors import MethodError
from uad_bench.evaluation.evaluation import Evaluation
from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.evaluation.metric_rows import Metric
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.execution.cost import cost_of
from uad_bench.files import write_text
from uad_bench.fingerprint import digest_file, digest_json, digest_source
from uad_bench.metrics.sweep import sweep
from uad_bench.plugins.registry import Entry
from uad_bench.storage.environment import environment
from uad_bench.storage.redaction import hide_paths
from uad_bench.storage.replicates import save_replicates
from uad_bench.storage.runs import Run, now

SCHEMA = 1
METRICS_VERSION = 1
UNLABELLED = "unlabelled"  # status of a run that has maps and nothing to judge them by


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was asked for: all of a record that is known before anything runs."""

    experiment: Experiment
    entry: Entry
    cohort: Cohort
    split: Split
    device: str

    @property
    def labelled(self) -> bool:
        """Whether it is known of anybody who is tested where they are anomalous."""
        return any(self.cohort.census[name].labelled for name in self.split.test)


def make_record(
    asked: Outcome,
    run: Run,
    *,
    needs: Mapping[str, Any] | None = None,
    result: Evaluation | None = None,
    failure: MethodError | None = None,
) -> dict[str, Any]:
    """The record of a finished or failed run; also writes the tables beside it."""
    if result:
        write_tables(run, result)
    record = {
        "schema": SCHEMA,
        "metrics_version": METRICS_VERSION,
        "run": run_name(run),
        "status": "failed" if failure else "ok" if result else UNLABELLED,
        "reason": failure.reason if failure else None,
        "message": hide_paths(str(failure)) if failure else None,
        "task": _task(asked),
        "method": _method(asked, needs or {}, run),
        "seed": asked.experiment.seed,
        "fold": int(run.path.name[4:]) if run.path.name.startswith("fold") else None,
        "budget": asdict(asked.cohort.task.budget),
        "subjects": {role: list(getattr(asked.split, role)) for role in ("train", "val", "test")},
        **(numbers(result) if result else NO_NUMBERS),
        "warnings": [*map(asdict, find_oddities(asked.cohort.census.values())), *_warnings(run)],
        "cost": cost_of(run.read_events()),
        "environment": environment(asked.device),
        "created": now(),
    }
    return seal(record, run)


def numbers(result: Evaluation) -> dict[str, Any]:
    """The part of a record that holds numbers."""
    return {
        "thresholds": _thresholds(result),
        "chosen_on": {policy: _chosen(threshold) for policy, threshold in result.thresholds.items()},
        "metrics": rows(e.metric for e in result.estimates),
        "groups": rows(e.metric for e in result.groups),
        "size_cuts_mm3": list(result.size_cuts_mm3),
        "bootstrap": {"rows": result.rows, "metrics": list(replicates_of(result))},
    }


def replicates_of(result: Evaluation) -> dict[str, NDArray[np.float64]]:
    """Replicates (R,) of the metrics that have an interval, by key."""
    return {e.metric.key: e.replicates for e in result.estimates if e.replicates is not None}


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


def write_tables(run: Run, result: Evaluation) -> None:
    """metrics.csv, one row a test patient; sweep.csv, one row a threshold; and the bootstrap replicates."""
    save_replicates(run, replicates_of(result))
    write_text(run.metrics, _csv([_row(subject) for subject in result.subjects]))
    write_text(run.sweep, _csv(_sweep_rows(result)))


def _task(asked: Outcome) -> dict[str, Any]:
    task, split = asked.cohort.task, asked.split
    return {
        "name": task.name,
        "dataset": task.dataset,
        "pair": list(task.pair),
        "modalities": list(task.modalities),
        "slices": list(task.slices) if task.slices else None,
        "size": task.size,
        "scaling": task.scaling,
        "field_of_view": task.field_of_view,
        "margin": task.margin,
        "protocol": task.protocol,
        "data_digest": asked.cohort.digest,
        "split": {"name": split.name, "digest": split.digest, "note": split.note},
    }


def _method(asked: Outcome, needs: Mapping[str, Any], run: Run) -> dict[str, Any]:
    fitted: dict[str, Any] = next((e for e in reversed(run.read_events()) if e["event"] == "fitted"), {})
    return {
        "name": asked.experiment.method,
        "profile": asked.experiment.profile,
        "params": needs.get("params", dict(asked.experiment.params)),
        "origin": asked.entry.file.name if asked.entry.file else asked.entry.origin,
        "source": digest_source(asked.entry),
        "deterministic": needs.get("deterministic"),
        "weights": asked.experiment.origin.to_json() if asked.experiment.origin else None,
        "fit": needs.get("fit"),
        "score": needs.get("score"),
        "parameters": fitted.get("parameters"),
        "network_calls_per_slice": fitted.get("network_calls_per_slice"),
    }


def _thresholds(result: Evaluation) -> dict[str, Any]:
    """Exact values as hexadecimal floats, because a decimal may round to another score."""
    return {policy: None if t.undefined else float.hex(t.value) for policy, t in result.thresholds.items()}


def _chosen(threshold: Threshold) -> dict[str, Any]:
    """What a threshold does where it was chosen, or why there is none."""
    if threshold.undefined:
        return {"undefined": threshold.undefined}
    return {"realised": threshold.realised}


def _warnings(run: Run) -> list[dict[str, Any]]:
    """What is allowed but strange, by kind with the number of cases: constant maps, attempts to read labels."""
    events = [e for e in run.read_events() if e["event"] in {"warning", "label_access"}]
    cases = {(e.get("kind", e["event"]), e.get("subject", e.get("path"))) for e in events}
    kinds = Counter(kind for kind, _ in cases)
    return [{"kind": kind, "count": count} for kind, count in sorted(kinds.items())]


def _row(subject: SubjectResult) -> dict[str, Any]:
    row: dict[str, Any] = {"subject": subject.subject}
    for key, measure in subject.measures.items():
        row[key] = repr(measure.value) if measure.defined else measure.undefined
    return row


def _sweep_rows(result: Evaluation) -> list[dict[str, float]]:
    curve = asdict(sweep(result.counts))
    return [dict(zip(curve, map(float, row), strict=True)) for row in zip(*curve.values(), strict=True)]


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Shorter rows: fields that say nothing are left out."""
    return {key: value for key, value in row.items() if value is not None or key in {"value", "policy"}}
