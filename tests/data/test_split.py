"""A split that overlaps cannot be made."""

import pytest

from uad_bench.data.split import Split
from uad_bench.errors import DataError, LeakError


def test_a_patient_in_two_roles_is_a_leak():
    with pytest.raises(LeakError, match="patient B is in both train and test"):
        Split("mine", train=("A", "B"), val=("C",), test=("B",))


def test_two_scans_of_one_patient_in_two_roles_are_a_leak():
    with pytest.raises(LeakError, match="patient BraTS-GLI-00005 is in both"):
        Split("mine", train=("BraTS-GLI-00005-100",), val=(), test=("BraTS-GLI-00005-101",))


def test_doubled_rows_are_refused():
    with pytest.raises(DataError, match=r"duplicate ids in train \(A\)"):
        Split("mine", train=("A", "A"), val=(), test=("B",))


def test_the_digest_knows_roles_not_order_or_name():
    split = Split("mine", train=("A", "B"), val=("C",), test=("D",))
    assert split.digest == Split("yours", train=("B", "A"), val=("C",), test=("D",), note="x").digest
    assert split.digest != Split("mine", train=("A", "C"), val=("B",), test=("D",)).digest
