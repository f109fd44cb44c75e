"""Leaks by content: another name, another compression, a little noise hide nothing."""

import base64
import gzip
import shutil
import zlib

import numpy as np
import pytest

from uad_bench.data.doctor import _duplicate_pairs
from uad_bench.data.gate import (
    LISTED,
    REFUSED,
    REFUSED_SMOOTH,
    Signature,
    _compared,
    check_checkpoint,
    check_splits,
    near_scans,
    training_manifest,
)
from uad_bench.data.likeness import SHAPE
from uad_bench.data.split import Split
from uad_bench.errors import ConfigError, DataError, LeakError

SPLIT = Split("mine", train=("P0", "P1", "P2"), val=("P3",), test=("P4", "P5"))


def copy(cohort, source, target):
    """Another name for the same patient."""
    for path in (cohort.root / source).iterdir():
        place = cohort.root / target / path.name.replace(source, target)
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, place)
    return cohort.root / target


def test_different_patients_pass(cohort, cache_root):
    assert check_splits([SPLIT], cohort.census(cache_root)) == ()


def test_equal_patients_are_one_pair_not_a_near_duplicate_besides(make_facts):
    (pair,) = _duplicate_pairs([make_facts(id="A"), make_facts(id="B")])
    assert (pair.first, pair.second, pair.equal) == ("A", "B", True)


def test_equal_labels_are_no_leak(cohort, cache_root):
    census = cohort.census(cache_root)
    assert census["P0"].label_digest == census["P5"].label_digest
    check_splits([SPLIT], census)


