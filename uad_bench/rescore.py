"""Numbers from stored maps under another protocol or chain: no inference, and the run's own record is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uad_bench.evaluation import Evaluation, evaluate
from uad_bench.files import write_json
from uad_bench.folds import mean_over_folds
from uad_bench.groups import column_groups
from uad_bench.judging import bootstrap_seed, cases_of
from uad_bench.method import Progress
from uad_bench.metric_rows import key_of
from uad_bench.protocol import Protocol, load_protocol
from uad_bench.records import METRICS_VERSION, SCHEMA, numbers, record_digest, rows
from uad_bench.replay import Replay, replay
from uad_bench.runs import Run
from uad_bench.stored import Stored, open_stored

Report = Callable[[Progress], None]
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
        "chain": chosen.chain_name,
        "published": chosen.published is not None,
    }
    document = {**head, **(results[0] if len(results) == 1 else _over_folds(results))}
    document["digest"] = record_digest(document)
    write_json(rescored_path(run, chosen.name, chain, by), document)
    return document


def rescored_path(run: Run, protocol: str, chain: str, by: str | None = None) -> Path:
    """Where the result lies, beside the record."""
    folder = run.path / FOLDER
    folder.mkdir(exist_ok=True)
    return folder / f"{protocol}-{chain}{f'-by-{by}' if by else ''}.json"


def crosswalk(
    run: Run, protocols: Sequence[str], *, data: Path | None = None, report: Report = lambda _: None
) -> list[dict[str, Any]]:
    """The same maps under many protocols: one entry each, with its metrics and what stands behind them."""
    parts = open_stored(run, data, report)
    return [_crossing(parts, load_protocol(name), report) for name in protocols]


def _crossing(parts: Sequence[Stored], protocol: Protocol, report: Report) -> dict[str, Any]:
    report(Progress(f"protocol {protocol.name}", 0, 1))
    results = [_numbers(part, protocol, None, report, shapes=False) for part in parts]
    merged = results[0] if len(results) == 1 else _over_folds(results)
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


def _numbers(
    part: Stored, protocol: Protocol, by: str | None, report: Report, *, shapes: bool = True
) -> dict[str, Any]:
    cases = cases_of(part.run, part.cohort, part.split, protocol, report)
    if protocol.published:
        return _replayed(replay(cases, val=part.split.val, test=part.split.test))
    groupings = [column_groups([part.cohort.subjects[s] for s in part.split.test], by)] if by else []
    result: Evaluation = evaluate(
        cases,
        val=part.split.val,
        test=part.split.test,
        seed=bootstrap_seed(part.split.test),
        shapes=shapes,
        groupings=groupings,
    )
    return numbers(result)


def _replayed(result: Replay) -> dict[str, Any]:
    known = result.threshold == result.threshold
    return {
        "thresholds": {"published": float.hex(result.threshold) if known else None},
        "metrics": rows(result.metrics),
        "groups": [],
        "size_cuts_mm3": [],
        "bootstrap": None,
    }


def _over_folds(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over folds, without intervals: the folds' replicates are not kept for a rescoring."""
    tables = [{key_of(row): row for row in result["metrics"]} for result in results]
    merged = [mean_over_folds([table.get(key) for table in tables], None) for key in tables[0]]
    return {"thresholds": {}, "metrics": merged, "groups": [], "size_cuts_mm3": [], "bootstrap": None}
