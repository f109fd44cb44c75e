"""Records, results and run folders with chosen numbers, for tests of what is made from them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.boards.result import Result
from uad_bench.runs.folder import Run
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import METRICS_VERSION, RunRecord

PATIENTS = tuple(f"P{i:02d}" for i in range(20))
KEYS = ("auprc@all/pooled", "dice@hFPR5/pooled")
BASELINES = ("random", "intensity")


def made_metric(name: str, value: float | None, policy: str | None = None, **more: Any) -> dict[str, Any]:
    """One row of a record."""
    bounds = {} if value is None else {"low": value - 0.05, "high": value + 0.05}
    row = {"name": name, "value": value, "policy": policy, "aggregation": "pooled", "chain": "none", "n_subjects": 20}
    return {**row, **bounds, **more}


def made_record(method: str = "ae", seed: int = 0, auprc: float | None = 0.6, **changes: Any) -> RunRecord:
    """A record like those of runs; `task` changes are merged, others replace."""
    lack = {} if auprc is not None else {"undefined": "no_positive"}
    record = {
        "schema": 1,
        "metrics_version": METRICS_VERSION,
        "run": f"made/{method}/seed{seed}-0123abcd",
        "status": "ok",
        "reason": None,
        "message": None,
        "task": {
            "name": "made", "dataset": "phantom", "pair": ["flair", "t2"], "protocol": "volume",
            "data_digest": "d" * 64, "split": {"name": "made", "digest": "5" * 64, "note": ""},
            "margin": 1, "size": 32,
        },
        "method": {
            "name": method, "profile": "default", "params": {}, "origin": "uad-bench made", "parameters": 1234,
            "fit": ["flair"], "score": ["flair"],
        },
        "seed": seed,
        "budget": {"steps": 10, "batch_size": 2},
        "subjects": {"train": ["T0"], "val": ["V0", "V1"], "test": [*PATIENTS]},
        "thresholds": {"hFPR5": (0.5).hex(), "oracle": (0.625).hex()},
        "metrics": [
            made_metric("auprc", auprc, **lack),
            made_metric("dice", 0.5, "hFPR5"),
            made_metric("fpr", 0.05, "hFPR5"),
            made_metric("dice", 0.55, "oracle"),
            made_metric("prevalence", 0.02),
        ],
        "jackknife": {"rows": "b" * 64, "metrics": [*KEYS]},
        "cost": {"fit_s": 10.0, "score_s_per_slice": 0.01, "score_s_per_volume": 0.5, "peak_rss_mib": 300.0},
        "environment": {"uad_bench": "0.1.0", "python": "3.11", "device": "cpu", "cpu": "made", "packages": {}},
        "created": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return RunRecord.model_validate({**record, **changes, "task": {**record["task"], **changes.pop("task", {})}})


def made_failure(method: str = "ae", seed: int = 0, **changes: Any) -> RunRecord:
    """The record of a method that crashed."""
    failed = {"status": "failed", "reason": "crash", "message": "it fell over", "metrics": [], "jackknife": None}
    return made_record(method, seed, **{**failed, **changes})


def made_result(method: str = "ae", seed: int = 0, auprc: float | None = 0.6, **changes: Any) -> Result:
    """A result whose AUPRC and Dice have a standard error of 0.01, independent of other methods'."""
    record = made_record(method, seed, auprc, **changes)
    spread = jackknife_spread(0.01, n=len(record.subjects.test), seed=[*method.encode()])
    return Result(
        record,
        {} if auprc is None else {KEYS[0]: auprc + spread, KEYS[1]: 0.5 + spread},
        maps={"P00": f"{method}{seed}"},
        command=f"run {method}",
    )


def jackknife_spread(error: float, *, n: int, seed: Any = 0) -> np.ndarray:
    """Deviations (n,) of jackknife replicates from their metric, for a given standard error."""
    spread = np.random.default_rng(seed).normal(size=n)
    spread -= spread.mean()
    return spread * error / np.sqrt((n - 1) / n * np.sum(spread**2)) if n > 1 else spread


def made_experiment(**changes: Any) -> StoredExperiment:
    """What a made record's run was asked for."""
    task = {"dataset": "phantom", "modalities": ["flair"], "budget": {"steps": 10, "batch_size": 2}}
    asked = {"method": "ae", "profile": "default", "params": {}, "task": task, "splits": [], "seed": 0}
    return StoredExperiment.model_validate({**asked, **changes})


def made_board(*results: Result) -> list[Result]:
    """The baselines and these."""
    return [made_result("random", auprc=0.02), made_result("intensity", auprc=0.4), *results]


def write_run(root: Path, record: RunRecord) -> Run:
    """A run folder with this record and the tables beside it."""
    run = Run(root / record.run).create()
    if record.status == "ok":
        _write_tables(run, record)
        run.done.write_text('{"created": "", "files": {}}')
    run.record.write_text(json.dumps(run.seal(record).to_json()))
    return run


def _write_tables(run: Run, record: RunRecord) -> None:
    auprc = record.value("auprc")
    names = record.subjects.test
    replicates = auprc + jackknife_spread(0.01, n=len(names), seed=record.seed)
    np.save(run.replicates, np.stack([replicates, replicates], axis=1))
    dice = np.random.Generator(np.random.PCG64([*record.method.name.encode()])).uniform(0, 1, len(names))
    lines = ["subject,auprc,dice@hFPR5", *(f"{n},{d:.4f},{d:.4f}" for n, d in zip(names, dice, strict=True))]
    run.metrics.write_text("\n".join(lines) + "\n")
    steps = np.linspace(1, 0, 50)
    rows = [f"{t},{t},{1 - t},{t * (1 - t) * 2},{(1 - t) ** 3}" for t in steps]
    run.sweep.write_text("thresholds,precision,sensitivity,dice,fpr\n" + "\n".join(rows) + "\n")
