"""Reads and measures every volume of a cohort; results are cached until a file changes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uad_bench.data.cache import Cache
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.inspection import Problem, inspect
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.data.volume import for_each_patient
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import safe_name
from uad_bench.method import Modality, Report

VERSION = 2  # increase it when the meaning of a fact changes, so that cached entries are recomputed
SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Survey:
    """Result of reading a cohort: facts of the valid patients, problems of the others."""

    facts: dict[str, SubjectFacts]
    problems: tuple[Problem, ...]


def take_census(
    subjects: Sequence[Subject], modalities: Sequence[Modality], *, cache: Path, report: Report | None = None
) -> dict[str, SubjectFacts]:
    """Measure every patient and return the facts by id, in the order of `subjects`.

    Args:
        subjects: patients of one dataset, with distinct ids.
        modalities: all modalities of the task, independent of the method.
        cache: root folder of the cache; facts are stored in its folder `census`.

    Raises:
        DataError: no patient has one of the modalities, or some patients are invalid; the message has one line per
            problem, each naming the file.
    """
    _require_modalities(subjects, modalities)
    found = survey(subjects, modalities, cache=cache, report=report)
    if found.problems:
        raise DataError(_sentence(found.problems, len(subjects)))
    return found.facts


def survey(
    subjects: Sequence[Subject], modalities: Sequence[Modality], *, cache: Path, report: Report | None = None
) -> Survey:
    """Like `take_census`, but return problems instead of raising an error."""
    kept = Cache.of(cache, "census")
    read = for_each_patient(lambda s: _cached_inspection(s, modalities, kept), subjects, "reading patients", report)
    problems = [*_duplicate_ids(subjects), *_invalid_ids(subjects), *(p for _, faults in read for p in faults)]
    return Survey({fact.id: fact for fact, _ in read if fact}, tuple(problems))


def _require_modalities(subjects: Sequence[Subject], modalities: Sequence[Modality]) -> None:
    """Say once what every patient lacks, instead of once per patient."""
    present = sorted({modality for subject in subjects for modality in subject.images})
    if lacking := [modality for modality in modalities if modality not in present]:
        kept = [modality for modality in modalities if modality in present] or present[:1]
        raise DataError(
            f"no patient has {', '.join(lacking)}, the patients have {', '.join(present)}; use what is there, with "
            f"--set task.modalities='{json.dumps(kept)}' or in a task of your own, and a --pair or method of those"
        )


def data_digest(census: Mapping[str, SubjectFacts]) -> str:
    """SHA-256 of the ids, geometry and decoded voxels of all patients, including labels."""
    return digest_json({f.id: [f.digests, f.label_digest, f.anomaly_area, f.affine] for f in census.values()})


def _cached_inspection(
    subject: Subject, modalities: Sequence[Modality], kept: Cache
) -> tuple[SubjectFacts | None, list[Problem]]:
    """Facts from the cache if no file has changed, otherwise from the voxels; problems are never cached."""
    key = _key(subject, modalities)
    try:
        return SubjectFacts.from_json(kept.read(key)), []
    except (ConfigError, ValueError):  # absent, or written by another version
        facts, problems = inspect(subject, modalities)
    if facts:
        kept.write(key, {}, facts.to_json())
    return facts, problems


def _key(subject: Subject, modalities: Sequence[Modality]) -> str:
    files = {**{m: subject.images.get(m) for m in modalities}, "=label": subject.label, "=brain": subject.brain_mask}
    reading = [subject.anomaly_values, subject.declared_values, subject.healthy]
    return digest_json(
        [VERSION, subject.id, subject.patient, *reading, {role: _stamp(file) for role, file in files.items()}]
    )[:32]


def _stamp(file: ImageFile | None) -> list[Any] | None:
    """Values that change whenever the file is modified; a copy that keeps size and date has another change time."""
    if file is None or not file.path.exists():
        return None
    state = file.path.stat()
    return [str(file.path.resolve()), file.channel, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _duplicate_ids(subjects: Sequence[Subject]) -> list[Problem]:
    ids = [subject.id for subject in subjects]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1}) if len(set(ids)) < len(ids) else []
    return [Problem(id_, "doubled", f"duplicate patient id {id_}; rename one of the patients") for id_ in twice]


def _invalid_ids(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Ids that cannot be file names; score maps are named after the patient."""
    for subject in subjects:
        try:
            safe_name(subject.id, "patient")
        except ConfigError as error:
            yield Problem(subject.id, "name", f"{error}; rename the patient")


def _sentence(problems: Sequence[Problem], patients: int) -> str:
    affected = len({problem.subject for problem in problems})
    lines = [f"  {problem.message}" for problem in problems[:SHOWN_PROBLEMS]]
    more = [f"  ... and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
    advice = "correct the files, or leave patients out with --exclude ID or with exclude = [...] in the task"
    return "\n".join([f"{affected} of {patients} patients cannot be used as they are:", *lines, *more, advice])
