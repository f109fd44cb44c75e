"""Evaluate stored maps under another protocol or chain, without inference and without changing the run's record."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from uad_bench.digests import digest_settings
from uad_bench.errors import MethodError
from uad_bench.evaluation.evaluation import Evaluation, evaluate
from uad_bench.evaluation.folds import jackknife_of_folds, mean_metrics
from uad_bench.evaluation.groups import column_groups
from uad_bench.evaluation.judging import cases_of, validated
from uad_bench.evaluation.label_values import sensitivity_by_label
from uad_bench.evaluation.numbers import numbers, replicates_of
from uad_bench.evaluation.protocol import Protocol, load_protocol
from uad_bench.evaluation.replay import POLICY, Replay, refused, replay
from uad_bench.files import write_json
from uad_bench.method import Progress, Report
from uad_bench.runs.document import Document
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import (
    METRICS_VERSION,
    NO_NUMBERS,
    SCHEMA,
    Numbers,
    carried_thresholds,
    record_digest,
)
from uad_bench.runs.reopen import Stored, open_stored
from uad_bench.runs.tables import mean_of_folds, read_columns, write_columns

Scored = tuple[Numbers, dict[str, NDArray[np.float64]]]
"""Numbers of a record, and replicates (n,) by metric key."""
FOLDER = "rescored"
RULES_VERSION = 2  # raise it when a default of a protocol changes


class Rules(Document):
    """The protocol under which maps were re-evaluated.

    Attributes:
        rules: digest of the protocol's settings.
        published: whether the protocol replicates a paper's own code.
    """

    schema_version: int = Field(SCHEMA, alias="schema")
    metrics_version: int = METRICS_VERSION
    run: str
    protocol: str
    rules: str
    chain: str
    published: bool = False


class Rescoring(Numbers, Rules):
    """Metrics of a run's maps under another protocol or chain, stored as `rescored/<protocol>-<chain>.json`."""

    digest: str | None = None


class ReportedNumber(Document):
    """A number that a paper reports for the same method under the same protocol.

    Attributes:
        method: its name in the paper.
        metric: as `name/aggregation`.
        table: title of the table of reported results.
        differs: why the two are not comparable, such as `training budget`; empty if they are.
    """

    method: str
    metric: str
    value: float
    table: str
    differs: tuple[str, ...] = ()


class Crossing(Document):
    """Metrics of a run's maps under one protocol of a cross-walk.

    Attributes:
        threshold: kind of threshold search, on the patients `chosen_on`; None if there is none.
        values: the threshold found in each fold, in the unit of the paper's scores.
        at_end: whether a threshold is the last of its grid, so that a higher one might be better.
        published: whether the protocol replicates a paper's own code.
        notes: differences from the paper's code.
        reported: numbers from papers, added by `boards.reported`.
    """

    protocol: str
    summary: str
    slices: str
    region: str
    chain: str
    threshold: str | None
    chosen_on: str | None
    values: tuple[float, ...] = ()
    at_end: bool = False
    published: bool = False
    notes: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    reported: tuple[ReportedNumber, ...] = ()


def rescore(
    run: Run,
    *,
    data: Path | None = None,
    protocol: str | None = None,
    chain: str = "none",
    by: str | None = None,
    report: Report = lambda _: None,
) -> Rescoring:
    """Re-evaluate a run's stored maps, including lesion and surface metrics, and store the result in its folder.

    Args:
        run: a finished run; folds are evaluated separately and averaged.
        protocol: name or file; defaults to the task's protocol.
        by: a column of the cohort's patients.csv that defines groups.

    Returns:
        the document stored as `rescored/<protocol>-<chain>[-by-<column>].json`: `metrics` and `groups` as in a record.
    """
    parts = open_stored(run, data, report)
    document, replicates = compute_rescoring(parts, protocol or parts[0].cohort.task.protocol, chain, by, report)
    path = rescored_path(run, document.protocol, chain, by)
    path.parent.mkdir(exist_ok=True)
    write_columns(path.with_suffix(".npy"), replicates)
    write_json(path, document.to_json())
    return document


def compute_rescoring(
    parts: Sequence[Stored], protocol: str, chain: str, by: str | None, report: Report, *, cache: Path | None = None
) -> tuple[Rescoring, dict[str, NDArray[np.float64]]]:
    """The document that `rescore` stores, and its replicates (n,) by metric key.

    Args:
        protocol: as in `rescore`; also `chain`, `by` and `report`.
        cache: of references and filtered maps; defaults to the user's cache.
    """
    chosen = load_protocol(protocol).with_chain(chain)
    results = [_numbers(part, chosen, by, report, cache=cache) for part in parts]
    found, replicates = results[0] if len(results) == 1 else _over_folds(results)
    document = Rescoring(
        schema=SCHEMA,
        metrics_version=METRICS_VERSION,
        run=parts[0].record.run.partition("/fold")[0],
        protocol=chosen.name,
        rules=_rules(chosen),
        chain=chosen.chain_name,
        published=chosen.published is not None,
        **dict(found),
    )
    return document.model_copy(update={"digest": record_digest(document.to_json())}), replicates


