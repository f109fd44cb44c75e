"""The command of a row holds every choice that differs from what is shipped."""

from dataclasses import asdict, replace

import pytest

from tests.made_results import made_experiment, made_result
from uad_bench.boards.run_folder import command_of
from uad_bench.config import load_task
from uad_bench.runs.record import WeightsOfRun

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


def test_a_precision_is_stated_unless_the_profile_has_it():
    for profile, precision, stated in (
        ("default", None, ""),
        ("default", "float32", " --set precision=float32"),
        ("published", "float32", ""),
        ("published", None, " --set precision=auto"),
    ):
        asked = made_experiment(profile=profile, precision=precision, task=TASK)
        words = command_of(replace(made_result("ae", task={"name": "phantom-tiny"}), experiment=asked))
        assert words.endswith(f"{stated} --seed 0")
        assert stated or "precision" not in words


@pytest.mark.parametrize(
    ("further", "task", "expected"),
    [
        (True, {"name": "phantom-tiny"}, "run --method ae --task phantom-tiny --from other/ae/seed0-1 --seed 0"),
        (False, {"name": "phantom-tiny"}, "score other/ae/seed0-1 --task phantom-tiny --split made"),
        (False, {"name": "brats", "dataset": "brats", "split": {"name": "everybody", "digest": "5" * 64}},
         "score other/ae/seed0-1 --task brats --data DIR"),
    ],
)  # fmt: skip
def test_a_run_from_other_weights_is_trained_further_or_only_scored(further, task, expected):
    result = made_result("ae", task=task)
    weights = WeightsOfRun(run="other/ae/seed0-1", checkpoint="c" * 64, further=further)
    method = result.record.method.model_copy(update={"weights": weights})
    assert (
        command_of(replace(result, record=result.record.model_copy(update={"method": method})))
        == f"uad-bench {expected}"
    )


def test_data_that_is_not_embedded_must_be_named():
    brats = asdict(load_task("brats"))
    result = replace(made_result("ae", task={"name": "brats"}), experiment=made_experiment(task=brats))
    assert command_of(result) == "uad-bench run --method ae --task brats --data DIR --seed 0"


def test_a_chosen_number_of_threads_precedes_the_command():
    environment = {"settings": {"OMP_NUM_THREADS": "1"}}
    result = made_result("ae", task={"name": "phantom-tiny"}, environment=environment)
    words = command_of(replace(result, experiment=made_experiment(task=TASK)))
    assert words == "OMP_NUM_THREADS=1 uad-bench run --method ae --task phantom-tiny --seed 0"
