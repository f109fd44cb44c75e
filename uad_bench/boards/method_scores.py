"""Scores of a method for comparison, read from its runs: values per seed, jackknife replicates, values per patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.boards.comparable import differing
from uad_bench.boards.grouping import working
from uad_bench.errors import ConfigError, unknown
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import untouched_record
from uad_bench.runs.record import RunRecord
from uad_bench.runs.tables import load_replicates, parse_number, read_rows

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MethodScores:
    """One method with one setting, over its seeds.

    Attributes:
        values: pooled metric per seed.
        replicates: mean over seeds of the jackknife replicates (n,).
        patients: mean over seeds of the metric per patient; NaN where a seed has none.
        trained: whether the method is trained, so that seeds matter.
    """

    name: str
    values: Mapping[int, float]
    replicates: Values
    patients: Mapping[str, float]
    trained: bool

    @property
    def mean(self) -> float:
        """Mean of the metric over seeds."""
        return fmean(self.values.values())


def finished_record(run: Run) -> RunRecord:
    """The record of a run.

    Raises:
        ConfigError: the run failed.
    """
    record = untouched_record(run)
    if record.status != "ok":
        raise ConfigError(f"{run.path}: failed ({record.reason}) and cannot be compared")
    return record


def require_same(records: Sequence[RunRecord]) -> None:
    """Check that all runs count the same voxels of the same patients in the same order.

    Raises:
        ConfigError: they differ; the message names two runs and the differences.
    """
    for other in records[1:]:
        aspects = differing([records[0], other])
        if records[0].jackknife_rows != other.jackknife_rows:
            aspects.append("order of the patients")
        if aspects:
            way = "; uad-bench rescore recomputes old runs with the current metrics" * ("metrics version" in aspects)
            raise ConfigError(
                f"{records[0].run} and {other.run} differ in {', '.join(aspects)} and cannot be compared{way}"
            )


def setting_name(record: RunRecord, records: Sequence[RunRecord]) -> str:
    """The method's name, with the settings in which it differs from its other runs."""
    name = record.method.name
    settings = [_setting(r) for r in records if r.method.name == name]
    differing = [f"{k}={v}" for k, v in _setting(record).items() if any(other.get(k) != v for other in settings)]
    return f"{name} ({', '.join(differing)})" if differing else name


def _setting(record: RunRecord) -> dict[str, Any]:
    return {**dict(sorted(record.method.params.items())), **working(record)}


def scores_of(name: str, members: Sequence[tuple[Run, RunRecord]], metric: str, key: str) -> MethodScores:
    """The scores of one method, from the runs of its seeds."""
    values: dict[int, float] = {}
    columns, tables = [], []
    for run, record in members:
        replicates = load_replicates(run)
        if key not in replicates:
            raise unknown(
                f"metric with replicates in {record.run}", metric, [k.removesuffix("/pooled") for k in replicates]
            )
        values[record.seed] = next(row.value for row in record.metrics if row.key == key and row.value is not None)
        columns.append(replicates[key])
        tables.append(_patients(run, metric))
    patients = {subject: fmean(table.get(subject, float("nan")) for table in tables) for subject in tables[0]}
    trained = any(record.method.fit for _, record in members)
    return MethodScores(name, values, np.mean(columns, axis=0), patients, trained)


def _patients(run: Run, metric: str) -> dict[str, float]:
    """The metric per patient, NaN where it is undefined; with folds, from the fold that tested the patient."""
    rows = (row for part in run.folds or (run,) for row in read_rows(part.metrics))
    return {row["subject"]: parse_number(row.get(metric)) for row in rows}