def read_rescored(
    run: Run, protocol: str, chain: str = "none", by: str | None = None
) -> tuple[Rescoring, dict[str, NDArray[np.float64]]] | None:
    """A stored result and its replicates (n,) by metric key; None if there is no such result.

    Results of other versions of the metrics or of the protocol's file are ignored.
    """
    path = rescored_path(run, protocol, chain, by)
    if not path.exists():
        return None
    document = Rescoring.read(path)
    if not is_current(document):
        return None
    return document, read_columns(path.with_suffix(".npy"), document.jackknife.metrics if document.jackknife else ())


def is_current(document: Rescoring) -> bool:
    """Whether a stored result is from the current versions of the metrics and of the protocol's file."""
    return document.metrics_version == METRICS_VERSION and _has_rules(document.rules, load_protocol(document.protocol))


def rescored_path(run: Run, protocol: str, chain: str, by: str | None = None) -> Path:
    """Path of the result in the run folder."""
    return run.path / FOLDER / f"{protocol}-{chain}{f'-by-{by}' if by else ''}.json"


def crosswalk(
    run: Run, protocols: Sequence[str], *, data: Path | None = None, report: Report = lambda _: None
) -> list[Crossing]:
    """Evaluate the same maps under several protocols; one entry per protocol, with its settings and metrics."""
    parts = open_stored(run, data, report)
    return [_crossing(parts, load_protocol(name), report) for name in protocols]


def _crossing(parts: Sequence[Stored], protocol: Protocol, report: Report) -> Crossing:
    report(Progress(f"protocol {protocol.name}", 0, 1))
    published = protocol.published
    search = published.search if published else None
    try:
        results = [_numbers(part, protocol, None, report, shapes=False) for part in parts]
        merged, _ = results[0] if len(results) == 1 else _over_folds(results)
        values = tuple(value for numbers, _ in results if (value := numbers.thresholds.get(POLICY)) is not None)
    except MethodError as error:  # such as scores beyond half precision; other protocols still apply
        if published is None:
            raise
        merged, values = Numbers(metrics=refused(protocol, str(error))), ()
    report(Progress(f"protocol {protocol.name}", 1, 1))
    return Crossing(
        protocol=protocol.name,
        summary=protocol.summary,
        slices=protocol.slices,
        region=protocol.region,
        chain=protocol.chain_name,
        threshold=search.kind if search else None,
        chosen_on=(published.on if search else None) if published else "val",
        values=values,
        at_end=search is not None and any(map(search.ends_at, values)),
        published=published is not None,
        notes=tuple(published.notes) if published else (),
        metrics=merged.metrics,
    )


def _numbers(
    part: Stored, protocol: Protocol, by: str | None, report: Report, *, shapes: bool = True, cache: Path | None = None
) -> Scored:
    cases = cases_of(part.run, part.cohort, part.split, protocol, report, cache=cache)
    if protocol.published:
        return _replayed(replay(cases, val=validated(part.run, part.split), test=part.split.test)), {}
    if not protocol.chain:  # a threshold of raw maps
        cases = replace(cases, carried=carried_thresholds(part.record.method.weights))
    groupings = [column_groups([part.cohort.subjects[s] for s in part.split.test], by)] if by else []
    result: Evaluation = evaluate(
        cases,
        val=validated(part.run, part.split),
        test=part.split.test,
        shapes=shapes,
        groupings=groupings,
    )
    found = numbers(result)
    if shapes:
        parts = sensitivity_by_label(
            cases,
            part.cohort.subjects,
            part.split.test,
            result.thresholds,
        )
        found = found.model_copy(update={"groups": (*found.groups, *(e.metric for e in parts))})
    return found, replicates_of(result)


def _replayed(result: Replay) -> Numbers:
    known = result.threshold == result.threshold
    threshold = {"published": result.threshold if known else None}
    return NO_NUMBERS.model_copy(update={"thresholds": threshold, "metrics": tuple(result.metrics)})


def _over_folds(results: Sequence[Scored]) -> Scored:
    """Means over folds, without groups, because folds have too few patients."""
    replicates = mean_of_folds([found.metrics for found, _ in results], [values for _, values in results])
    metrics = mean_metrics([found.metrics for found, _ in results], replicates)
    jackknife = jackknife_of_folds([found for found, _ in results], replicates) if replicates else None
    return NO_NUMBERS.model_copy(update={"metrics": metrics, "jackknife": jackknife}), replicates


def _rules(protocol: Protocol) -> str:
    """Digest of a protocol's settings, without name and summary; notes are included."""
    return digest_settings(replace(protocol, name="", summary="", chain=()), version=RULES_VERSION)


def _has_rules(digest: str, protocol: Protocol) -> bool:
    """Whether a stored digest matches these rules; before version 2 the digest was of their Python `repr`."""
    text = repr(replace(protocol, name="", summary="", chain=()))
    return digest in {_rules(protocol), hashlib.sha256(text.encode()).hexdigest()}
