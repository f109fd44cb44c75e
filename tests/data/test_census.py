"""One pass sees everything: each fault is named with its file, all at once; the second pass reads no voxel."""

import gzip
import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from uad_bench.data import census as census_module
from uad_bench.data.census import SHOWN_PROBLEMS, _sentence, _stamp, data_digest, survey, take_census
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.inspection import Problem, _border, _rounding, bounding_box
from uad_bench.data.reference import build_references
from uad_bench.data.subject import ImageFile
from uad_bench.errors import DataError

SHAPE = (24, 28, 14)
LPS = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 27], [0, 0, 1, 0], [0, 0, 0, 1]])


def faults(patients, cache_root):
    with pytest.raises(DataError) as caught:
        patients.census(cache_root)
    return str(caught.value)


def test_facts_are_those_of_the_volume(cohort, cache_root):
    facts = cohort.census(cache_root)["P0"]
    inside = cohort.brain()[::-1, ::-1]  # LPS files turn into RAS+
    assert facts.shape == SHAPE
    assert facts.orientation == "LPS"
    assert facts.brain_area == tuple(inside.sum((0, 1)))
    assert facts.anomaly_area == tuple((cohort.lesion() > 0).sum((0, 1)))
    assert facts.label_values == (0, 2)
    assert facts.percentile("flair", 90) == np.percentile(cohort.texture(0)[cohort.brain()], 90)
    assert facts.anomaly_ml == pytest.approx(0.032)


def test_facts_survive_json(cohort, cache_root):
    facts = cohort.census(cache_root)["P0"]
    assert SubjectFacts.from_json(facts.to_json()) == facts


def test_a_label_of_another_shape_is_named_with_both_shapes(patients, cache_root):
    folder = patients.add("P0", 0)
    patients.save(folder / "P0_seg.nii.gz", patients.lesion()[:-1])
    assert "P0_seg.nii.gz: label has shape (23, 28, 14), flair has (24, 28, 14)" in faults(patients, cache_root)


def shift():
    moved = LPS.copy()
    moved[0, 3] += 2
    return moved


def flip():
    return LPS @ np.diag([-1.0, 1, 1, 1])


def mirror():
    """A flip about the middle of the grid, which leaves the canonical affine as it was."""
    mirrored = flip()
    mirrored[0, 3] = -(SHAPE[0] - 1)
    return mirrored


def rotation():
    turn = np.eye(4)
    turn[:2, :2] = [[0.999, -0.0447], [0.0447, 0.999]]
    return turn @ LPS


@pytest.mark.parametrize(
    ("role", "affine"),
    [*((role, affine) for role in ("seg", "t1") for affine in (shift(), flip(), rotation())), ("t1", mirror())],
)
def test_an_affine_that_differs_is_refused(patients, cache_root, affine, role):
    folder = patients.add("P0", 0)
    path = folder / f"P0_{role}.nii.gz"
    patients.save(path, np.asarray(nib.load(path).dataobj), affine)
    assert f"P0_{role}.nii.gz: the affines of" in faults(patients, cache_root)


@pytest.mark.parametrize("codes", ["RAS", "SPR"])
def test_a_label_of_the_same_grid_in_another_axis_order_is_turned(patients, cache_root, codes):
    path = patients.add("P0", 0) / "P0_seg.nii.gz"
    before = patients.census(cache_root)["P0"]
    turn = nib.orientations.ornt_transform(nib.io_orientation(LPS), nib.orientations.axcodes2ornt(codes))
    nib.save(nib.load(path).as_reoriented(turn), path)
    after = patients.census(cache_root)["P0"]
    assert (before.label_turned, after.label_turned, after.label_orientation) == (False, True, codes)
    assert (after.label_digest, after.anomaly_area) == (before.label_digest, before.anomaly_area)


def test_label_values_a_rounding_away_from_whole_numbers_are_rounded(patients, cache_root):
    path = patients.add("P0", 0) / "P0_seg.nii.gz"
    before = patients.census(cache_root)["P0"]
    patients.save(path, patients.lesion().astype(np.float32) * np.float32(0.9999) + np.float32(1e-4))
    after = patients.census(cache_root)["P0"]
    assert after.label_rounding == pytest.approx(1e-4, rel=0.01)
    assert (after.label_digest, after.label_values, after.anomaly_voxels) == (before.label_digest, (0, 2), 32)
    references = build_references(patients.subjects(), {"P0": after}, cache=cache_root)
    assert references["P0"].anomaly.sum() == 32


def test_an_affine_within_a_micrometre_is_accepted(patients, cache_root):
    folder = patients.add("P0", 0)
    patients.save(folder / "P0_seg.nii.gz", patients.lesion(), LPS + 1e-4 * np.eye(4))
    assert set(patients.census(cache_root)) == {"P0"}


