"""Published cohorts in the layout in which they are downloaded, rebuilt from tiny files with the original names."""

import pytest

from uad_bench.config import load_task
from uad_bench.data.cohort import open_dataset
from uad_bench.datasets.cohort import data_root
from uad_bench.datasets.published import published, published_names, recognise
from uad_bench.errors import ConfigError, DataError
from uad_bench.plugins import registry
from uad_bench.resources import resource_names

BRATS = ("flair", "t1", "t1ce", "t2", "seg")
SINCE_2023 = ("t2f", "t1n", "t1c", "t2w", "seg")
FILES = {
    "brats18": [f"HGG/Brats18_2013_2_1/Brats18_2013_2_1_{m}.nii.gz" for m in BRATS],
    "brats19": [f"LGG/BraTS19_TCIA10_103_1/BraTS19_TCIA10_103_1_{m}.nii.gz" for m in BRATS],
    "brats20": [f"MICCAI_BraTS2020_TrainingData/BraTS20_Training_001/BraTS20_Training_001_{m}.nii" for m in BRATS],
    "brats21": [f"BraTS2021_00000/BraTS2021_00000_{m}.nii.gz" for m in BRATS],
    "brats23": [f"BraTS-GLI-00000-000/BraTS-GLI-00000-000-{m}.nii.gz" for m in SINCE_2023],
    "brats24": [f"BraTS-GLI-02060-101/BraTS-GLI-02060-101-{m}.nii.gz" for m in SINCE_2023],
    "brats-africa": [f"BraTS-SSA-00002-000/BraTS-SSA-00002-000-{m}.nii.gz" for m in SINCE_2023],
    "brats-meningioma": [f"BraTS-MEN-00004-000/BraTS-MEN-00004-000-{m}.nii.gz" for m in SINCE_2023],
    "brats-metastases": [f"BraTS-MET-00001-000/BraTS-MET-00001-000-{m}.nii.gz" for m in SINCE_2023],
    "brats-paediatric": [f"BraTS-PED-00002-000/BraTS-PED-00002-000-{m}.nii.gz" for m in SINCE_2023],
    "ixi": ["IXI-T1/IXI002-Guys-0828-T1.nii.gz", "IXI-T2/IXI002-Guys-0828-T2.nii.gz"],
    "oasis1": ["OAS1_0001_MR1/PROCESSED/MPRAGE/T88_111/OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc.nii.gz"],
    "camcan": [f"sub-CC110033/anat/sub-CC110033_{m}.nii.gz" for m in ("T1w", "T2w")],
    "atlas2": [
        f"Training/R001/sub-r001s001/ses-1/anat/sub-r001s001_ses-1_space-MNI152NLin2009aSym_{part}.nii.gz"
        for part in ("T1w", "label-L_desc-T1lesion_mask")
    ],
    "mslub": [f"patient01/{m}.nii.gz" for m in ("FLAIR", "T1W", "T1WKS", "T2W", "brainmask", "consensus_gt")],
    "shifts-ms": [
        "flair/1_FLAIR_isovox.nii.gz", "t1/1_T1_isovox.nii.gz", "gt/1_gt_isovox.nii.gz",
        "fg_mask/1_isovox_fg_mask.nii.gz",
    ],
    "wmh": [f"Utrecht/0/{file}.nii.gz" for file in ("pre/FLAIR", "pre/T1", "orig/T1", "wmh")],
    "isles22": [
        "sub-strokecase0001/ses-0001/dwi/sub-strokecase0001_ses-0001_dwi.nii.gz",
        "sub-strokecase0001/ses-0001/dwi/sub-strokecase0001_ses-0001_adc.nii.gz",
        "sub-strokecase0001/ses-0001/anat/sub-strokecase0001_ses-0001_FLAIR.nii.gz",
        "derivatives/sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_msk.nii.gz",
    ],
    "upenn-gbm": [
        *(f"images_structural/UPENN-GBM-00001_11/UPENN-GBM-00001_11_{m}.nii.gz" for m in ("FLAIR", "T1", "T1GD", "T2")),
        "images_segm/UPENN-GBM-00001_11_segm.nii.gz",
    ],
    "ucsf-pdgm": [
        f"UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_{part}.nii.gz"
        for part in ("FLAIR", "FLAIR_bias", "T1", "T1c", "T2", "tumor_segmentation", "brain_segmentation")
    ],
}  # fmt: skip
HEALTHY = {"ixi", "oasis1", "camcan"}


