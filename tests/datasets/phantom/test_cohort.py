import subprocess
import sys

import nibabel
import numpy as np
import pytest

from uad_bench.datasets.phantom import VERSION, Phantom, cohort
from uad_bench.datasets.phantom.cohort import MARKER, case_files, ensure_cohort
from uad_bench.datasets.phantom.patient import make_patient
from uad_bench.errors import ConfigError, ResourceError

TINY = {"variant": "phantom-tiny", "seed": 0}


def test_files_lie_as_brats_lays_them(tiny):
    subject = tiny.subjects()[0]
    folder = tiny.folder / subject.id
    assert tiny.folder.name == f"phantom-tiny-v{VERSION}-0"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{subject.id}_{name}.nii.gz" for name in ("t1", "t1ce", "t2", "flair", "seg")
    )
    assert {name: image.path.parent for name, image in subject.images.items()} == dict.fromkeys(
        ("t1", "t1ce", "t2", "flair"), folder
    )


def test_canonical_voxels_are_the_generated_ones(tiny):
    patient, subject = make_patient("phantom-tiny", 0, 0), tiny.subjects()[0]
    for path, expected in [
        (subject.label.path, patient.seg),
        *((subject.images[name].path, image) for name, image in patient.images.items()),
    ]:
        stored = nibabel.load(path)
        assert nibabel.aff2axcodes(stored.affine) == ("L", "P", "S")
        canonical = nibabel.as_closest_canonical(stored)
        voxels = np.asarray(canonical.dataobj).astype(int)
        np.testing.assert_allclose(voxels, expected, atol=1)  # made here with faster instructions than in the files
        assert (voxels != expected).mean() < 1e-3
        np.testing.assert_allclose(canonical.affine, patient.affine)


def test_roles_divide_the_patients(tiny):
    roles = tiny.roles()
    assert [len(roles[name]) for name in ("train", "val", "test")] == [4, 2, 2]
    assert [*roles["train"], *roles["val"], *roles["test"]] == [subject.id for subject in tiny.subjects()]


def test_a_complete_cohort_is_not_touched_again(tiny, monkeypatch):
    monkeypatch.setattr(cohort, "_in_children", lambda *_: pytest.fail("wrote a patient again"))
    assert len(Phantom(tiny.folder.parent, variant="phantom-tiny").subjects()) == 8


def test_a_half_written_patient_is_finished_and_the_others_stay(tiny):
    case, other = (case_files(tiny.folder, name) for name in ("phantom-tiny-002", "phantom-tiny-003"))
    before, untouched = case["seg"].read_bytes(), other["seg"].stat().st_mtime_ns
    (tiny.folder / MARKER).unlink()
    case["seg"].unlink()
    reports = []
    ensure_cohort(tiny.folder, **TINY, report=reports.append)
    assert case["seg"].read_bytes() == before
    assert other["seg"].stat().st_mtime_ns == untouched
    assert [(progress.step, progress.total) for progress in reports] == [(8, 8)]
    assert (tiny.folder / MARKER).is_file()


def test_a_process_that_fails_is_named_with_what_it_said(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(cohort.sys, "executable", str(program))
    with pytest.raises(ResourceError, match="phantom-tiny could not be generated: no space left"):
        ensure_cohort(tmp_path / "here", **TINY)
    assert not (tmp_path / "here" / MARKER).exists()


@pytest.mark.slow
def test_two_programs_at_once_and_any_number_of_processes_write_the_same_bytes(tiny, tmp_path):
    code = (
        "import sys; from pathlib import Path; from uad_bench.datasets.phantom import cohort\n"
        "cohort.MIN_VOXELS_PER_PROCESS = int(sys.argv[2])\n"
        "cohort.ensure_cohort(Path(sys.argv[1]), variant='phantom-tiny', seed=0)"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    target = tmp_path / "shared"
    running = [subprocess.Popen([sys.executable, program, target, voxels]) for voxels in ("1", "1000000000")]
    assert [process.wait() for process in running] == [0, 0]
    assert folder_bytes(target) == folder_bytes(tiny.folder)


@pytest.mark.slow
def test_a_patient_has_the_same_bytes_whatever_the_processor_offers(tiny, tmp_path, monkeypatch):
    if "X86_V3" not in np.show_config(mode="dicts")["SIMD Extensions"]["found"]:
        pytest.skip("this processor or this NumPy has no X86_V3 to disable")
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "X86_V3")
    ensure_cohort(tmp_path, **TINY)
    assert folder_bytes(tmp_path) == folder_bytes(tiny.folder)


def test_an_unknown_variant_is_answered_with_the_near_one(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean .*phantom-tiny"):
        Phantom(tmp_path, variant="phantom-tyni")


def test_attributes_tell_the_kind_of_lesion(tiny):
    assert {subject.attributes["lesion"] for subject in tiny.subjects()} >= {"glioblastoma", "plaques"}


def folder_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
