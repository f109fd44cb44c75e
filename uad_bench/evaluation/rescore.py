"""Numbers from stored maps under another protocol or chain: no inference, and the run's own record is never touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.evaluation import Evaluation, evaluate
from uad_bench.evaluation.folds import mean_over_folds
from uad_bench.evaluation.groups import column_groups
from uad_bench.evaluation.judging import bootstrap_seed, cases_of, validated
from uad_bench.evaluation.numbers import numbers, replicates_of
from uad_bench.evaluation.protocol import Protocol, load_protocol
from uad_bench.evaluation.replay import Replay, replay
from uad_bench.files import read_json, write_json
from uad_bench.method import Progress
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import key_of
from uad_bench.runs.record import METRICS_VERSION, NO_NUMBERS, SCHEMA, record_digest, rows
from uad_bench.runs.reopen import Stored, open_stored
from uad_bench.runs.replicates import mean_of_folds, read_columns, write_columns

Report = Callable[[Progress], None]
Numbers = tuple[dict[str, Any], dict[str, NDArray[np.float64]]]
"""The part of a record that holds numbers, and replicates by metric key."""
FOLDER = "rescored"


def rescore(
    run: Run,
    *,
    data: Path | None = None,
    protocol: str | None = None,
    chain: str = "none",
    by: str | None = None,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Evaluate a run's stored maps again, lesions and surfaces included, and keep the result in its folder.

    Args:
        run: a finished run; the folds of one with folds are evaluated each and averaged.
        data: folder with the patients, where the task's data is not embedded.
        protocol: name or file; by default the task's.
        chain: `none` or `common`.
        by: a column of the cohort's patients.csv to make groups by.
        report: receives progress.

    Returns:
        what is stored as `rescored/<protocol>-<chain>[-by-<column>].json`: `metrics` and `groups` as in a record.
    """
    parts = open_stored(run, data, report)
    chosen = load_protocol(protocol or parts[0].cohort.task.protocol).with_chain(chain)
    results = [_numbers(part, chosen, by, report) for part in parts]
    head = {
        "schema": SCHEMA,
        "metrics_version": METRICS_VERSION,
        "run": parts[0].record["run"].partition("/fold")[0],
        "protocol": chosen.name,
        "rules": _rules(chosen),
        "chain": chosen.chain_name,
        "published": chosen.published is not None,
    }
    found, replicates = results[0] if len(results) == 1 else _over_folds(results)
    document = {**head, **found}
    document["digest"] = record_digest(document)
    path = rescored_path(run, chosen.name, chain, by)
    path.parent.mkdir(exist_ok=True)
    write_columns(path.with_suffix(".npy"), replicates)
    write_json(path, document)
    return document


def read_rescored(
    run: Run, protocol: str, chain: str = "none", by: str | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]] | None:
    """A stored result and its replicates (R,) by metric key; None where the run was not rescored so.

    A result under other versions of the metrics or of the protocol's file counts as absent.
    """
    path = rescored_path(run, protocol, chain, by)
    if not path.exists():
        return None
    document = read_json(path)
    if document["metrics_version"] != METRICS_VERSION or document["rules"] != _rules(load_protocol(protocol)):
        return None
    return document, read_columns(path.with_suffix(".npy"), (document["bootstrap"] or {"metrics": []})["metrics"])


def rescored_path(run: Run, protocol: str, chain: str, by: str | None = None) -> Path:
    """Where the result lies, beside the record."""
    return run.path / FOLDER / f"{protocol}-{chain}{f'-by-{by}' if by else ''}.json"


def crosswalk(
    run: Run, protocols: Sequence[str], *, data: Path | None = None, report: Report = lambda _: None
) -> list[dict[str, Any]]:
    """The same maps under many protocols: one entry each, with its metrics and what stands behind them."""
    parts = open_stored(run, data, report)
    return [_crossing(parts, load_protocol(name), report) for name in protocols]


def _crossing(parts: Sequence[Stored], protocol: Protocol, report: Report) -> dict[str, Any]:
    report(Progress(f"protocol {protocol.name}", 0, 1))
    results = [_numbers(part, protocol, None, report, shapes=False) for part in parts]
    merged, _ = results[0] if len(results) == 1 else _over_folds(results)
    published = protocol.published
    report(Progress(f"protocol {protocol.name}", 1, 1))
    return {
        "protocol": protocol.name,
        "summary": protocol.summary,
        "slices": protocol.slices,
        "region": protocol.region,
        "chain": protocol.chain_name,
        "threshold": published.search.kind if published and published.search else None,
        "chosen_on": (published.on if published.search else None) if published else "val",
        "notes": list(published.notes) if published else [],
        "metrics": merged["metrics"],
    }


def _numbers(part: Stored, protocol: Protocol, by: str | None, report: Report, *, shapes: bool = True) -> Numbers:
    cases = cases_of(part.run, part.cohort, part.split, protocol, report)
    if protocol.published:
        return _replayed(replay(cases, val=validated(part.run, part.split), test=part.split.test)), {}
    groupings = [column_groups([part.cohort.subjects[s] for s in part.split.test], by)] if by else []
    result: Evaluation = evaluate(
        cases,
        val=validated(part.run, part.split),
        test=part.split.test,
        seed=bootstrap_seed(part.split.test),
        shapes=shapes,
        groupings=groupings,
    )
    return numbers(result), replicates_of(result)


def _replayed(result: Replay) -> dict[str, Any]:
    known = result.threshold == result.threshold
    return {
        **NO_NUMBERS,
        "thresholds": {"published": float.hex(result.threshold) if known else None},
        "metrics": rows(result.metrics),
    }


def _over_folds(results: Sequence[Numbers]) -> Numbers:
    """Means over folds; groups are left out, because a fold has too few patients for them."""
    tables = [{key_of(row): row for row in found["metrics"]} for found, _ in results]
    replicates = mean_of_folds([values for _, values in results])
    merged = [mean_over_folds([table.get(key) for table in tables], replicates.get(key)) for key in tables[0]]
    rows_of = [(found["bootstrap"] or {}).get("rows") for found, _ in results]
    bootstrap = {"rows": rows_of, "metrics": list(replicates)} if replicates else None
    return {**NO_NUMBERS, "metrics": merged, "bootstrap": bootstrap}, replicates


def _rules(protocol: Protocol) -> str:
    """Digest of everything that a protocol says, its words aside."""
    return hashlib.sha256(repr(replace(protocol, name="", summary="", chain=())).encode()).hexdigest()