def test_a_missing_modality_names_the_patient_and_what_it_has(patients, cache_root):
    (patients.add("P0", 0) / "P0_t1.nii.gz").unlink()
    patients.add("P1", 1)
    assert "P0: modality 't1' is missing (it has flair)" in faults(patients, cache_root)


def test_a_modality_that_no_patient_has_is_said_once_with_those_that_are_there(patients, cache_root):
    for i in range(3):
        (patients.add(f"P{i}", i) / f"P{i}_t1.nii.gz").unlink()
    message = faults(patients, cache_root)
    assert message.startswith("no patient has t1, the patients have flair; use what is there, with --set")
    assert "task.modalities='[\"flair\"]'" in message


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda label: label.astype(np.float32) * 0.75, "not whole numbers (0, 1.5); threshold"),
        (lambda label: label + np.float32(0.002), "not whole numbers"),
        (lambda label: -label.astype(np.int16), "label values are not between 0 and"),
        (lambda label: label.astype(np.int16) * 500, "label values are not between 0 and"),
        (lambda label: np.where(label > 0, np.nan, 0).astype(np.float32), "NaN or infinite"),
    ],
    ids=["fraction", "offset", "negative", "large", "nan"],
)
def test_a_label_that_is_none_is_refused(patients, cache_root, spoil, complaint):
    patients.add("P0", 0, label=spoil(patients.lesion()))
    message = faults(patients, cache_root)
    assert "P0_seg.nii.gz" in message
    assert complaint in message


def test_an_undeclared_label_value_is_reported_not_refused(patients, cache_root):
    patients.add("P0", 0, label=patients.lesion() * 3)
    facts = patients.census(cache_root)["P0"]
    assert facts.undeclared_values == (6,)
    assert facts.anomaly_voxels == 32


def test_an_empty_label_is_accepted_and_counted(patients, cache_root):
    patients.add("P0", 0, label=np.zeros(SHAPE, np.uint8))
    facts = patients.census(cache_root)["P0"]
    assert facts.labelled
    assert facts.anomaly_voxels == 0


def test_a_scan_of_zeros_is_refused(patients, cache_root):
    folder = patients.add("P0", 0)
    patients.save(folder / "P0_t1.nii.gz", np.zeros(SHAPE, np.int16))
    assert "P0_t1.nii.gz: every voxel of t1 is zero" in faults(patients, cache_root)


def test_nan_voxels_are_refused_by_name(patients, cache_root):
    folder = patients.add("P0", 0)
    bad = patients.texture(0).astype(np.float32)
    bad[12, 14, 7] = np.nan
    patients.save(folder / "P0_flair.nii.gz", bad)
    assert "P0_flair.nii.gz: 1 voxels are NaN" in faults(patients, cache_root)


def test_all_problems_come_in_one_error(cohort, cache_root):
    (cohort.root / "P0/P0_t1.nii.gz").unlink()
    (cohort.root / "P1/P1_flair.nii.gz").write_bytes(b"")
    cohort.save(cohort.root / "P2/P2_seg.nii.gz", cohort.lesion()[:-1])
    message = faults(cohort, cache_root)
    assert "3 of 6 patients" in message
    assert all(name in message for name in ("P0: modality", "P1_flair.nii.gz", "P2_seg.nii.gz"))


def test_a_survey_keeps_the_sound_patients(cohort, cache_root):
    (cohort.root / "P0/P0_t1.nii.gz").unlink()
    found = survey(cohort.subjects(), cohort.modalities, cache=cache_root)
    assert sorted(found.facts) == ["P1", "P2", "P3", "P4", "P5"]
    assert [problem.kind for problem in found.problems] == ["missing"]


def test_the_second_pass_reads_no_voxel(cohort, cache_root, monkeypatch):
    first = cohort.census(cache_root)
    monkeypatch.setattr(census_module, "inspect", lambda *_: pytest.fail("a file was read again"))
    assert cohort.census(cache_root) == first


def test_a_changed_file_is_read_again(cohort, cache_root):
    before = cohort.census(cache_root)
    cohort.save(cohort.root / "P0/P0_flair.nii.gz", cohort.texture(99))
    os.utime(cohort.root / "P0/P0_flair.nii.gz", ns=(1, 1))
    after = cohort.census(cache_root)
    assert after["P0"].digests["flair"] != before["P0"].digests["flair"]
    assert after["P1"] == before["P1"]


