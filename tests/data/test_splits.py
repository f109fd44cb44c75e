"""Own splits: independent of order and of other patients, never through the middle of a patient."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.data.split import ROLES
from uad_bench.data.splits import fold_splits, hash_split, unit_hash, unseen_split
from uad_bench.errors import DataError

MANY = [f"case{i:04}" for i in range(1000)]
FEW = MANY[:12]


def roles(split):
    return {id_: role for role in ROLES for id_ in split.role(role)}


def test_the_hash_is_sha256_of_salt_zero_and_id():
    digest = hashlib.sha256(b"salt\0case0001").digest()
    assert unit_hash("case0001", "salt") == int.from_bytes(digest[:8], "big") / 2**64


def test_large_cohorts_come_near_20_and_5_percent():
    split = hash_split(MANY, labelled=MANY)
    assert len(split.test) == pytest.approx(200, abs=40)
    assert len(split.val) == pytest.approx(50, abs=22)
    assert len(roles(split)) == 1000


def test_adding_patients_never_moves_one():
    before, after = roles(hash_split(MANY[:500], labelled=MANY)), roles(hash_split(MANY, labelled=MANY))
    assert all(after[id_] == role for id_, role in before.items())


@given(st.permutations(FEW))
def test_order_does_not_matter(ids):
    assert hash_split(ids, labelled=ids).digest == hash_split(FEW, labelled=FEW).digest


def test_small_cohorts_are_cut_by_rank_and_say_so():
    split = hash_split(FEW, labelled=FEW)
    assert (len(split.train), len(split.val), len(split.test)) == (8, 2, 2)
    assert "12 labelled patients: cut by rank" in split.note
    hashes = {role: [unit_hash(id_, "uad-bench-split-1") for id_ in split.role(role)] for role in ROLES}
    assert max(hashes["test"]) < min(hashes["val"])
    assert max(hashes["val"]) < min(hashes["train"])


def test_small_cohorts_validate_on_patients_with_a_clean_slice_if_there_are_any():
    usual = hash_split(FEW, labelled=FEW)
    assert hash_split(FEW, labelled=FEW, clean=FEW) == usual
    clean = [*usual.test, usual.val[0], usual.train[0]]
    split = hash_split(FEW, labelled=FEW, clean=clean)
    assert split.test == usual.test
    assert set(split.val) == {usual.val[0], usual.train[0]}
    assert hash_split(FEW, labelled=FEW, clean=()) == usual


def test_other_peoples_weights_are_validated_on_patients_with_a_clean_slice():
    clean = hash_split(FEW, labelled=FEW).train[-2:]
    split = unseen_split(FEW, clean=clean)
    assert (split.train, split.val) == ((), clean)
    assert set(split.test) == {*FEW} - {*clean}


def test_scans_of_few_patients_are_all_tested():
    scans = [f"P{i}_visit-{k}" for i in range(2) for k in range(3)]
    split = unseen_split(scans)
    assert (split.train, split.val, split.test) == ((), (), tuple(scans))


def test_patients_without_a_label_only_train():
    split = hash_split(MANY, labelled=FEW)
    assert set(split.val) | set(split.test) <= set(FEW)
    assert len(split.train) == 1000 - 4


def test_scans_of_one_patient_stay_together():
    scans = [f"BraTS-GLI-{i:05}-{k}" for i in range(20) for k in (100, 101, 102)]
    split = hash_split(scans, labelled=scans)
    assert len(split.test) == 12
    for role in ROLES:
        assert len(split.role(role)) == 3 * len({id_[:-4] for id_ in split.role(role)})


def test_scans_of_one_named_patient_stay_together():
    scans = [f"scan{i:02}" for i in range(40)]
    patients = {scan: f"person{i // 2}" for i, scan in enumerate(scans)}
    for split in (hash_split(scans, labelled=scans, patients=patients), *fold_splits(scans, 4, patients=patients)):
        for role in ROLES:
            assert len(split.role(role)) == 2 * len({patients[id_] for id_ in split.role(role)})


def test_four_patients_are_too_few_and_folds_are_offered():
    with pytest.raises(DataError, match=r"4 labelled patients are too few.*--folds"):
        hash_split(FEW[:4], labelled=FEW[:4])


@pytest.mark.parametrize(("count", "k"), [(3, 3), (6, 3), (12, 3), (12, 12), (45, 5), (1000, 5)])
def test_folds_test_every_patient_once_and_always_train_and_validate(count, k):
    splits = fold_splits(MANY[:count], k)
    assert sorted(id_ for split in splits for id_ in split.test) == MANY[:count]
    assert all(split.train and split.val for split in splits)
    assert all(len(roles(split)) == count for split in splits)


def test_small_folds_are_of_equal_size():
    assert [len(split.test) for split in fold_splits(FEW, 3)] == [4, 4, 4]


def test_validation_patients_of_small_folds_follow_each_other_in_the_order_of_the_hash():
    ranked = sorted(FEW, key=lambda name: unit_hash(name, "uad-bench-fold-1"))
    for index, split in enumerate(fold_splits(FEW, 3)):
        rest = [name for i, name in enumerate(ranked) if i % 3 != index]
        assert set(split.test) == {*ranked} - {*rest}
        assert set(split.val) == set(rest[2 * index : 2 * index + 2])


@pytest.mark.parametrize(("count", "k"), [(2, 2), (5, 6), (5, 1)])
def test_impossible_folds_are_refused(count, k):
    with pytest.raises(DataError, match="cannot split"):
        fold_splits(FEW[:count], k)


@pytest.mark.parametrize(
    ("count", "way_out"), [(2, "; apply a trained run to them: uad-bench score RUN"), (4, "; use --folds K, or apply")]
)
def test_too_few_patients_get_a_way_out_that_is_open_to_them(count, way_out):
    with pytest.raises(DataError, match=f"{count} labelled patients are too few for training.*{way_out}"):
        hash_split([f"P{i}" for i in range(count)], labelled=[f"P{i}" for i in range(count)])