def open_published(name, root):
    """The subjects of a cohort, read as its description says."""
    known = published(name)
    return registry.find("dataset", known.dataset, registry.datasets()).load()(root, **known.options).subjects()


def test_every_described_cohort_has_a_layout_here():
    assert {*FILES, "lgg"} == set(published_names())  # slices of lgg: tests/datasets/test_slices.py


@pytest.mark.parametrize("name", FILES)
def test_a_cohort_is_recognised_and_read_as_it_was_downloaded(root, write, name):
    for file in FILES[name]:
        write(file)
    assert [cohort.name for cohort in recognise(root)] == [name]
    subjects = open_published(name, root)
    assert len(subjects) == 1
    assert subjects[0].images
    assert subjects[0].healthy == (name in HEALTHY)
    assert (subjects[0].label is None) == (name in HEALTHY)


def test_the_database_of_ms_patients_is_read_with_the_names_of_its_provider_too(root, write):
    for part in ("FLAIR", "T1W", "T1WKS", "T2W", "brainmask", "consensus_gt"):
        write(f"patient01/patient01_{part}.nii.gz")
    write("patient01/raw/patient01_FLAIR.nii.gz")
    subject = open_published("mslub", root)[0]
    assert set(subject.images) == {"flair", "t1", "t1ce", "t2"}
    assert subject.label is not None


@pytest.mark.parametrize(
    ("name", "first", "second"), [("oasis1", "_MR1", "_MR2"), ("upenn-gbm", "00001_11", "00001_21")]
)
def test_a_second_scan_of_a_patient_is_no_other_patient(root, write, name, first, second):
    for file in FILES[name]:
        write(file)
        write(file.replace(first, second))
    assert len(open_published(name, root)) == 1


def test_a_slice_of_three_channels_is_recognised(root):
    (root / "TCGA_CS_4941_19960909").mkdir(parents=True)
    (root / "TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_1.tif").touch()
    assert [cohort.name for cohort in recognise(root)] == ["lgg"]


def test_other_files_are_no_cohort(root, write):
    write("mine/scan.nii.gz")
    assert recognise(root) == []


@pytest.mark.parametrize("name", published_names())
def test_a_description_names_a_shipped_task_or_none(name):
    assert published(name).task in {"", *resource_names("configs/tasks", ".toml")}


@pytest.mark.parametrize(
    ("task", "test"),
    [
        ("ixi-brats21", "brats"),
        ("ixi-brats21-t1", "brats"),
        ("ixi-mslub", "mslub"),
        ("ixi-wmh", "wmh"),
        ("ixi-atlas", "atlas"),
    ],
)
def test_two_downloads_become_one_task(root, write, task, test):
    cohort = {"brats": "brats21", "atlas": "atlas2"}.get(test, test)
    for i in range(3):
        for file in FILES["ixi"]:
            write(f"IXI/{file.replace('002', f'00{i}')}")
        for file in FILES[cohort]:
            write(f"downloads/{_numbered(file, i)}")
    folder = data_root([f"ixi={root / 'IXI'}", f"{test}={root / 'downloads'}"])
    dataset = open_dataset(load_task(task), folder, report=lambda _: None)
    roles = dataset.roles()
    assert [len(roles[role]) for role in ("train", "val", "test")] == [3, 2, 1]
    needed = set(load_task(task).modalities)
    assert all(needed <= set(subject.images) for subject in dataset.subjects())


def _numbered(file: str, i: int) -> str:
    for number, other in (("00000", f"0000{i}"), ("patient01", f"patient0{i}"), ("Utrecht/0", f"Utrecht/{i}")):
        file = file.replace(number, other)
    return file.replace("r001s001", f"r001s00{i}")


def test_one_folder_is_used_as_it_is_and_nothing_gives_none(root):
    assert data_root([str(root)]) == root
    assert data_root([]) is None


def test_several_folders_need_names_that_differ(root):
    root.mkdir(exist_ok=True)
    with pytest.raises(ConfigError, match="write NAME=DIR"):
        data_root([str(root), f"ixi={root}"])
    with pytest.raises(ConfigError, match="the same name"):
        data_root([f"ixi={root}", f"ixi={root}"])
    with pytest.raises(DataError, match="no such folder"):
        data_root(["ixi=/nowhere"])
