"""Inspects a dataset before a run and reports all problems and warnings at once, without raising an error."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.data.census import survey
from uad_bench.data.cohort_warnings import has_empty_label, skull_state
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.gate import LISTED, REFUSED, DuplicatePair, equal_scans, near_scans
from uad_bench.data.inspection import Problem
from uad_bench.data.slices import HealthyRule, count_slices, healthy_keys, scored_slices
from uad_bench.data.subject import Subject, patient_id
from uad_bench.errors import UadBenchError
from uad_bench.method import Modality, Progress

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, warning or note about the cohort.

    Attributes:
        level: `refused` (a run would stop), `warning`, or `note`.
        subject: id of the subject, or empty for the whole cohort.
        message: one sentence.
    """

    level: str
    subject: str
    message: str


def examine(
    find_subjects: Callable[[], Sequence[Subject]],
    modalities: Sequence[Modality] | None = None,
    *,
    cache: Path,
    rule: HealthyRule | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Inspect a dataset without stopping at the first problem.

    Args:
        find_subjects: function that lists the patients, such as `dataset.subjects`; its errors become findings.
        modalities: modalities that a run would read; by default those that at least half of the patients have.
        cache: root folder of the cache.
        rule: criteria for healthy slices; by default a margin of two slices and at least 5 % brain.
        report: called with progress, once per patient.

    Returns:
        JSON-serialisable values: `usable` (a run would start), `modalities`, `patients` (one row each, with
        `problems`), `summary`, `slices` (number of slices left by each criterion), `pair` (duplicates), `findings`
        and `rules`.
    """
    rule = rule or HealthyRule()
    try:
        subjects = find_subjects()
    except UadBenchError as error:
        return _document((), (), {}, (), [Finding("refused", "", str(error))], rule)
    wanted = tuple(modalities or usual_modalities(subjects))
    found = survey(subjects, wanted, cache=cache, report=report)
    findings = [*_refusals(found.problems), *_warnings(subjects, found.facts, wanted, rule)]
    return _document(subjects, wanted, found.facts, found.problems, findings, rule)


def usual_modalities(subjects: Sequence[Subject]) -> tuple[Modality, ...]:
    """Modalities that at least half of the patients have."""
    counts = Counter(modality for subject in subjects for modality in subject.images)
    return tuple(sorted(m for m, count in counts.items() if 2 * count >= len(subjects)))


def _refusals(problems: Iterable[Problem]) -> list[Finding]:
    return [Finding("refused", problem.subject, problem.message) for problem in problems]


def _warnings(
    subjects: Sequence[Subject], facts: Mapping[str, SubjectFacts], modalities: Sequence[Modality], rule: HealthyRule
) -> list[Finding]:
    findings = [f for fact in facts.values() for f in _patient_warnings(fact, rule)]
    findings += [_duplicate_finding(pair) for pair in _duplicate_pairs(facts.values())]
    spare = sorted({m for subject in subjects for m in subject.images} - set(modalities))
    if spare:
        findings.append(Finding("note", "", f"not every patient has {', '.join(spare)}; not inspected"))
    return findings


def _patient_warnings(fact: SubjectFacts, rule: HealthyRule) -> list[Finding]:
    """Warnings about one patient; they do not prevent a run."""
    notes = {
        f"label values {fact.undeclared_values} are not declared by the dataset": fact.undeclared_values,
        "the label is empty; voxels count in pooled metrics, per-patient AP and Dice are undefined": (
            has_empty_label(fact)
        ),
        "no label; cannot be used for training or evaluation": not fact.labelled,
        f"{fact.outside_brain} anomaly voxels are located outside the brain": fact.outside_brain,
        "not skull-stripped; the skull would count as brain": skull_state(fact) == "whole head",
        "no healthy slice; contributes nothing to training": fact.labelled and not healthy_keys(fact, rule),
    }
    return [Finding("warning", fact.id, f"{fact.id}: {note}") for note, holds in notes.items() if holds]


def _duplicate_pairs(facts: Iterable[SubjectFacts]) -> list[DuplicatePair]:
    known = list(facts)
    equal = list(equal_scans(known))
    pairs = {(pair.first, pair.second) for pair in equal}
    return [*equal, *(pair for pair in near_scans(known) if (pair.first, pair.second) not in pairs)]


def _duplicate_finding(pair: DuplicatePair) -> Finding:
    level = "refused" if pair.equal or pair.correlation > REFUSED else "warning"
    return Finding(level, pair.second, f"{pair.modality} of {pair.first} and {pair.second}: {pair.similarity}")


def _document(
    subjects: Sequence[Subject],
    modalities: Sequence[Modality],
    facts: Mapping[str, SubjectFacts],
    problems: Sequence[Problem],
    findings: Sequence[Finding],
    rule: HealthyRule,
) -> dict[str, Any]:
    ordered = sorted(findings, key=lambda finding: ("refused", "warning", "note").index(finding.level))
    return {
        "usable": bool(facts) and not any(finding.level == "refused" for finding in findings),
        "modalities": list(modalities),
        "patients": [_row(subject, facts.get(subject.id), problems, rule) for subject in subjects],
        "summary": _summary(subjects, facts),
        "slices": asdict(count_slices(facts.values(), rule)),
        "pair": [asdict(pair) for pair in _duplicate_pairs(facts.values())],
        "findings": [asdict(finding) for finding in ordered],
        "rules": {"healthy": asdict(rule), "near_duplicate": {"listed": LISTED, "refused": REFUSED}},
    }


def _row(subject: Subject, fact: SubjectFacts | None, problems: Sequence[Problem], rule: HealthyRule) -> dict[str, Any]:
    faults = [problem.message for problem in problems if problem.subject == subject.id]
    row: dict[str, Any] = {"id": subject.id, "patient": patient_id(subject.id), "modalities": sorted(subject.images)}
    row |= {"labelled": subject.label is not None or subject.healthy, "attributes": dict(subject.attributes)}
    return {**row, **(_measured(fact, rule) if fact else {}), "left_out": fact is None, "problems": faults}


def _measured(fact: SubjectFacts, rule: HealthyRule) -> dict[str, Any]:
    return {
        "shape": list(fact.shape),
        "spacing": [round(mm, 4) for mm in fact.spacing],
        "orientation": fact.orientation,
        "dtypes": dict(fact.dtypes),
        "label_values": list(fact.label_values),
        "anomaly_ml": round(fact.anomaly_ml, 3) if fact.labelled else None,
        "brain_ml": round(fact.brain_voxels * float(np.prod(fact.spacing)) / 1000, 1),
        "brain_slices": len(scored_slices(fact)),
        "healthy_slices": len(healthy_keys(fact, rule)),
        "anomaly_slices": sum(area > 0 for area in fact.anomaly_area or ()),
        "skull": skull_state(fact),
        "p90": {modality: fact.percentile(modality, 90) for modality in fact.modalities},
        "bytes": sum(fact.file_sizes.values()),
    }


def _summary(subjects: Sequence[Subject], facts: Mapping[str, SubjectFacts]) -> dict[str, Any]:
    """Counts of shapes, spacings, orientations, label values and skull states, and quartiles of anomaly volumes."""
    known = list(facts.values())
    volumes = [fact.anomaly_ml for fact in known if fact.anomaly_voxels]
    return {
        "patients": len(subjects),
        "sound": len(known),
        "labelled": sum(fact.labelled for fact in known),
        "empty_labels": sum(fact.labelled and not fact.anomaly_voxels for fact in known),
        "shapes": _count("x".join(map(str, fact.shape)) for fact in known),
        "spacings_mm": _count("x".join(f"{mm:g}" for mm in fact.spacing) for fact in known),
        "orientations": _count(fact.orientation for fact in known),
        "label_values": _count(" ".join(map(str, fact.label_values)) or "none" for fact in known),
        "skull": _count(skull_state(fact) for fact in known),
        "anomaly_ml": [round(float(q), 3) for q in np.percentile(volumes, (0, 25, 50, 75, 100))] if volumes else [],
        "bytes": sum(sum(fact.file_sizes.values()) for fact in known),
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())
