"""The record over folds: K models, every patient tested once, each fold with its own threshold and score scale."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_json
from uad_bench.metrics.uncertainty import percentile_interval
from uad_bench.runs.cost import cost_of_folds
from uad_bench.runs.folder import Run
from uad_bench.runs.isolation import weakest
from uad_bench.runs.metric_rows import key_of
from uad_bench.runs.record import NO_NUMBERS, run_name, seal
from uad_bench.runs.replicates import load_replicates, mean_of_folds, save_replicates


def pool_folds(run: Run, records: Sequence[dict[str, Any]], *, n_folds: int) -> dict[str, Any]:
    """The record over folds: each metric is the mean over folds, its interval from patients resampled inside folds.

    Each fold has its own model, threshold and score scale, so scores of different folds are never pooled.
    """
    last = records[-1]
    record = {**last, **NO_NUMBERS, "run": run_name(run), "fold": None, "n_folds": n_folds}
    record["warnings"] = _distinct(warning for fold in records for warning in fold["warnings"])
    isolation = weakest(fold["environment"]["isolation"] for fold in records)
    record["environment"] = {**last["environment"], "isolation": isolation}
    record["fold_validation"] = [len(fold["subjects"].get("val", ())) for fold in records]
    if last["status"] != "ok":
        return seal(record, run)
    replicates = mean_of_folds([load_replicates(fold) for fold in run.folds])
    rows = [{key_of(row): row for row in r["metrics"]} for r in records]
    record["metrics"] = [mean_over_folds([fold.get(key) for fold in rows], replicates.get(key)) for key in rows[0]]
    record["bootstrap"] = {"rows": [r["bootstrap"]["rows"] for r in records], "metrics": list(replicates)}
    record["subjects"] = {"test": sorted(name for r in records for name in r["subjects"]["test"])}
    digest = digest_json([r["task"]["split"]["digest"] for r in records])
    record["task"] = {**last["task"], "split": {"name": f"{n_folds} folds", "digest": digest, "note": ""}}
    record["cost"] = cost_of_folds([r["cost"] for r in records])
    save_replicates(run, replicates)
    return seal(record, run)


def _distinct(warnings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each warning of any fold, once."""
    return list({digest_json(warning): warning for warning in warnings}.values())


def mean_over_folds(rows: Sequence[dict[str, Any] | None], replicates: NDArray[np.float64] | None) -> dict[str, Any]:
    """One row from a metric's rows in all folds; undefined in one fold is undefined in the mean."""
    known = [row for row in rows if row is not None]
    lacking = [row.get("undefined", "absent") for row in known if row["value"] is None]
    shared = {key: known[0][key] for key in known[0] if key not in {"low", "high", "undefined"}}
    n = sum(row["n_subjects"] for row in known)
    if lacking or len(known) < len(rows):
        return {**shared, "value": None, "n_subjects": n, "undefined": lacking[0] if lacking else "absent"}
    row = {**shared, "value": fmean(row["value"] for row in known), "n_subjects": n}
    if replicates is None:
        return row
    interval = percentile_interval(replicates, n_patients=n)
    return {**row, "low": interval.low, "high": interval.high}