def test_a_replaced_file_of_the_same_size_and_date_is_read_again(patients, cache_root):
    path = patients.add("P0", 0) / "P0_flair.nii"
    (patients.root / "P0" / "P0_flair.nii.gz").unlink()
    patients.save(path, patients.texture(1))
    before, state = patients.census(cache_root)["P0"], path.stat()
    patients.save(path, patients.texture(2))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    assert patients.census(cache_root)["P0"].digests["flair"] != before.digests["flair"]


def test_recompression_and_another_type_leave_the_digest(patients, cache_root):
    folder = patients.add("P0", 0)
    before = patients.census(cache_root)["P0"].digests
    path = folder / "P0_flair.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    patients.save(folder / "P0_t1.nii.gz", patients.texture(1).astype(np.float64))
    assert patients.census(cache_root)["P0"].digests == before


def test_the_data_digest_follows_voxels_and_labels(patients, cache_root):
    folder = patients.add("P0", 0)
    digests = {data_digest(patients.census(cache_root))}
    patients.save(folder / "P0_seg.nii.gz", patients.lesion(z=(5, 8)))
    digests.add(data_digest(patients.census(cache_root)))
    patients.save(folder / "P0_flair.nii.gz", patients.texture(7))
    digests.add(data_digest(patients.census(cache_root)))
    assert len(digests) == 3


def test_the_data_digest_follows_the_affine(make_facts):
    moved = make_facts(affine=((2.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 1.0)))
    assert data_digest({"P0": moved}) != data_digest({"P0": make_facts()})


def test_a_patient_who_is_declared_healthy_later_is_measured_again(patients, cache_root):
    (patients.add("P0", 0) / "P0_seg.nii.gz").unlink()
    (subject,) = patients.subjects()
    census = [take_census([replace(subject, healthy=h)], ("flair",), cache=cache_root) for h in (False, True)]
    assert [facts["P0"].labelled for facts in census] == [False, True]


def test_two_channels_of_a_file_are_two_scans(patients):
    (path, *_) = patients.add("P0", 0).iterdir()
    assert _stamp(ImageFile(path, 0)) != _stamp(ImageFile(path, 1))


def test_progress_counts_every_patient(cohort, cache_root):
    seen = []
    take_census(cohort.subjects(), cohort.modalities, cache=cache_root, report=seen.append)
    assert [(p.step, p.total) for p in seen] == [(i, 6) for i in range(1, 7)]


def test_two_patients_of_one_id_are_refused(cohort, cache_root):
    twice = [*cohort.subjects(), cohort.subjects()[0]]
    with pytest.raises(DataError, match="duplicate patient id P0"):
        take_census(twice, cohort.modalities, cache=cache_root)


def test_the_shipped_brain_mask_wins_over_non_zero_voxels(patients, cache_root):
    folder = patients.add("P0", 0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[8:16, 8:20, 4:10] = 1
    path = patients.save(folder / "mask.nii.gz", mask)
    subject = replace(patients.subjects()[0], brain_mask=ImageFile(path))
    assert take_census([subject], patients.modalities, cache=cache_root)["P0"].brain_voxels == mask.sum()


def test_a_patient_who_cannot_name_a_file_is_a_problem_before_anything_runs(cohort, cache_root):
    cohort.add("<b>p2", 7)
    with pytest.raises(DataError, match=r"(?s)1 of 7 patients.*patient '<b>p2' cannot be a file name.*rename"):
        cohort.census(cache_root)


@pytest.mark.parametrize(("count", "more"), [(SHOWN_PROBLEMS, []), (SHOWN_PROBLEMS + 2, ["  ... and 2 more"])])
def test_a_refusal_lists_the_first_problems_and_counts_the_others(count, more):
    lines = _sentence([Problem(f"P{i // 2}", "broken", f"file {i}") for i in range(count)], 99).splitlines()
    assert lines[0] == f"{count // 2} of 99 patients cannot be used as they are:"
    assert lines[1:-1] == [*(f"  file {i}" for i in range(SHOWN_PROBLEMS)), *more]


def test_a_box_ends_one_past_the_last_voxel_and_a_border_is_a_share_of_four_sides():
    mask = np.zeros((9, 8, 7), bool)
    mask[2, 3, 1] = mask[6, 4, 5] = True
    assert bounding_box(mask) == ((2, 3, 1), (7, 5, 6))
    assert bounding_box(mask[:, :, 5:6]) == ((6, 4, 0), (7, 5, 1))
    sides = np.zeros((4, 6, 5), bool)
    sides[0, 1:3] = sides[2, -1] = True  # 10 and 5 of 2 x (6 + 4) x 5 voxels
    assert _border(sides) == 15 / 100


def test_the_rounding_of_a_label_is_the_largest_distance_from_a_whole_number():
    assert _rounding(np.array([0.0, 1.25, 2.0, 2.875])) == 0.25
    assert _rounding(np.array([0, 3], np.uint8)) == 0
