"""Makes the run record: one JSON document with the method, the data, the environment and the results."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from numpy.typing import NDArray

from uad_bench.data.cohort_warnings import find_cohort_warnings
from uad_bench.data.preparation import LATER
from uad_bench.errors import MethodError
from uad_bench.evaluation.detection import DetectionCurves
from uad_bench.evaluation.evaluation import Evaluation
from uad_bench.evaluation.lesion_list import ComponentRow, LesionRow
from uad_bench.evaluation.measurement import SubjectResult
from uad_bench.evaluation.numbers import numbers, replicates_of
from uad_bench.execution.job import Job
from uad_bench.files import write_text
from uad_bench.metrics.sweep import sweep
from uad_bench.runs.cost import cost_of
from uad_bench.runs.document import hide_paths
from uad_bench.runs.environment import Environment, environment
from uad_bench.runs.events import Described, Event, fitted_of, isolation_of, selection_of
from uad_bench.runs.folder import Run, now
from uad_bench.runs.record import (
    METRICS_VERSION,
    NO_NUMBERS,
    SCHEMA,
    MethodFacts,
    RunRecord,
    RunWarning,
    SplitFacts,
    Subjects,
    TaskFacts,
    event_warnings,
)
from uad_bench.runs.tables import write_columns

AS_ASKED = ("name", "dataset", "pair", "modalities", "slices", "size", "scaling", "field_of_view", "margin", "protocol")
"""Fields of the task in a record."""


def make_record(
    job: Job,
    *,
    needs: Described | None = None,
    result: Evaluation | None = None,
    failure: MethodError | None = None,
) -> RunRecord:
    """The record of a finished or failed run; also writes the run's tables."""
    run = job.run
    if result:
        write_tables(run, result)
    events = run.read_events()
    split = job.split
    record = RunRecord(
        schema=SCHEMA,
        metrics_version=METRICS_VERSION,
        run=run.name,
        status="failed" if failure else "ok" if result else "unlabelled",
        reason=failure.reason if failure else None,
        message=hide_paths(str(failure)) if failure else None,
        task=_task(job),
        method=_method(job, needs, events),
        seed=job.experiment.seed,
        fold=int(run.path.name[4:]) if run.path.name.startswith("fold") else None,
        budget=job.cohort.task.budget,
        subjects=Subjects(train=split.train, val=split.val, test=split.test),
        **dict(numbers(result) if result else NO_NUMBERS),
        warnings=(*_cohort_warnings(job), *event_warnings(events)),
        cost=cost_of(events),
        environment=_environment(job, events),
        created=now(),
        **_given(selection=selection_of(events)),
    )
    return run.seal(record)


def write_tables(run: Run, result: Evaluation) -> None:
    """Write the tables of test patients, thresholds, lesions and false positives, and the jackknife replicates."""
    write_columns(run.replicates, replicates_of(result))
    write_text(run.metrics, _csv([_row(subject) for subject in result.subjects]))
    write_text(run.sweep, _csv(_rows(asdict(sweep(result.counts)))))
    write_text(run.froc, _csv(_froc_rows(result.detection)))
    components = result.components
    write_text(run.lesions, _csv([_lesion_row(lesion) for lesion in components.lesions], LesionRow))
    write_text(run.false_positives, _csv([asdict(one) for one in components.false_positives], ComponentRow))


def _task(job: Job) -> TaskFacts:
    task, split = job.cohort.task, job.split
    return TaskFacts(
        **{name: getattr(task, name) for name in AS_ASKED},
        **_given(exclude=task.exclude or None, perturb=task.perturb, protocol_digest=job.identity.get("protocol")),
        **{name: getattr(task, name) for name, usual in LATER.items() if getattr(task, name) != usual},
        data_digest=job.cohort.digest,
        split=SplitFacts(name=split.name, digest=split.digest, note=split.note),
    )


def _environment(job: Job, events: Sequence[Event]) -> Environment:
    """Of this process, with what the method's process reported about its own."""
    noted = {"isolation": isolation_of(events), "precision": fitted_of(events).precision}
    return environment(job.device).model_copy(update=noted)


def _given(**fields: Any) -> dict[str, Any]:
    """Those that are not None, which a record would hold as null."""
    return {name: value for name, value in fields.items() if value is not None}


def _method(job: Job, needs: Described | None, events: Sequence[Event]) -> MethodFacts:
    fitted = fitted_of(events)
    return MethodFacts(
        name=job.experiment.method,
        profile=job.experiment.profile,
        params=needs.params if needs else dict(job.experiment.params),
        origin=job.entry.file.name if job.entry.file else job.entry.origin,
        source=job.identity["source"],
        deterministic=needs.deterministic if needs else None,
        weights=job.origin.named_weights if job.origin else None,
        **_given(select=job.experiment.select),
        fit=needs.fit if needs else None,
        score=needs.score if needs else None,
        parameters=fitted.parameters,
        network_calls_per_slice=fitted.network_calls_per_slice,
    )


def _cohort_warnings(job: Job) -> list[RunWarning]:
    found = find_cohort_warnings(
        job.cohort.census.values(), job.cohort.near, field_of_view=job.cohort.task.field_of_view
    )
    return [RunWarning(kind=warning.kind, count=warning.count, message=warning.message) for warning in found]


def _row(subject: SubjectResult) -> dict[str, Any]:
    row: dict[str, Any] = {"subject": subject.subject}
    for key, measure in subject.measures.items():
        row[key] = repr(measure.value) if measure.defined else measure.undefined
    return row


def _froc_rows(curves: DetectionCurves) -> list[dict[str, float]]:
    """Rates at each threshold, highest first; the first marks nothing."""
    columns = {
        "threshold": curves.subjects[0].curve.thresholds,
        "false_positives_per_volume": curves.false[0],
        "lesion_sensitivity": curves.sensitivity()[0],
        "slice_alarm_rate": curves.alarms[0],
    }
    return _rows(columns)


def _lesion_row(lesion: LesionRow) -> dict[str, Any]:
    row = asdict(lesion)
    shares = row.pop("shares")
    return {**row, "detected": int(lesion.detected), **{f"share@{policy}": share for policy, share in shares.items()}}


def _rows(columns: Mapping[str, NDArray[Any]]) -> list[dict[str, float]]:
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def _csv(rows: Sequence[Mapping[str, Any]], kind: type[ComponentRow] | None = None) -> str:
    """The rows as text; without any, the head names the fields of their kind."""
    text = io.StringIO()
    head = list(rows[0]) if rows else [field.name for field in fields(kind)] if kind else []
    writer = csv.DictWriter(text, fieldnames=head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
