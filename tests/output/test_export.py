"""Exported maps lie over the original scans, voxel by voxel, and masks mark what the record counts."""

import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest

from tests.made_results import made_failure, write_run
from uad_bench.data.subject import ImageFile
from uad_bench.errors import ConfigError
from uad_bench.metrics.overlap import smallest_float32
from uad_bench.output import export
from uad_bench.output.export import export_run, write_beside
from uad_bench.output.model_card import write_model_card
from uad_bench.runs.score_maps import read_map

AFFINES = {
    "RAS": np.diag([1.0, 2.0, 3.0, 1.0]),
    "LPS": np.array([[-1, 0, 0, 90], [0, -2, 0, 80], [0, 0, 3, -70], [0, 0, 0, 1.0]]),
    "turned": np.array([[0, 0, 3, -20], [-1, 0, 0, 10], [0, 2, 0, 5], [0, 0, 0, 1.0]]),
}


@pytest.mark.parametrize("name", AFFINES)
def test_a_canonical_voxel_goes_back_to_the_place_it_came_from(name, tmp_path):
    stored = np.zeros((4, 5, 6), np.int16)
    stored[1, 2, 3] = 7
    nib.save(nib.Nifti1Image(stored, AFFINES[name]), tmp_path / "scan.nii.gz")
    canonical = nib.as_closest_canonical(nib.load(tmp_path / "scan.nii.gz"))
    scores = np.asarray(canonical.dataobj).astype(np.float32)
    written = nib.load(write_beside(scores, ImageFile(tmp_path / "scan.nii.gz"), tmp_path / "map.nii.gz"))
    assert np.array_equal(np.asarray(written.dataobj), stored)
    assert np.array_equal(written.affine, AFFINES[name])
    assert nib.aff2axcodes(written.affine) == nib.aff2axcodes(AFFINES[name])


@pytest.mark.parametrize("name", ["plain.nii.gz", "zipped.nii"])
def test_a_scan_whose_name_lies_about_gzip_is_exported_with_its_space_codes(name, tmp_path):
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.int16), AFFINES["LPS"])
    image.header.set_sform(AFFINES["LPS"], 4)
    image.header.set_qform(AFFINES["LPS"], 2)
    content = image.to_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name == "zipped.nii" else content)
    scores = np.zeros((4, 5, 6), np.float32)
    written = nib.load(write_beside(scores, ImageFile(tmp_path / name), tmp_path / "map.nii.gz")).header
    assert (int(written["sform_code"]), int(written["qform_code"])) == (4, 2)


@pytest.fixture
def exported(quick, tiny_data, tmp_path):
    """A finished run and the folder that it was exported to."""
    entry = quick.write("bright")
    assert quick.run(entry)["status"] == "ok"
    run = quick.folder_of(entry)
    return run, export_run(run, tmp_path / "out", data=tiny_data)


def test_every_test_patient_gets_a_map_and_a_mask(exported, tiny_data):
    run, written = exported
    for subject in run.read_record().subjects.test:
        scan = nib.load(tiny_data / subject / f"{subject}_flair.nii.gz")
        scores, mask = (nib.load(p) for p in sorted(p for p in written if p.name.startswith(f"{subject}_"))[::-1])
        assert scores.get_data_dtype() == np.float32
        assert mask.get_data_dtype() == np.uint8
        assert scores.shape == mask.shape == scan.shape
        assert np.array_equal(scores.affine, scan.affine)
        assert np.array_equal(np.asarray(scores.dataobj), read_map(run.map(subject)))


def test_a_mask_is_what_the_threshold_marks_inside_the_brain(exported, tiny_data):
    run, written = exported
    record = run.read_record()
    threshold = smallest_float32(record.thresholds["hFPR5"])
    for subject in record.subjects.test:
        mask = np.asarray(nib.load(next(p for p in written if p.name == f"{subject}_mask-hFPR5.nii.gz")).dataobj)
        scans = [nib.load(tiny_data / subject / f"{subject}_{m}.nii.gz") for m in ("flair", "t2")]
        brain = np.any([np.asarray(scan.dataobj) != 0 for scan in scans], axis=0)
        assert np.array_equal(mask > 0, brain & (read_map(run.map(subject)) >= threshold))


def test_the_same_run_exports_the_same_bytes(exported, tiny_data, tmp_path):
    run, written = exported
    again = export_run(run, tmp_path / "again", data=tiny_data)
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_a_failed_run_has_nothing_to_export(tmp_path):
    with pytest.raises(ConfigError, match="failed \\(crash\\)"):
        export_run(write_run(tmp_path, made_failure()), tmp_path / "out", data=None)


def test_a_policy_without_threshold_names_those_there_are(quick, tiny_data, tmp_path):
    entry = quick.write("bright")
    quick.run(entry)
    with pytest.raises(ConfigError, match="no threshold yen; available"):
        export_run(quick.folder_of(entry), tmp_path / "out", data=tiny_data, policy="yen")


def test_bids_derivatives_have_their_names_and_descriptions(quick, tiny_data, tmp_path):
    entry = quick.write("bright")
    quick.run(entry)
    run, out = quick.folder_of(entry), tmp_path / "derivatives"
    written = export_run(run, out, data=tiny_data, layout="bids")
    label = re.sub(r"[^0-9a-zA-Z]", "", run.read_record().subjects.test[0])
    scores = out / f"sub-{label}" / "anat" / f"sub-{label}_desc-bright_probseg.nii.gz"
    assert scores in written
    assert scores.with_name(f"sub-{label}_desc-bright_mask.nii.gz") in written
    description = json.loads((out / "dataset_description.json").read_text())
    assert (description["DatasetType"], description["GeneratedBy"][0]["Name"]) == ("derivative", "uad-bench")
    assert json.loads((out / "desc-bright_mask.json").read_text())["Threshold"] == pytest.approx(
        run.read_record().thresholds["hFPR5"]
    )


def test_patients_who_would_share_a_bids_label_are_refused():
    with pytest.raises(ConfigError, match="'a-1' and 'a1' have the same BIDS label a1"):
        export._check_labels(["a-1", "b", "a1"])


def test_a_model_card_has_metadata_and_results_and_needs_no_data(quick, tmp_path):
    entry = quick.write("bright")
    quick.run(entry)
    card, *_ = write_model_card(quick.folder_of(entry), tmp_path / "card")
    _, front, body = card.read_text().split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    (result,) = json.loads(fields["model-index"])[0]["results"]
    assert {metric["type"] for metric in result["metrics"]} == {"auprc", "dice"}
    assert body.count("\n# ") == 3  # the title, use and references
