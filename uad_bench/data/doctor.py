"""Inspects a dataset before a run and reports all problems and warnings at once, without raising an error."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uad_bench.config import Task
from uad_bench.data.cache import cache_root
from uad_bench.data.census import survey
from uad_bench.data.cohort import divide, find_subjects, healthy_rule, open_dataset
from uad_bench.data.cohort_warnings import (
    check_cohort,
    find_odd_volumes,
    find_similar_ids,
    has_empty_label,
    skull_state,
)
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.gate import LISTED, REFUSED, DuplicatePair, equal_scans, near_scans
from uad_bench.data.inspection import Problem
from uad_bench.data.slices import HealthyRule, count_slices, healthy_keys, scored_slices
from uad_bench.data.subject import Subject
from uad_bench.errors import UadBenchError
from uad_bench.method import Modality, Report

Admission = Callable[[Sequence[Subject], Mapping[str, SubjectFacts]], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, warning or note about the cohort.

    Attributes:
        level: `refused` (a run would stop), `warning`, or `note`.
    """

    level: str
    subject: str
    message: str


def examine_task(task: Task, folder: Path, *, any_modalities: bool = False, report: Report) -> dict[str, Any]:
    """Examine a folder as a run of the task would read it, and ask what the run would ask; see `examine`.

    Args:
        task: says how the patients lie there, and their modalities and split.
        any_modalities: look at those that most patients have instead of the task's.
    """

    def admit(subjects: Sequence[Subject], facts: Mapping[str, SubjectFacts]) -> None:
        dataset = open_dataset(task, folder, report=report)
        read = next(iter(facts.values())).modalities if facts else task.modalities
        check_cohort(divide(replace(task, modalities=read), dataset, subjects, facts))

    return examine(
        lambda: find_subjects(task, open_dataset(task, folder, report=report)),
        None if any_modalities else task.modalities,
        cache=cache_root(),
        rule=healthy_rule(task),
        admit=admit,
        report=report,
    )


def examine(
    find_subjects: Callable[[], Sequence[Subject]],
    modalities: Sequence[Modality] | None = None,
    *,
    cache: Path,
    rule: HealthyRule | None = None,
    admit: Admission = lambda _subjects, _facts: None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Inspect a dataset without stopping at the first problem.

    Args:
        find_subjects: lists the patients, such as `dataset.subjects`; what it raises becomes a finding.
        modalities: that a run would read; by default those that most patients have.
        rule: for healthy slices; by default two slices of margin and 5 % brain.
        admit: raises the reason why a run would refuse these patients, whose scans are all sound.

    Returns:
        JSON-serialisable values: `usable` (a run would start), `modalities`, `patients` (one row each, with
        `problems`), `summary`, `slices` (number of slices left by each criterion), `duplicates`, `findings`
        and `rules`.
    """
    rule = rule or HealthyRule()
    try:
        subjects = find_subjects()
    except UadBenchError as error:
        return _document((), (), {}, (), [Finding("refused", "", str(error))], rule)
    wanted = tuple(modalities or usual_modalities(subjects))
    found = survey(subjects, wanted, cache=cache, report=report)
    known = list(found.facts.values())
    pairs = _duplicate_pairs(known)
    findings = [
        *(Finding("refused", problem.subject, problem.message) for problem in found.problems),
        *(finding for fact in known for finding in _patient_warnings(fact, rule)),
        *(Finding("warning", "", odd.message) for odd in (*find_odd_volumes(known), *find_similar_ids(known))),
        *map(_duplicate_finding, pairs),
        *_spare(subjects, modalities, wanted),
    ]
    if bad := sorted({f.subject for f in findings if f.level == "refused" and f.subject}):
        findings.append(Finding("note", "", f"to leave these patients out: exclude = {json.dumps(bad)} in the task"))
    elif not any(finding.level == "refused" for finding in findings):
        findings += _refusal_of_run(admit, subjects, found.facts)
    document = _document(subjects, wanted, found.facts, found.problems, findings, rule)
    return {**document, "duplicates": [asdict(pair) for pair in pairs]}


def usual_modalities(subjects: Sequence[Subject]) -> tuple[Modality, ...]:
    """Modalities that at least half of the patients have."""
    counts = Counter(modality for subject in subjects for modality in subject.images)
    return tuple(sorted(m for m, count in counts.items() if 2 * count >= len(subjects)))


def _refusal_of_run(
    admit: Admission, subjects: Sequence[Subject], facts: Mapping[str, SubjectFacts]
) -> Iterator[Finding]:
    try:
        admit(subjects, facts)
    except UadBenchError as error:
        yield Finding("refused", "", str(error))


def _spare(
    subjects: Sequence[Subject], asked: Sequence[Modality] | None, read: Sequence[Modality]
) -> Iterator[Finding]:
    """Modalities that are there and were not read."""
    if spare := ", ".join(sorted({m for subject in subjects for m in subject.images} - set(read))):
        said = f"the task does not read {spare}" if asked else f"not every patient has {spare}; not looked at"
        yield Finding("note", "", said)


def _patient_warnings(fact: SubjectFacts, rule: HealthyRule) -> list[Finding]:
    """Warnings about one patient; they do not prevent a run."""
    notes = {
        f"label values {fact.undeclared_values} are not among those the data set declares": fact.undeclared_values,
        f"the label is stored as {fact.label_orientation}, the scans as {fact.orientation}": fact.label_turned,
        f"label values lie up to {fact.label_rounding:.1g} from whole numbers and are rounded": fact.label_rounding > 0,
        "the label is empty: its voxels count, its own AP and Dice are undefined": has_empty_label(fact),
        "no label: can be neither trained on nor judged": not fact.labelled,
        f"{fact.outside_brain} anomaly voxels lie outside the brain": fact.outside_brain,
        "not skull-stripped: the skull would count as brain": skull_state(fact) == "whole head",
        "no healthy-looking slice: trains nothing": fact.labelled and not healthy_keys(fact, rule),
    }
    return [Finding("warning", fact.id, f"{fact.id}: {note}") for note, holds in notes.items() if holds]


def _duplicate_pairs(known: Sequence[SubjectFacts]) -> list[DuplicatePair]:
    equal = list(equal_scans(known))
    pairs = {(pair.first, pair.second) for pair in equal}
    return [*equal, *(pair for pair in near_scans(known) if (pair.first, pair.second) not in pairs)]


def _duplicate_finding(pair: DuplicatePair) -> Finding:
    level = "refused" if pair.equal else "warning"  # near-duplicates are refused in two roles only, by the split
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
        "duplicates": [],
        "findings": [asdict(finding) for finding in ordered],
        "rules": {"healthy": asdict(rule), "near_duplicate": {"listed": LISTED, "refused": REFUSED}},
    }


def _row(subject: Subject, fact: SubjectFacts | None, problems: Sequence[Problem], rule: HealthyRule) -> dict[str, Any]:
    faults = [problem.message for problem in problems if problem.subject == subject.id]
    row: dict[str, Any] = {"id": subject.id, "patient": subject.patient, "modalities": sorted(subject.images)}
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
        "brain_ml": round(fact.brain_ml, 1),
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
