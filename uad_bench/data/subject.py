"""A patient: where the scans lie and what is known about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.method import Modality

# BraTS names a scan by patient and time point from 2023 on; BIDS by subject and session.
SEVERAL_SCANS = (re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d{3}"), re.compile(r"(sub-[A-Za-z0-9]+)_ses-[A-Za-z0-9]+"))


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One scan on disk.

    Attributes:
        path: `.nii` or `.nii.gz`.
        channel: index along the fourth axis where a file holds several scans, else None.
    """

    path: Path
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient (in this project a subject is a patient; several scans of one patient share the id's prefix).

    Attributes:
        id: as the folder names it; never a path.
        images: one file per modality.
        label: anomaly mask; None where no label exists.
        brain_mask: where the data set ships one; else brain = any of the task's modalities non-zero.
        attributes: columns of the cohort's `patients.csv` (age, sex, site ...), kept for subgroup tables.
        anomaly_values: label values that count as anomaly; None means any value above 0. A slice with any other
            value above 0 is still no healthy slice.
        declared_values: label values above 0 that the data set is known to use; others are reported. Empty: unknown.
        healthy: the cohort declares this person free of anomalies, so that no label is needed.
        sources: folders of what the files were made from; like the files, they are out of a method's reach.
    """

    id: str
    images: Mapping[Modality, ImageFile]
    label: ImageFile | None = None
    brain_mask: ImageFile | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    anomaly_values: tuple[int, ...] | None = None
    declared_values: tuple[int, ...] = ()
    healthy: bool = False
    sources: tuple[Path, ...] = ()


def patient_id(subject_id: str) -> str:
    """The patient behind a scan's id: `BraTS-GLI-00005` for `BraTS-GLI-00005-101`, `sub-7` for `sub-7_ses-2`.

    Scans of one patient must never stand in two roles of a split.
    """
    for pattern in SEVERAL_SCANS:
        if match := pattern.fullmatch(subject_id):
            return match[1]
    return subject_id
