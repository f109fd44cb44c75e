"""BraTS folders of every year, as people have them on disk."""

from pathlib import Path

import pytest

from uad_bench.datasets.brats import Brats
from uad_bench.datasets.dataset import Dataset
from uad_bench.errors import DataError

OLD = ("t1", "t1ce", "t2", "flair", "seg")
NEW = ("t1n", "t1c", "t2w", "t2f", "seg")
FOUR = ["flair", "t1", "t1ce", "t2"]


def only(root, **options):
    (subject,) = Brats(root, **options).subjects()
    return subject


@pytest.mark.parametrize(
    ("template", "suffixes", "case"),
    [
        ("MICCAI_BraTS_2018/HGG/{c}/{c}_{s}.nii.gz", OLD, "Brats18_2013_2_1"),
        ("HGG/{c}/{c}_{s}.nii.gz", OLD, "BraTS19_CBICA_ASK_1"),
        ("MICCAI_BraTS2020_TrainingData/{c}/{c}_{s}.nii", OLD, "BraTS20_Training_001"),
        ("{c}/{c}_{s}.nii.gz", OLD, "BraTS2021_00033"),
        ("{c}_{s}.nii.gz", OLD, "BraTS2021_00033"),
        ("a/b/c/d/{c}/{c}-{s}.nii.gz", NEW, "BraTS-GLI-00000-000"),
        ("{c}/{c}-{s}.nii.gz", NEW, "BraTS-GLI-00005-100"),
        ("{c}/{c}_{s}.nii.gz/{c}_{s}.nii", OLD, "BraTS2021_00033"),
        ("{c}/{c}_{s}.nii.gz", tuple(s.upper() for s in OLD), "case"),
    ],
)
def test_every_naming_gives_one_patient_with_four_modalities_and_a_label(root, write, template, suffixes, case):
    for suffix in suffixes:
        write(template.format(c=case, s=suffix))
    subject = only(root)
    assert subject.id == case
    assert sorted(subject.images) == FOUR
    assert subject.label is not None


def test_patients_are_sorted_by_id(root, write):
    for case in ("B", "A", "C"):
        write(f"{case}/{case}_flair.nii.gz")
    assert [subject.id for subject in Brats(root).subjects()] == ["A", "B", "C"]


def test_the_grade_is_the_folder_above(root, write):
    write("LGG/A/A_flair.nii.gz")
    assert only(root).attributes == {"grade": "LGG"}


def test_the_table_of_patients_is_read(root, write):
    write("A/A_flair.nii.gz")
    (root / "patients.csv").write_text("id,age,site\nA,61,Bern\nB,50,Oslo\n")
    assert only(root).attributes == {"age": "61", "site": "Bern"}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [("id,age\nA,1\nA,2\n", "duplicate patient id 'A'"), ("name,age\nA,1\n", "no column with patient ids")],
)
def test_a_table_that_names_nobody_or_one_twice_is_refused(root, write, table, complaint):
    write("A/A_flair.nii.gz")
    (root / "patients.csv").write_text(table)
    with pytest.raises(DataError, match=complaint):
        Brats(root).subjects()


def test_a_patient_without_label_or_with_few_modalities_is_still_a_patient(root, write):
    write("A/A_flair.nii.gz")
    subject = only(root)
    assert subject.label is None
    assert sorted(subject.images) == ["flair"]


def test_the_misnamed_mask_of_2020_is_adopted_by_the_patient_of_its_folder(root, write):
    write("BraTS20_Training_355/BraTS20_Training_355_flair.nii")
    mask = write("BraTS20_Training_355/W39_1998.09.19_Segm.nii")
    assert only(root).label.path == mask


def test_a_stray_mask_beside_several_patients_is_left_alone(root, write):
    for name in ("A_flair", "B_flair", "W39_Segm"):
        write(f"{name}.nii")
    assert [subject.label for subject in Brats(root).subjects()] == [None, None]


def test_the_cavity_of_2024_counts_as_anomaly_unless_told_otherwise(root, write):
    for suffix in NEW:
        write(f"A/A-{suffix}.nii.gz")
    assert only(root).anomaly_values is None
    assert only(root).declared_values == (1, 2, 3, 4)
    assert only(root, resection_cavity=False).anomaly_values == (1, 2, 3)


def test_value_4_of_the_older_years_is_tumour_in_any_case(root, write):
    for suffix in OLD:
        write(f"A/A_{suffix}.nii.gz")
    assert only(root, resection_cavity=False).anomaly_values is None
    assert only(root).declared_values == (1, 2, 4)


def test_hidden_files_and_other_images_are_passed_over(root, write):
    write("A/A_flair.nii.gz")
    write("A/._A_t1.nii.gz")
    write("A/A_brainmask.nii.gz")
    (root / "A/A_t2.json").write_text("{}")
    assert sorted(only(root).images) == ["flair"]


def test_a_folder_that_may_not_be_read_is_named_but_for_that_of_a_disk(root, write, monkeypatch):
    write("A/A_flair.nii.gz")
    closed = {root / "lost+found", root / "B"}
    (root / "lost+found").mkdir()
    listing = Path.iterdir

    def iterdir(folder):
        if folder in closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert [s.id for s in Brats(root).subjects()] == ["A"]
    (root / "B").mkdir()
    with pytest.raises(DataError, match=r"/B: this folder may not be read"):
        Brats(root).subjects()


def test_linked_folders_are_followed_and_circles_are_not(root, write, tmp_path):
    write("A/A_flair.nii.gz")
    (root / "A/again").symlink_to(root)
    (tmp_path / "linked").symlink_to(root)
    assert only(tmp_path / "linked").id == "A"


def test_the_same_scan_in_two_places_is_refused_with_both(root, write):
    write("one/A_flair.nii.gz")
    write("two/A_flair.nii.gz")
    with pytest.raises(DataError, match=r"two/A_flair.*one/A_flair"):
        Brats(root).subjects()


def test_a_missing_folder_is_named(root):
    with pytest.raises(DataError, match=r"absent: no such folder; choose the data folder with --data"):
        Brats(root / "absent").subjects()


def test_an_empty_folder_says_what_was_expected(root):
    with pytest.raises(DataError, match="no patients found; expected files such as CASE/CASE_flair"):
        Brats(root).subjects()


def test_it_is_a_dataset(root):
    assert isinstance(Brats(root), Dataset)


@pytest.mark.real
def test_the_real_cohorts_are_found_whole(real_cases):
    assert [len(Brats(real_cases / name).subjects()) for name in ("brats", "lgg", "ms")] == [12, 45, 2]
    assert all(sorted(subject.images) == FOUR for subject in Brats(real_cases / "brats").subjects())
