"""Any layout in a few lines of patterns."""

import numpy as np
import pytest

from uad_bench.data.census import take_census
from uad_bench.datasets.folder import Folder, compile_pattern
from uad_bench.errors import ConfigError, DataError


def test_an_ixi_like_cohort_of_healthy_people(root, write):
    for name in ("IXI002-Guys-0828", "IXI012-HH-1211"):
        write(f"T1/{name}-T1.nii.gz")
        write(f"T2/{name}-T2.nii.gz")
    images = {"t1": "T1/IXI{id}-{site}-*-T1.nii.gz", "t2": "T2/IXI{id}-{site}-*-T2.nii.gz"}
    subjects = Folder(root, images=images, healthy=True).subjects()
    assert [subject.id for subject in subjects] == ["002", "012"]
    assert subjects[1].attributes == {"site": "HH"}
    assert sorted(subjects[0].images) == ["t1", "t2"]
    assert subjects[0].healthy


def test_labels_and_brain_masks_have_patterns_too(root, write):
    for name in ("FLAIR", "mask", "wmh"):
        write(f"Utrecht/7/pre/{name}.nii.gz")
    (subject,) = Folder(
        root,
        images={"flair": "{site}/{id}/**/FLAIR.nii.gz"},
        label="{site}/{id}/**/wmh.nii.gz",
        brain_mask="{site}/{id}/**/mask.nii.gz",
        anomaly_values=[1],
    ).subjects()
    assert subject.label.path.name == "wmh.nii.gz"
    assert subject.brain_mask.path.name == "mask.nii.gz"
    assert subject.anomaly_values == (1,)


def test_the_word_patient_names_the_patient_of_a_scan(root, write):
    for id_ in ("a", "b"):
        write(root / f"Smith/{id_}/flair.nii.gz")
    scans = Folder(root, images={"flair": "{patient}/{id}/flair.nii.gz"}).subjects()
    assert [(scan.id, scan.patient) for scan in scans] == [("a", "Smith"), ("b", "Smith")]


def test_a_description_beside_the_data_is_enough(root, write):
    write("p1/flair.nii")
    (root / "dataset.toml").write_text('healthy = true\n[images]\nflair = "{id}/flair.nii"\n')
    assert [subject.id for subject in Folder(root).subjects()] == ["p1"]


def test_flat_images_are_subjects_of_one_slice(root, write, tmp_path):
    write("slice1.nii", np.ones((16, 18), np.int16))
    (subject,) = Folder(root, images={"flair": "{id}.nii"}, healthy=True).subjects()
    assert take_census([subject], ("flair",), cache=tmp_path / "cache")["slice1"].shape == (16, 18, 1)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("{id}/x.nii", "a/x.nii", True),
        ("{id}/x.nii", "a/b/x.nii", False),
        ("**/{id}_x.nii", "a/b/c_x.nii", True),
        ("**/{id}_x.nii", "c_x.nii", True),
        ("{id}/{id}_x.nii", "a/a_x.nii", True),
        ("{id}/{id}_x.nii", "a/b_x.nii", False),
        ("{id}.*", "a.nii", True),
        ("{id}.nii", "axnii", False),
    ],
)
def test_patterns_mean_what_they_say(pattern, path, fits):
    assert bool(compile_pattern(pattern).fullmatch(path)) == fits


def test_a_pattern_without_an_id_is_refused(root):
    with pytest.raises(ConfigError, match=r"has no \{id\}; add it"):
        Folder(root, images={"flair": "*.nii"}).subjects()


def test_two_files_for_one_place_are_refused_with_both(root, write):
    write("a/1.nii")
    write("a/2.nii")
    with pytest.raises(DataError, match=r"2\.nii: subject a has another flair, .*1\.nii"):
        Folder(root, images={"flair": "{id}/*.nii"}).subjects()


def test_a_wrong_key_names_the_near_one(root):
    (root / "dataset.toml").write_text('labels = "{id}.nii"\n[images]\nflair = "{id}.nii"\n')
    with pytest.raises(ConfigError, match="did you mean 'label'"):
        Folder(root).subjects()


def test_without_any_description_it_says_so(root):
    with pytest.raises(ConfigError, match=r"no dataset\.toml"):
        Folder(root).subjects()


def test_nobody_found_repeats_the_patterns(root):
    with pytest.raises(DataError, match=r"files that match \{id\}/flair.nii"):
        Folder(root, images={"flair": "{id}/flair.nii"}).subjects()
