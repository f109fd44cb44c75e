"""A patient's files and attributes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.method import Modality

# BraTS names scans by patient and time point since 2023; BIDS by subject and session.
SEVERAL_SCANS = (re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d{3}"), re.compile(r"(sub-[A-Za-z0-9]+)_ses-[A-Za-z0-9]+"))


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One scan on disk.

    Attributes:
        path: `.nii` or `.nii.gz`.
        channel: index along the fourth axis if the file contains several scans, else None.
    """

    path: Path
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The files of one patient at one time point; several scans of one patient share the prefix of their ids.

    Attributes:
        id: id of the scan, as in the folder or file names; never a path.
        images: one file per modality.
        label: anomaly mask; None if there is no label.
        brain_mask: brain mask of the dataset; without one, brain is where any of the task's modalities is non-zero.
        attributes: columns of the cohort's `patients.csv` (age, sex, site, ...), used in subgroup tables.
        anomaly_values: label values that count as anomaly; None means any value above 0. A slice with any other
            value above 0 is not healthy either.
        declared_values: label values above 0 that the dataset documents; others cause a warning. Empty if unknown.
        healthy: the subject is declared free of anomalies, so no label is needed.
        sources: folders of the source files from which `images` were created; methods cannot read them either.
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
    """The patient of a scan: `BraTS-GLI-00005` for `BraTS-GLI-00005-101`, `sub-7` for `sub-7_ses-2`.

    Scans of one patient must not be in different roles of a split.
    """
    for pattern in SEVERAL_SCANS:
        if match := pattern.fullmatch(subject_id):
            return match[1]
    return subject_id
