"""BIDS names, sessions, derivatives and masks."""

import pytest

from uad_bench.datasets.bids import Bids
from uad_bench.errors import DataError


def test_modalities_and_masks_are_known_by_their_names(root, write):
    for name in (
        "sub-01/anat/sub-01_T1w",
        "sub-01/anat/sub-01_ce-gadolinium_T1w",
        "sub-01/anat/sub-01_T2w",
        "sub-01/anat/sub-01_FLAIR",
        "derivatives/lesions/sub-01/anat/sub-01_label-lesion_mask",
        "derivatives/brain/sub-01/anat/sub-01_desc-brain_mask",
        "sub-01/func/sub-01_task-rest_bold",
    ):
        write(f"{name}.nii.gz")
    (subject,) = Bids(root).subjects()
    assert sorted(subject.images) == ["flair", "t1", "t1ce", "t2"]
    assert "label-lesion" in subject.label.path.name
    assert "desc-brain" in subject.brain_mask.path.name


def test_each_session_is_a_scan_of_its_own(root, write):
    for session in ("pre", "post"):
        write(f"sub-01/ses-{session}/anat/sub-01_ses-{session}_FLAIR.nii.gz")
    assert [s.id for s in Bids(root).subjects()] == ["sub-01_ses-post", "sub-01_ses-pre"]


def test_participants_give_attributes_to_all_sessions(root, write):
    write("sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t44\n")
    assert Bids(root).subjects()[0].attributes == {"age": "44"}


def test_raw_and_derived_images_are_told_apart_by_an_entity(root, write):
    write("sub-01/anat/sub-01_FLAIR.nii.gz")
    write("derivatives/reg/sub-01/anat/sub-01_space-MNI_FLAIR.nii.gz")
    write("derivatives/reg/sub-01/anat/sub-01_space-MNI_label-lesion_mask.nii.gz")
    with pytest.raises(DataError, match=r"with options = \{ keep = "):
        Bids(root).subjects()
    (subject,) = Bids(root, keep={"space": "MNI"}).subjects()
    assert "space-MNI" in subject.images["flair"].path.name
    assert subject.label is not None


@pytest.mark.parametrize(
    ("mask", "option", "chosen"),
    [
        ("desc-{}_label-lesion_mask", "keep_label", "label"),
        ("desc-brain_acq-{}_mask", "keep_brain_mask", "brain_mask"),
    ],
)
def test_one_of_two_masks_is_chosen_by_an_entity(root, write, mask, option, chosen):
    write("sub-01/anat/sub-01_FLAIR.nii.gz")
    for rater in ("rater1", "rater2"):
        write(f"derivatives/sub-01/anat/sub-01_{mask.format(rater)}.nii.gz")
    with pytest.raises(DataError, match=rf"with options = \{{ {option} = "):
        Bids(root).subjects()
    entity = "desc" if option == "keep_label" else "acq"
    (subject,) = Bids(root, **{option: {entity: "rater2"}}).subjects()
    assert "rater2" in getattr(subject, chosen).path.name


def test_a_healthy_cohort_needs_no_label(root, write):
    write("sub-01/anat/sub-01_T2w.nii.gz")
    assert Bids(root, healthy=True).subjects()[0].healthy


def test_nobody_found_says_what_was_expected(root):
    with pytest.raises(DataError, match="sub-01_FLAIR"):
        Bids(root).subjects()
