"""A task may train on a few of the split's patients."""

from tests.tiny_bench import gather_tiny
from uad_bench.config import change_task, load_task
from uad_bench.runs.origin import identifying_fields


def test_fewer_training_patients_lie_in_the_larger_sets_and_the_others_keep_their_roles(tiny_data):
    whole, none, one, two = (gather_tiny(tiny_data, train_patients=n).splits[0] for n in (None, 0, 1, 2))
    assert [len(split.train) for split in (none, one, two)] == [0, 1, 2]
    assert set(one.train) < set(two.train) < set(whole.train)
    assert {(split.val, split.test) for split in (whole, none, one, two)} == {(whole.val, whole.test)}


def test_the_number_names_the_run_only_where_it_is_given():
    task = load_task("phantom-tiny")
    assert not {"train_patients", "centre", "resample"} & identifying_fields(task).keys()
    assert identifying_fields(change_task(task, {"train_patients": 0}))["train_patients"] == 0
