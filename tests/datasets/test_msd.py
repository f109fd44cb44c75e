"""The decathlon's brain tumours: four scans in one file, in the order that dataset.json states."""

import json

import numpy as np
import pytest

from uad_bench.data.volume import read_volume
from uad_bench.datasets.msd import MsdBrainTumour
from uad_bench.errors import DataError

DESCRIBED = {
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
    "training": [{"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"}],
    "test": ["./imagesTs/BRATS_485.nii.gz"],
}


@pytest.fixture
def describe(root, write):
    write("imagesTr/BRATS_002.nii.gz", np.arange(4 * 5 * 6 * 4, dtype=np.int16).reshape(4, 5, 6, 4))
    write("labelsTr/BRATS_002.nii.gz")
    return lambda **changes: (root / "dataset.json").write_text(json.dumps({**DESCRIBED, **changes}))


def test_channels_follow_the_description(root, describe):
    describe(modality={"0": "T2w", "1": "t1gd", "2": "T1w", "3": "FLAIR"})
    (subject,) = MsdBrainTumour(root).subjects()
    assert {name: file.channel for name, file in subject.images.items()} == {"t2": 0, "t1ce": 1, "t1": 2, "flair": 3}
    assert read_volume(subject.images["flair"]).array[0, 0, 1] == 4 + 3
    assert subject.declared_values == (1, 2, 3)
    assert subject.id == "BRATS_002"


def test_newer_descriptions_say_channel_names(root, describe):
    describe(modality={}, channel_names={"0": "FLAIR", "1": "T1", "2": "T1ce", "3": "T2"})
    assert sorted(MsdBrainTumour(root).subjects()[0].images) == ["flair", "t1", "t1ce", "t2"]


def test_unlabelled_test_patients_come_when_asked_for(root, describe):
    describe()
    assert [s.id for s in MsdBrainTumour(root, unlabelled=True).subjects()] == ["BRATS_002", "BRATS_485"]


def test_the_folder_above_will_do(root, describe):
    describe()
    assert len(MsdBrainTumour(root.parent).subjects()) == 1


def test_images_linked_from_another_disk_are_read(root, describe, tmp_path):
    describe()
    (root / "imagesTr").rename(tmp_path / "elsewhere")
    (root / "imagesTr").symlink_to(tmp_path / "elsewhere")
    (subject,) = MsdBrainTumour(root).subjects()
    assert read_volume(subject.images["flair"]).array[0, 0, 1] == 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"modality": {"0": "CT"}}, r"modality \['CT'\] unknown"),
        ({"modality": {}}, "modality list unknown"),
        ({"modality": "x"}, r"dataset\.json: modality: "),
        ({"training": [{"label": "x"}]}, r"dataset\.json: training\."),
        ({"training": 7}, r"dataset\.json: training: "),
        ({"training": []}, "no patients found"),
        ({"training": [{"image": "../../etc/passwd"}]}, "is located outside the folder"),
    ],
)
def test_a_description_that_cannot_be_true_is_refused(root, describe, change, complaint):
    describe(**change)
    with pytest.raises(DataError, match=complaint):
        MsdBrainTumour(root).subjects()


def test_broken_json_is_named(root):
    (root / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json"):
        MsdBrainTumour(root).subjects()


def test_a_folder_without_description_is_refused(root):
    with pytest.raises(DataError, match=r"expected dataset\.json"):
        MsdBrainTumour(root).subjects()
