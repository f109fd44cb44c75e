"""Learn from one cohort, be tested on another."""

import pytest

from uad_bench.data.split import Split
from uad_bench.datasets.cohort import TwoCohorts
from uad_bench.errors import ConfigError, DataError

HEALTHY = {"dataset": "folder", "folder": "ixi", "images": {"flair": "{id}.nii.gz"}, "healthy": True}
TUMOURS = {"dataset": "brats", "folder": "brats"}


@pytest.fixture
def both(root, write):
    for i in range(4):
        write(f"ixi/H{i}.nii.gz")
    for i in range(20):
        write(f"brats/B{i:02}/B{i:02}_flair.nii.gz")
        write(f"brats/B{i:02}/B{i:02}_seg.nii.gz")
    return TwoCohorts(root, train=HEALTHY, test=TUMOURS)


def test_everybody_of_the_first_trains_and_the_second_is_judged(both):
    split = Split("cohorts", **both.roles())
    assert split.train == ("H0", "H1", "H2", "H3")
    assert (len(split.val), len(split.test)) == (2, 18)
    assert set(split.subjects) == {subject.id for subject in both.subjects()}


def test_subjects_know_their_cohort(both):
    assert {s.attributes["cohort"] for s in both.subjects() if s.id.startswith("B")} == {"test"}


def test_a_patient_in_both_cohorts_is_refused(both, write):
    write("ixi/B03.nii.gz")
    with pytest.raises(DataError, match="patient B03 is in both cohorts"):
        both.subjects()


def test_patients_without_a_label_are_neither_validated_nor_tested(both, root):
    (root / "brats/B05/B05_seg.nii.gz").unlink()
    assert "B05" not in Split("cohorts", **both.roles()).subjects


def test_a_cohort_needs_a_dataset_and_a_folder(root):
    with pytest.raises(ConfigError, match="cohort train needs the keys folder and cohort or dataset, found folder"):
        TwoCohorts(root, train={"folder": "ixi"}, test=TUMOURS).subjects()


def test_two_labelled_patients_are_too_few(root, write):
    for i in range(2):
        write(f"brats/B{i}/B{i}_flair.nii.gz")
        write(f"brats/B{i}/B{i}_seg.nii.gz")
    with pytest.raises(DataError, match="at least 3 labelled patients, found 2"):
        TwoCohorts(root, train=HEALTHY, test=TUMOURS).roles()