def test_the_same_voxels_under_another_name_are_a_leak(cohort, cache_root):
    copy(cohort, "P0", "P5")
    with pytest.raises(LeakError, match=r"flair of P0 \(train\) and P5 \(test\) have identical voxels"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_recompression_does_not_hide_them(cohort, cache_root):
    folder = copy(cohort, "P0", "P5")
    for path in folder.iterdir():
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    with pytest.raises(LeakError, match="identical voxels"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_one_equal_modality_is_enough(cohort, cache_root):
    folder = copy(cohort, "P0", "P5")
    cohort.save(folder / "P5_flair.nii.gz", cohort.texture(99))
    with pytest.raises(LeakError, match="t1 of P0"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_a_noisy_copy_is_refused(cohort, cache_root):
    folder = copy(cohort, "P0", "P5")
    rng = np.random.default_rng(0)
    for i, modality in enumerate(cohort.modalities):
        noisy = cohort.texture(i) + np.where(cohort.brain(), rng.normal(0, 10, cohort.shape), 0)
        cohort.save(folder / f"P5_{modality}.nii.gz", noisy.astype(np.float32))
    with pytest.raises(LeakError, match="near-duplicates"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_a_copy_with_left_and_right_exchanged_is_refused(cohort, cache_root):
    folder = copy(cohort, "P0", "P5")
    for i, modality in enumerate(cohort.modalities):
        cohort.save(folder / f"P5_{modality}.nii.gz", cohort.texture(i)[::-1])
    with pytest.raises(LeakError, match=r"P0 \(train\) and P5 \(test\) are mirrored near-duplicates"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_a_rough_likeness_is_listed_not_refused(cohort, cache_root):
    folder = copy(cohort, "P0", "P5")
    for i, modality in enumerate(cohort.modalities):
        other = 0.42 * cohort.texture(50 + i) + 0.58 * cohort.texture(i)
        cohort.save(folder / f"P5_{modality}.nii.gz", other.astype(np.float32))
    pair = check_splits([SPLIT], cohort.census(cache_root))
    assert [(t.first, t.second) for t in pair] == [("P0", "P5")]
    assert LISTED < pair[0].correlation < REFUSED


def test_a_patient_doubled_within_a_role_is_refused(cohort, cache_root):
    copy(cohort, "P0", "P1")
    with pytest.raises(DataError, match="leave one of the two"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_a_patient_without_data_is_named(cohort, cache_root):
    with pytest.raises(DataError, match="1 patients are not in the data, first P9"):
        check_splits([Split("mine", ("P0",), (), ("P9",))], cohort.census(cache_root))


def test_a_near_duplicate_among_many_patients_is_found(make_facts):
    rng = np.random.default_rng(0)
    names = [f"case{i:04}" for i in range(200)]
    pictures = [{"flair": noise(rng)} for _ in names]
    pictures[199] = pictures[3]
    rows = enumerate(zip(names, pictures, strict=True))
    census = {n: make_facts(id=n, patient=n, digests={"flair": f"{i:064x}"}, thumbnails=p) for i, (n, p) in rows}
    split = Split("big", tuple(names[:100]), (), tuple(names[100:]))
    with pytest.raises(LeakError, match=r"case0003 .train. and case0199 .test. are near-duplicates"):
        check_splits([split], census)


def packed(cells):
    return base64.b64encode(zlib.compress(cells.astype(np.int8).tobytes())).decode()


def noise(rng):
    return packed(rng.integers(-99, 99, SHAPE))


def signature(name, picture, patient=None):
    return Signature(id=name, patient=patient or name, digests=(), thumbnails={"flair": picture})


def test_two_smooth_scans_have_a_higher_limit_and_scans_of_one_patient_are_no_pair():
    smooth = packed(90 * np.sin(np.indices(SHAPE).sum(axis=0) / 4))
    (pair,) = near_scans([signature("a", smooth)], [signature("b", smooth)])
    assert pair.limit == REFUSED_SMOOTH
    rough = signature("b", noise(np.random.default_rng(0)))
    assert _compared(signature("a", smooth), rough, "flair").limit == REFUSED
    assert near_scans([signature("a", smooth, "Smith")], [signature("b", smooth, "Smith")]) == []


def test_weights_trained_on_a_near_duplicate_of_a_validation_patient_are_refused(make_facts):
    rng = np.random.default_rng(0)
    pictures = {name: noise(rng) for name in ("v", "t")}
    census = {
        n: make_facts(id=n, patient=n, digests={"flair": n}, thumbnails={"flair": p}) for n, p in pictures.items()
    }
    seen = {"x": {"digests": [], "thumbnails": {"flair": pictures["v"]}}}
    with pytest.raises(LeakError, match="trained on x: flair of it and of v are near-duplicates"):
        check_checkpoint(seen, Split("mine", (), ("v",), ("t",)), census)


def test_scans_of_one_named_patient_in_two_roles_are_refused(make_facts):
    rows = enumerate((("a", "Smith"), ("b", "b"), ("c", "Smith")))
    census = {n: make_facts(id=n, patient=p, digests={"flair": f"{i:064x}"}, thumbnails={}) for i, (n, p) in rows}
    check_splits([Split("mine", ("a", "c"), (), ("b",))], census)
    with pytest.raises(LeakError, match=r"a .train. and c .test. are scans of patient Smith"):
        check_splits([Split("mine", ("a",), ("b",), ("c",))], census)


def test_near_duplicates_in_one_role_are_listed(cohort, cache_root):
    folder = copy(cohort, "P0", "P1")
    for i, modality in enumerate(cohort.modalities):
        cohort.save(folder / f"P1_{modality}.nii.gz", cohort.texture(i)[::-1])
    assert [(pair.first, pair.second) for pair in check_splits([SPLIT], cohort.census(cache_root))] == [("P0", "P1")]


def test_weights_trained_on_a_test_patient_are_refused(cohort, cache_root):
    census = cohort.census(cache_root)
    other = Split("other", train=("P4",), val=(), test=("P0",))
    with pytest.raises(LeakError, match="trained on P4, a test patient of split mine"):
        check_checkpoint(training_manifest(other, census), SPLIT, census)


def test_validation_patients_are_guarded_like_test_patients(cohort, cache_root):
    census = cohort.census(cache_root)
    with pytest.raises(LeakError, match="trained on P3, a val patient of split mine"):
        check_checkpoint(training_manifest(Split("other", ("P3",), (), ()), census), SPLIT, census)
    renamed = {"renamed": training_manifest(Split("other", ("P3",), (), ()), census)["P3"] | {"patient": "x"}}
    with pytest.raises(LeakError, match="trained on P3, a val patient"):
        check_checkpoint(renamed, SPLIT, census)
    copy(cohort, "P0", "P3")
    with pytest.raises(LeakError, match=r"P0 \(train\) and P3 \(val\) have identical voxels"):
        check_splits([SPLIT], cohort.census(cache_root))


def test_weights_trained_on_its_voxels_under_another_name_are_refused(cohort, cache_root):
    census = cohort.census(cache_root)
    seen = training_manifest(Split("other", ("P5",), (), ()), census)
    with pytest.raises(LeakError, match="trained on P5"):
        check_checkpoint({"renamed": seen["P5"]}, SPLIT, census)
    with pytest.raises(LeakError, match="trained on P5"):
        check_checkpoint({"renamed": census["P5"].digest}, SPLIT, census)


def test_weights_trained_on_another_scan_of_a_test_patient_are_refused():
    with pytest.raises(LeakError, match="BraTS-GLI-00001-101"):
        check_checkpoint({"BraTS-GLI-00001-100": []}, Split("mine", (), (), ("BraTS-GLI-00001-101",)), {})


def test_weights_of_a_patient_under_an_assigned_name_are_refused_for_what_its_id_says():
    seen = {"BraTS-GLI-00001-100": {"patient": "Smith", "digests": [], "thumbnails": {}}}
    with pytest.raises(LeakError, match="trained on BraTS-GLI-00001-101"):
        check_checkpoint(seen, Split("mine", (), (), ("BraTS-GLI-00001-101",)), {})


def test_a_signature_that_is_none_is_refused(cohort, cache_root):
    census = cohort.census(cache_root)
    for spoilt in ({"thumbnails": {"flair": "AAAA"}}, {"thumbnails": {"flair": "\N{BULLET}"}}, {"digests": 7}):
        said = {"old": {**training_manifest(SPLIT, census)["P0"], **spoilt}}
        with pytest.raises(ConfigError, match="training set of a checkpoint, old"):
            check_checkpoint(said, SPLIT, census)


def test_weights_of_a_named_patient_are_refused_for_another_scan_of_it(make_facts):
    census = {n: make_facts(id=n, patient="Smith", digests={"flair": n}, thumbnails={}) for n in ("a", "b")}
    seen = training_manifest(Split("other", ("a",), (), ()), census)
    with pytest.raises(LeakError, match="trained on b"):
        check_checkpoint(seen, Split("mine", (), (), ("b",)), census)


def test_weights_of_an_older_version_are_compared_by_ids_and_digests(cohort, cache_root):
    census = cohort.census(cache_root)
    old = {"difference_hashes": {"flair": "0" * 16}, "thumbnails": {"flair": "AAAA"}}
    check_checkpoint({"x": {"digests": ["0"], **old}}, SPLIT, census)
    with pytest.raises(LeakError, match="trained on P4"):
        check_checkpoint({"x": {"digests": [census["P4"].digests["t1"]], **old}}, SPLIT, census)


def test_weights_trained_on_training_patients_pass(cohort, cache_root):
    census = cohort.census(cache_root)
    check_checkpoint(training_manifest(SPLIT, census), SPLIT, census)
