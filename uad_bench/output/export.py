"""Export of a run: score maps and masks in the space of the original scans, and text for a paper."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.nifti import read_space_codes
from uad_bench.data.subject import ImageFile
from uad_bench.data.volume import native_orientation, to_native
from uad_bench.errors import ConfigError
from uad_bench.files import atomic, safe_name, write_json, write_text
from uad_bench.method import Progress, Report
from uad_bench.metrics.overlap import smallest_float32
from uad_bench.output.methods_paragraph import bibliography, paragraph
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord
from uad_bench.runs.reopen import Stored, open_stored
from uad_bench.runs.score_maps import read_map

Layout = Literal["nifti", "bids"]
BIDS_VERSION = "1.10.0"


def export_run(
    run: Run,
    folder: Path,
    *,
    data: Path | None,
    policy: str = "hFPR5",
    layout: Layout = "nifti",
    report: Report = lambda _: None,
) -> list[Path]:
    """Write a score map and a mask per test patient, and text for a paper.

    Both have the grid of the patient's input scan, so that viewers can overlay them. The mask contains the brain (and
    reference) voxels whose score is at or above the policy's exact threshold.

    Args:
        layout: `nifti` for `<subject>_scores.nii.gz` and `<subject>_mask-<policy>.nii.gz`; `bids` for a BIDS
            derivatives dataset with `sub-<label>/anat/sub-<label>_desc-<method>_probseg.nii.gz` and `..._mask.nii.gz`.

    Raises:
        ConfigError: the run failed, or has no such threshold.
        DataError: the data differs from that of the run.
    """
    record = run.read_record()
    if record.status != "ok":
        raise ConfigError(f"{record.run} failed ({record.reason}); there are no maps to export")
    folder.mkdir(parents=True, exist_ok=True)
    parts = open_stored(run, data, report)
    if layout == "bids":
        _check_labels([subject for part in parts for subject in part.split.test])
    total = sum(len(part.split.test) for part in parts)
    written: list[Path] = []
    for part in parts:
        for subject in part.split.test:
            written += _export_subject(part, subject, _files(part, subject, folder, policy, layout), policy)
            report(Progress("exporting", len(written) // 2, total))
    if layout == "bids":
        written += _describe_dataset(folder, record, policy)
    write_text(folder / "methods.md", paragraph(record))
    write_text(folder / "references.bib", bibliography(record))
    return [*written, folder / "methods.md", folder / "references.bib"]


def _files(part: Stored, subject: str, folder: Path, policy: str, layout: Layout) -> tuple[Path, Path]:
    """The files of a patient's score map and mask."""
    if layout == "nifti":
        name = safe_name(subject, "subject")
        return folder / f"{name}_scores.nii.gz", folder / f"{name}_mask-{policy}.nii.gz"
    sub, method = f"sub-{_label(subject.removeprefix('sub-'))}", _label(part.record.method.name)
    anatomical = folder / sub / "anat"
    anatomical.mkdir(parents=True, exist_ok=True)
    stem = f"{sub}_desc-{method}"
    return anatomical / f"{stem}_probseg.nii.gz", anatomical / f"{stem}_mask.nii.gz"


def _label(name: str) -> str:
    """A BIDS label, which holds letters and digits only."""
    return re.sub(r"[^0-9a-zA-Z]", "", name)


def _check_labels(subjects: list[str]) -> None:
    labels: dict[str, str] = {}
    for subject in subjects:
        label = _label(subject)
        if labels.setdefault(label, subject) != subject:
            names = f"{labels[label]!r} and {subject!r}"
            raise ConfigError(f"patients {names} have the same BIDS label {label}; export with --format nifti")


def _describe_dataset(folder: Path, record: RunRecord, policy: str) -> Iterator[Path]:
    """The description of a BIDS derivatives dataset, and what its maps and masks are (inherited by every patient)."""
    description = {
        "Name": f"Anomaly maps of {record.method.name} on {record.task.name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "uad-bench", "Version": record.environment.uad_bench, "Description": record.run}],
    }
    meaning = "Anomaly score in units of the method: higher is more anomalous; not a probability"
    scores = {"Description": meaning, "Manual": False}
    above = f"Voxels at or above the threshold chosen by the policy {policy}"
    mask = {"Description": above, "Type": "Lesion", "Threshold": record.thresholds.get(policy)}
    maps = f"desc-{_label(record.method.name)}"
    documents = {"dataset_description": description, f"{maps}_probseg": scores, f"{maps}_mask": mask}
    for name, document in documents.items():
        write_json(folder / f"{name}.json", document)
        yield folder / f"{name}.json"


def _export_subject(part: Stored, subject: str, files: tuple[Path, Path], policy: str) -> Iterator[Path]:
    threshold = part.record.thresholds.get(policy)
    if threshold is None:
        known = ", ".join(name for name, value in part.record.thresholds.items() if value is not None)
        raise ConfigError(f"{part.record.run} has no threshold {policy}; available: {known or 'none'}")
    source = part.cohort.subjects[subject].images[part.cohort.task.pair[0]]
    scores = read_map(part.run.map(subject))
    reference = part.cohort.references([subject])[subject]
    counted = np.zeros(scores.shape, bool)
    (x0, y0, z0), (x1, y1, z1) = reference.box
    counted[x0:x1, y0:y1, z0:z1] = reference.brain | reference.anomaly
    mask = (counted & (scores >= smallest_float32(threshold))).astype(np.uint8)
    yield write_beside(scores, source, files[0])
    yield write_beside(mask, source, files[1])


def write_beside(array: NDArray[Any], source: ImageFile, path: Path) -> Path:
    """Write a canonical (X, Y, Z) array as NIfTI in the grid of a scan's file, with its sform and qform codes."""
    import nibabel

    library: Any = nibabel  # its functions have no types
    orientation, (sform, qform) = native_orientation(source), read_space_codes(source.path)
    image = library.Nifti1Image(to_native(array, orientation), orientation.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(orientation.affine, sform or qform or 1)
    image.set_qform(orientation.affine, qform)
    with atomic(path) as file:
        file.write(gzip.compress(image.to_bytes(), 6, mtime=0))  # without a date: the same map gives the same bytes
    return path
