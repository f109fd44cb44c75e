"""The command of a row holds every choice that differs from what is shipped."""

from dataclasses import asdict, replace

import pytest

from tests.made_results import made_experiment, made_result
from uad_bench.boards.run_folder import command_of
from uad_bench.config import load_task

TASK = asdict(load_task("phantom-tiny"))


def command(method="ae", seed=0, params=None, profile="default", **task):
    result = made_result(method, seed, task={"name": "phantom-tiny"})
    asked = made_experiment(profile=profile, params=params or {}, task={**TASK, **task})
    return command_of(replace(result, experiment=asked))


def test_a_plain_run_needs_method_task_and_seed():
    assert command(seed=2) == "uad-bench run --method ae --task phantom-tiny --seed 2"


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"params": {"latent": 7}}, "--set latent=7"),
        ({"budget": {"steps": 5, "batch_size": 8}}, "--set budget.steps=5"),
        ({"margin": 3}, "--set task.margin=3"),
        ({"pair": ["t2", "flair"]}, "--pair t2:flair"),
        ({"split": "hash"}, "--split hash"),
        ({"params": {"name": "a b"}}, """--set 'name="a b"'"""),
    ],
)
def test_a_changed_choice_is_part_of_the_command(changes, option):
    assert f" {option} --seed 0" in command(**changes)


def test_data_that_is_not_embedded_must_be_named():
    brats = asdict(load_task("brats"))
    result = replace(made_result("ae", task={"name": "brats"}), experiment=made_experiment(task=brats))
    assert command_of(result) == "uad-bench run --method ae --task brats --data DIR --seed 0"


def test_a_chosen_number_of_threads_precedes_the_command():
    environment = {"settings": {"OMP_NUM_THREADS": "1"}}
    result = made_result("ae", task={"name": "phantom-tiny"}, environment=environment)
    words = command_of(replace(result, experiment=made_experiment(task=TASK)))
    assert words == "OMP_NUM_THREADS=1 uad-bench run --method ae --task phantom-tiny --seed 0"
