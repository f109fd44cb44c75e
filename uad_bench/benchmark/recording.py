"""The run record: one JSON document that says what was run, on what, where, and what came out."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from uad_bench.data.oddities import find_oddities
from uad_bench.errors import MethodError
from uad_bench.evaluation.evaluation import Evaluation
from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.evaluation.numbers import numbers, replicates_of
from uad_bench.execution.job import Job
from uad_bench.files import write_text
from uad_bench.metrics.sweep import sweep
from uad_bench.runs.cost import cost_of
from uad_bench.runs.environment import environment
from uad_bench.runs.folder import Run, now
from uad_bench.runs.isolation import isolation_of
from uad_bench.runs.record import METRICS_VERSION, NO_NUMBERS, SCHEMA, UNLABELLED, run_name, seal
from uad_bench.runs.redaction import hide_paths
from uad_bench.runs.replicates import save_replicates


def make_record(
    job: Job,
    *,
    needs: Mapping[str, Any] | None = None,
    result: Evaluation | None = None,
    failure: MethodError | None = None,
) -> dict[str, Any]:
    """The record of a finished or failed run; also writes the tables beside it."""
    run = job.run
    if result:
        write_tables(run, result)
    record = {
        "schema": SCHEMA,
        "metrics_version": METRICS_VERSION,
        "run": run_name(run),
        "status": "failed" if failure else "ok" if result else UNLABELLED,
        "reason": failure.reason if failure else None,
        "message": hide_paths(str(failure)) if failure else None,
        "task": _task(job),
        "method": _method(job, needs or {}, run),
        "seed": job.experiment.seed,
        "fold": int(run.path.name[4:]) if run.path.name.startswith("fold") else None,
        "budget": asdict(job.cohort.task.budget),
        "subjects": {role: list(getattr(job.split, role)) for role in ("train", "val", "test")},
        **(numbers(result) if result else NO_NUMBERS),
        "warnings": [*map(asdict, find_oddities(job.cohort.census.values())), *_warnings(run)],
        "cost": cost_of(run.read_events()),
        "environment": {**environment(job.device), "isolation": isolation_of(run.read_events())},
        "created": now(),
    }
    return seal(record, run)


def write_tables(run: Run, result: Evaluation) -> None:
    """metrics.csv, one row a test patient; sweep.csv, one row a threshold; and the bootstrap replicates."""
    save_replicates(run, replicates_of(result))
    write_text(run.metrics, _csv([_row(subject) for subject in result.subjects]))
    write_text(run.sweep, _csv(_sweep_rows(result)))


def _task(job: Job) -> dict[str, Any]:
    task, split = job.cohort.task, job.split
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
        "data_digest": job.cohort.digest,
        "split": {"name": split.name, "digest": split.digest, "note": split.note},
    }


def _method(job: Job, needs: Mapping[str, Any], run: Run) -> dict[str, Any]:
    fitted: dict[str, Any] = next((e for e in reversed(run.read_events()) if e["event"] == "fitted"), {})
    return {
        "name": job.experiment.method,
        "profile": job.experiment.profile,
        "params": needs.get("params", dict(job.experiment.params)),
        "origin": job.entry.file.name if job.entry.file else job.entry.origin,
        "source": job.identity["source"],
        "deterministic": needs.get("deterministic"),
        "weights": job.origin.to_json() if job.origin else None,
        "fit": needs.get("fit"),
        "score": needs.get("score"),
        "parameters": fitted.get("parameters"),
        "network_calls_per_slice": fitted.get("network_calls_per_slice"),
    }


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
