"""Published lists: the facts they state, and how far they contradict each other."""

import hashlib

import pytest

from uad_bench.data.split import ROLES, Split, apply_split, disagreement, load_split, split_names
from uad_bench.errors import ConfigError, DataError

# SHA-256 of the sorted ids joined by newlines, as published beside the lists
TRAIN = {
    "mmccd": "c3b2c4a375552bceae1631bd1b901a9d13e60b8653ebd74102acbf3e1892be11",
    "dae": "81998ee887ba7575066e6eb479dbbd9b17722e2243c8261673ad65ba65658b6f",
    "itermask2": "59b27d983296f931cd197018fa91b5699bb0e84a7e67338fbd31eb76dd049395",
}
SIZES = {
    "mmccd": (974, 0, 139),
    "mmccd-val": (974, 138, 139),
    "dae": (938, 62, 251),
    "itermask2": (990, 128, 133),
    "pddpm": (0, 100, 1151),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    assert tuple(len(load_split(name).role(role)) for role in ROLES) == SIZES[name]


@pytest.mark.parametrize("name", TRAIN)
def test_training_patients_are_the_published_ones(name):
    assert hashlib.sha256("\n".join(sorted(load_split(name).train)).encode()).hexdigest() == TRAIN[name]


def test_all_shipped_lists_load():
    assert set(split_names()) == set(SIZES)


def test_mmccd_val_adds_the_patients_of_the_cohort_that_mmccd_leaves_out():
    bare, full = load_split("mmccd"), load_split("mmccd-val")
    assert (full.train, full.test) == (bare.train, bare.test)
    assert {*full.val} == {*load_split("dae").subjects} - {*bare.subjects}


def test_108_test_patients_of_mmccd_are_trained_on_by_dae():
    found = disagreement(load_split("mmccd"), load_split("dae"))
    assert found.tested_but_trained[0] == 108
    assert found.pairs["test", "test"] == 24


def test_a_split_agrees_with_itself():
    split = load_split("dae")
    assert disagreement(split, split).moved == 0


def test_a_whole_list_applies_and_leaves_others_out():
    split = apply_split(load_split("mmccd"), [*load_split("mmccd").subjects, "somebody else"])
    assert split == load_split("mmccd")


def test_absent_patients_are_refused_by_count_and_name():
    with pytest.raises(DataError, match=r"1111 of its 1113 patients are not in the data \(BraTS2021_0000.*subset"):
        apply_split(load_split("mmccd"), ["BraTS2021_00002", "BraTS2021_00003"])


def test_a_subset_says_n_of_n():
    mmccd = load_split("mmccd")
    split = apply_split(mmccd, [*mmccd.train[:3], mmccd.test[0], "other"], subset=True)
    assert split.note.startswith("4 of 1113")
    assert (len(split.train), len(split.test)) == (3, 1)


def test_a_subset_that_empties_a_role_is_refused():
    with pytest.raises(DataError, match="none of them for test"):
        apply_split(load_split("mmccd"), load_split("mmccd").train[:3], subset=True)


def test_an_unknown_list_names_the_near_one():
    with pytest.raises(ConfigError, match="did you mean 'mmccd'"):
        load_split("mmcd")


def test_ones_own_list_is_read_from_a_file(tmp_path):
    split = Split("mine", ("A", "B"), ("C",), ("D",))
    path = tmp_path / "mine.txt"
    path.write_text("source: our ward\n\ntrain A\ntrain B\nval C\ntest D\n")
    read = load_split(str(path))
    assert read.digest == split.digest
    assert read.note == "our ward"


def test_a_row_without_a_role_is_named_by_its_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("train A\n\ntest B\nthird C\n")
    with pytest.raises(ConfigError, match=r"mine.txt, line 4: 'third C' is not a role"):
        load_split(str(path))


def test_an_edited_list_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(f"digest: {Split('mine', ('A', 'B'), (), ('D',)).digest}\n\ntrain A\ntest B\ntest D\n")
    with pytest.raises(DataError, match="the file states"):
        load_split(str(path))


def test_a_line_that_is_no_role_is_named(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("name: mine\n\ntrain A\ntarin B\n")
    with pytest.raises(ConfigError, match="line 4: 'tarin B'"):
        load_split(str(path))


@pytest.mark.parametrize("head", ["", "name: mine\n\n", "name: mine\n \n", "\n"])
def test_rows_are_read_with_or_without_a_head(tmp_path, head):
    path = tmp_path / "mine.txt"
    path.write_text(f"{head}train A\n\ntest  B 1 \n")
    read = load_split(str(path))
    assert (read.name, read.train, read.val, read.test) == ("mine", ("A",), (), ("B 1",))


def test_a_list_without_a_patient_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("name: mine\n\n")
    with pytest.raises(ConfigError, match="lists no patient"):
        load_split(str(path))
