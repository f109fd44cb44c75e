"""A patient's files and attributes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.method import Modality

# Ids made of a patient and a session, visit or time point.
SEVERAL_SCANS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(BraTS-[A-Z]+-\d+)-\d{3}",  # BraTS since 2023
        r"(sub-[A-Z0-9]+)_ses-.+",  # BIDS
        r"(UPENN-GBM-\d+)_\d{2}",
        r"(OAS[123]\d*(?:_\d+)?)_(?:MR|CT|PET|UDS|ses).*",  # OASIS-1 to -3
        r"(\D*\d.*?)[_-](?:timepoint|time|tp|visit|session|ses|scan|week|month|day|year|v)[_-]?\d\w*",
        r"(\D*\d.*?)[_-](?:fu|follow-?up)\d*[a-z]?",
        r"(\D*\d.*?)[_-](?:baseline|bl|pre-?op|post-?op)",
    )
)
PATIENT = "patient"  # attribute that names the patient of a scan


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
        attributes: columns of the cohort's `patients.csv` (age, sex, site, ...), used in subgroup tables; `patient`
            names the patient of a scan.
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

    @property
    def patient(self) -> str:
        """The patient of the scan: the attribute `patient` if there is one, else by the id; see `patient_id`."""
        return self.attributes.get(PATIENT) or patient_id(self.id)


def patient_id(subject_id: str) -> str:
    """The patient of a scan by its id: `sub-7` for `sub-7_ses-2`, `P3` for `P3_FU`, `P3_visit-2` or `P3_timepoint_1`.

    Scans of one patient must not be in different roles of a split.
    """
    for pattern in SEVERAL_SCANS:
        if match := pattern.fullmatch(subject_id):
            return match[1]
    return subject_id
