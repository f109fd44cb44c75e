"""A program of any language is given images and no label, and its maps become a row."""

import sys
from textwrap import dedent

import pytest

import uad_bench
from uad_bench.datasets.phantom import Phantom
from uad_bench.errors import ConfigError, MethodError
from uad_bench.execution.external_command import command_entry
from uad_bench.execution.sandbox import isolation_available
from uad_bench.runs.events import ENFORCED

BRIGHT = """
import pathlib, sys
import nibabel, numpy
images, out = map(pathlib.Path, sys.argv[1:3])
for patient in images.iterdir():
    flair = nibabel.load(patient / f"{patient.name}_flair.nii.gz")
    SAVE
"""
AS_NIFTI = "nibabel.save(flair, out / f'{patient.name}.nii.gz')"
TURNED = """turned = nibabel.as_closest_canonical(flair).as_reoriented([[1, -1], [0, 1], [2, -1]])
    nibabel.save(turned, out / f'{patient.name}.nii.gz')"""
AS_ARRAY = "numpy.save(out / f'{patient.name}.npy', flair.get_fdata().astype('float32'))"


@pytest.fixture
def run(tmp_path):
    """Function that runs a program's text as a method on the tiny phantom."""

    def start(text: str, arguments: str = "{images} {out}", **options):
        program = tmp_path / "predict.py"
        program.write_text(dedent(text))
        command = f"{sys.executable} {program} {arguments}"
        return uad_bench.run("bright", "phantom-tiny", command=command, runs=tmp_path, baselines=False, **options)

    return start


def test_brightness_by_a_program_scores_about_what_the_brightness_baseline_does(run):
    result = run(BRIGHT.replace("SAVE", AS_NIFTI))
    assert result.metric("auprc") > 5 * result.metric("prevalence")
    assert (result.record.method.origin, result.record.method.fit) == ("command", ())
    assert not (result.path / "exchange").exists(), "the images are not left behind"
    other = run(BRIGHT.replace("SAVE", AS_ARRAY))
    assert other.path != result.path, "another content of the program is another run"


@pytest.mark.slow
def test_a_map_may_be_an_array_or_stored_in_another_orientation(run):
    stored = [run(BRIGHT.replace("SAVE", save)).metric("auprc") for save in (AS_NIFTI, TURNED, AS_ARRAY)]
    assert stored[0] == stored[1] == stored[2]


def test_a_program_sees_no_label_and_no_test_patient_in_training(run):
    text = """
        import json, pathlib, sys
        import nibabel, numpy
        train, images, out = map(pathlib.Path, sys.argv[1:4])
        assert not list(train.parent.rglob("*seg*"))
        healthy = json.loads((train / "healthy_slices.json").read_text())
        assert not {p.name for p in images.iterdir()} & set(healthy)
        for name, slices in healthy.items():
            t2 = nibabel.load(train / name / f"{name}_t2.nii.gz").get_fdata()
            assert set(numpy.flatnonzero(t2.any((0, 1)))) <= set(slices)
        for patient in images.iterdir():
            nibabel.save(nibabel.load(patient / f"{patient.name}_flair.nii.gz"), out / f"{patient.name}.nii.gz")
        assert sys.argv[4:] == ["0", "30", "cpu"]
    """
    result = run(text, "{train} {images} {out} {seed} {steps} {device}")
    assert result.record.method.fit == ("flair", "t2")


@pytest.mark.parametrize(
    ("save", "complaint"),
    [
        ("raise SystemExit('no weights')", "exit code 1: no weights"),
        ("pass", "left no map in {out}"),
        ("numpy.save(out / f'{patient.name}.npy', numpy.zeros((3, 3, 3), 'f4'))", r"\(3, 3, 3\)"),
        ("numpy.save(out / f'{patient.name}.npy', flair.get_fdata() * numpy.nan)", "NaN|finite"),
        (
            "nibabel.save(nibabel.Nifti1Image(flair.get_fdata(), numpy.eye(4)), out / f'{patient.name}.nii.gz')",
            "affine",
        ),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
def test_a_program_that_fails_says_how(run, save, complaint):
    with pytest.raises(MethodError, match=complaint):
        run(BRIGHT.replace("SAVE", save))


@pytest.mark.skipif(isolation_available() not in ENFORCED, reason="this machine isolates no program")
def test_a_program_cannot_open_a_label_whose_path_it_knows(run, cache):
    label = Phantom(cache / "datasets", variant="phantom-tiny").subjects()[0].label.path
    with pytest.raises(MethodError, match=label.name):
        run(BRIGHT.replace("SAVE", AS_ARRAY) + f"    open({str(label)!r}).close()")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("python x.py {image} {out}", "unknown placeholder in --command 'image'; did you mean 'images'"),
        ("python x.py {images}", "needs {out}"),
        ("surely-no-program {images} {out}", "'surely-no-program' is not found"),
        ("python 'x {images} {out}", "No closing quotation"),
        ("", "needs {images}"),
    ],
)
def test_a_command_that_cannot_work_is_refused_at_once(command, complaint):
    with pytest.raises(ConfigError, match=complaint):
        command_entry(command, "x")


def test_settings_choose_the_modalities(run):
    assert run(BRIGHT.replace("SAVE", AS_NIFTI), settings={"score": ["t2", "flair"]}).record.method.score == (
        "t2",
        "flair",
    )
