"""Recompute a run's record from its maps and references, and compare."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_json
from uad_bench.evaluation.judging import cases_of, validated
from uad_bench.evaluation.protocol import Protocol, load_protocol
from uad_bench.method import Report
from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import METRICS_VERSION, ChosenOn, RunRecord, carried_thresholds
from uad_bench.runs.reopen import Stored
from uad_bench.runs.score_maps import read_map
from uad_bench.runs.tables import load_replicates
from uad_bench.verification.curve import NAN, Values
from uad_bench.verification.detection import STRATA, Detection, alarm_scores, detect
from uad_bench.verification.lesion_tables import check_lesions
from uad_bench.verification.patients import input_of, read_patient
from uad_bench.verification.recompute import (
    CONFORMAL,
    HEALTHY,
    Patient,
    Recomputed,
    pooled,
    recompute,
    recompute_thresholds,
)
from uad_bench.verification.replicates import (
    check_interval,
    curve_replicates,
    left_out,
    shared_edges,
    summed_replicates,
)
from uad_bench.verification.run_tables import check_metrics, check_rows, count_cells, sweep

ORACLE = "dice@oracle/pooled"
LEVEL = 0.95
OF_ALL_ONLY = ("fpr_healthy", "slice_", "matched_")  # prefixes of metrics that groups do not have


@dataclass(frozen=True, eq=False)
class RecordCheck:
    """Comparison of a stored run with the metrics recomputed from its patients.

    Attributes:
        everything: validation patients in all slices of the task.
    """

    stored: Stored
    protocol: Protocol
    test: Sequence[Patient]
    val: Sequence[Patient]
    everything: Sequence[Patient]

    @classmethod
    def of(cls, stored: Stored, report: Report, *, cache: Path) -> RecordCheck:
        """Read the maps, and build references from the scans in `cache`."""
        protocol = load_protocol(stored.cohort.task.protocol)
        cases = cases_of(stored.run, stored.cohort, stored.split, protocol, report, cache=cache)
        slices = stored.cohort.task.slices

        def read(subject: str, chosen: Protocol, *, tested: bool = False) -> Patient | None:
            score_map, given = read_map(stored.run.map(subject)), input_of(cases, subject) if tested else None
            healthy = stored.cohort.healthy_slices(subject)
            return read_patient(cases.references[subject], score_map, chosen, slices, healthy=healthy, given=given)

        val = sorted(validated(stored.run, stored.split))
        return cls(
            stored,
            protocol,
            [p for s in sorted(stored.split.test) if (p := read(s, protocol, tested=True))],
            [p for s in val if (p := read(s, protocol))],
            [p for s in val if (p := read(s, load_protocol("volume")))],
        )

    @property
    def known(self) -> dict[str, float]:
        """The record's thresholds by policy, without those that are undefined."""
        return {policy: value for policy, value in self.stored.record.thresholds.items() if value is not None}

    @cached_property
    def healthy(self) -> NDArray[np.float32]:
        """Scores (V,) in slices without anomaly of the validation patients."""
        return np.concatenate([p.scores[p.healthy] for p in self.everything] or [np.empty(0, np.float32)])

    def compare(self) -> tuple[int, list[Finding]]:
        """The number of recomputed values, and the differences found."""
        record, run = self.stored.record, self.stored.run
        replicates = load_replicates(run)
        parts = self._groups()
        if record.metrics_version < METRICS_VERSION:
            return self._compare_older(record, parts)
        found = [
            *self._check_thresholds(record.thresholds, record.chosen_on),
            *self._check_rows(record.metrics, "", self.test),
            *(f for name, members in parts.items() for f in self._check_group(record.groups, name, members)),
            *self._check_strata(record.groups),
            *(
                Finding(f"record.json group {group}", "is not a group of these patients")
                for group in sorted({str(row.group) for row in record.groups} - {*parts, *STRATA})
            ),
            *self._check_cuts(record.size_cuts_mm3),
            *self._check_replicates(record, replicates),
            *check_metrics(run.metrics, self.test, self.known),
            *check_rows(run.sweep, list(sweep(pooled(self.test)))),
            *check_rows(run.froc, self._detected[1]),
            *check_lesions(run.lesions, run.false_positives, self.test, self.known, at=self._detected[2]),
        ]
        rows = len(record.metrics) + len(record.groups)
        return rows + len(self.known) + count_cells(run.metrics), found

    def _compare_older(self, record: RunRecord, groups: Mapping[str, Sequence[Patient]]) -> tuple[int, list[Finding]]:
        """The same for a record of an older metrics version: only thresholds, and values of metrics still in use."""
        again = self.numbers(self.test)
        for name, members in groups.items():
            again |= self.numbers(members, name)
        rows = [row for row in (*record.metrics, *record.groups) if row.key in again]
        found = [*self._check_thresholds(record.thresholds, record.chosen_on)]
        found += [f for row in rows for f in differs(f"record.json {row.key}", row.value, again[row.key].value)]
        return len(rows) + len(self.known), found

    def _check_thresholds(
        self, stored: Mapping[str, float | None], chosen: Mapping[str, ChosenOn]
    ) -> Iterator[Finding]:
        carried = carried_thresholds(self.stored.record.method.weights)
        older = self.stored.record.metrics_version < METRICS_VERSION
        expected = {*self.protocol.thresholds, *carried}
        if not (set(stored) <= expected if older else set(stored) == expected):
            yield Finding("record.json thresholds", f"are {sorted(stored)}, not the policies of the task's protocol")
        alarms = alarm_scores(self.everything)
        again = recompute_thresholds(self.val, self.healthy, self.test, alarms) | carried
        for policy, value in again.items():
            if policy in stored:
                yield from differs(f"record.json threshold {policy}", stored[policy], value)
        chosen_by = {**dict.fromkeys(HEALTHY, self.healthy), **dict.fromkeys(CONFORMAL, np.array(alarms))}
        for policy, threshold in stored.items():
            if policy in chosen_by and threshold is not None:
                realised = float(np.mean(chosen_by[policy] >= threshold))
                recorded = chosen[policy].realised if policy in chosen else None
                yield from differs(f"record.json chosen_on {policy}", recorded, realised)

    def _check_group(self, stored: Sequence[MetricRow], group: str, members: Sequence[Patient]) -> Iterator[Finding]:
        rows = [row for row in stored if row.group == group]
        yield from self._check_rows(rows, group, members)
        again = self._replicates(members, group=True)
        for row in rows:
            key = row.model_copy(update={"group": None}).key
            yield from check_interval(row, again.get(key))

    def _check_strata(self, stored: Sequence[MetricRow]) -> Iterator[Finding]:
        """Check the sensitivity to lesions in each range of volumes."""
        rows = {row.key: row for row in stored if row.group in STRATA}
        again = {key: found for key, found in self._detected[0].items() if "#" in key}
        if sorted(rows) != sorted(again):
            yield Finding("record.json groups", "do not contain each range of lesion volumes once")
            return
        for key, row in rows.items():
            yield from differs(f"record.json {key}", row.value, again[key].number.value)
            yield from self._check_labels(key, row, again[key].number)
            yield from check_interval(row, again[key].replicates)

    def _check_rows(self, rows: Sequence[MetricRow], group: str, patients: Sequence[Patient]) -> Iterator[Finding]:
        """Check that every metric of these patients occurs once, with its value and settings."""
        again = self.numbers(patients, group)
        keys = [row.key for row in rows]
        for key in sorted(set(again) - set(keys)):
            yield Finding(f"record.json {key}", "is missing")
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield Finding(f"record.json {key}", f"occurs {keys.count(key)} times")
        for key, row in zip(keys, rows, strict=True):
            if number := again.get(key):
                yield from differs(f"record.json {key}", row.value, number.value)
                yield from self._check_labels(key, row, number)
            else:
                yield Finding(f"record.json {key}", "is not a metric of this protocol")

    def numbers(self, patients: Sequence[Patient], group: str = "") -> dict[str, Recomputed]:
        """The expected rows; an undefined threshold has a single row, an undefined Dice."""
        policies = self.stored.record.thresholds
        numbers = recompute(patients, self.known) | (
            {} if group else {k: d.number for k, d in self._detected[0].items() if "#" not in k}
        )
        lacking = [p for p, value in policies.items() if value is None and p != "oracle"]
        numbers |= {f"dice@{policy}/pooled": Recomputed(NAN, len(patients)) for policy in lacking}
        if "oracle" not in policies:
            numbers.pop("dice@oracle/pooled")
        if not group:
            return numbers
        return {f"{key}#{group}": n for key, n in numbers.items() if not key.startswith(OF_ALL_ONLY)}

    def _check_labels(self, key: str, row: MetricRow, number: Recomputed) -> Iterator[Finding]:
        meaning = {
            "n_subjects": number.n_subjects,
            "n_lesions": number.n_lesions,
            "level": LEVEL,
            "region": self.protocol.region,
            "chain": self.protocol.chain_name,
        }
        for name, value in meaning.items():
            if (recorded := getattr(row, name)) != value:
                yield Finding(f"record.json {key} {name}", f"is {recorded!r}, recomputed {value!r}")

    def _check_replicates(self, record: RunRecord, replicates: Mapping[str, Values]) -> Iterator[Finding]:
        if record.jackknife_rows != digest_json([patient.name for patient in self.test]):
            yield Finding("record.json jackknife rows", "are not of these patients (digest differs)")
        again = self._replicates(self.test)
        for row in record.metrics:
            key = row.key
            yield from check_interval(row, replicates.get(key, again.get(key)), stored=key in replicates)
        for key, values in replicates.items():
            if key not in again:
                yield Finding(f"replicates.npy {key}", "is not a metric with replicates")
            elif values.shape != again[key].shape:
                yield Finding(f"replicates.npy {key}", f"has {values.size} rows, expected {again[key].size}")
            else:
                same = np.isclose(values, again[key], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
                for k in np.flatnonzero(~same)[:1]:
                    yield from differs(f"replicates.npy row {k} {key}", values[k], again[key][k])

    def _replicates(self, patients: Sequence[Patient], *, group: bool = False) -> dict[str, Values]:
        weights = left_out(len(patients))
        curves = curve_replicates(patients, weights, self._edges, group=group)
        if group:
            curves.pop(ORACLE, None)  # a group has no separate oracle: its Dice is at the threshold of all patients
        detected = {} if group else {key: found.replicates for key, found in self._detected[0].items()}
        return {**summed_replicates(patients, self.known, weights), **curves, **detected}

    @cached_property
    def _detected(self) -> tuple[dict[str, Detection], list[dict[str, float]], float]:
        """Lesion detection and alarms by key, rows of froc.csv, and the threshold at one false positive per volume."""
        return detect(self.test, self.known, left_out(len(self.test)))

    @cached_property
    def _edges(self) -> NDArray[np.floating]:
        """Edges of the bins of scores in replicates, also of those of groups."""
        return shared_edges(self.test)

    def _check_cuts(self, stored: Sequence[float]) -> Iterator[Finding]:
        again = self._cuts()
        if len(stored) != len(again):
            yield Finding("record.json size_cuts_mm3", f"has {len(stored)} values, expected {len(again)}")
            return
        for cut, value in zip(stored, again, strict=True):
            yield from differs("record.json size_cuts_mm3", cut, value)

    def _groups(self) -> dict[str, list[Patient]]:
        """Patients by tertile of lesion size."""
        if not (cuts := self._cuts()):
            return {}
        ill = [p for p in self.test if p.anomaly_mm3 > 0]
        parts = {"small": (-1.0, cuts[0]), "middle": cuts, "large": (cuts[1], math.inf)}
        return {f"size={n}": m for n, (a, b) in parts.items() if (m := [p for p in ill if a < p.anomaly_mm3 <= b])}

    def _cuts(self) -> tuple[float, ...]:
        volumes = [p.anomaly_mm3 for p in self.test if p.anomaly_mm3 > 0]
        return tuple(map(float, np.percentile(volumes, [100 / 3, 200 / 3]))) if len(volumes) > 2 else ()
