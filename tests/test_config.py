"""Configuration: what is valid becomes an Experiment, what is not is named in one sentence."""

from pathlib import Path

import pytest

from uad_bench.config import Task, change_task, compose, load_profile, load_task, parse_setting, read_toml
from uad_bench.errors import ConfigError
from uad_bench.resources import resource_names

PHANTOM = load_task("phantom")
TASK = 'dataset = "brats"\nmodalities = ["flair", "t2"]\nbudget = { steps = 5, batch_size = 2 }\n'


@pytest.mark.parametrize("name", resource_names("configs/tasks", ".toml"))
def test_every_shipped_task_is_valid_and_named_for_its_file(name: str):
    assert load_task(name).name == name


@pytest.mark.parametrize("name", resource_names("configs/methods", ".toml"))
def test_every_shipped_profile_is_valid(name: str):
    for profile in (
        "default",
        *(k for k, v in read_toml(Path("configs/methods") / f"{name}.toml").items() if isinstance(v, dict)),
    ):
        assert load_profile(name, profile)[0] == profile


def test_settings_reach_the_method_the_budget_and_the_task():
    found = compose("ae", PHANTOM, ["width=8", "budget.steps=7", "task.margin=0"])
    assert (found.params["width"], found.task.budget.steps, found.task.margin) == (8, 7, 0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=1", 1), ("a=1e-3", 1e-3), ("a=no", "no"), ("a=[1,2]", [1, 2]), ("a=true", True), ("a=x=y", "x=y"), ("a=", "")],
)
def test_a_value_is_json_where_it_is_json_and_text_elsewhere(text: str, value: object):
    assert parse_setting(text) == ("a", value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("task.siez=3", "unknown key 'siez'; did you mean 'size'"),
        ("task.size=3", "size: must be greater than or equal to 8"),
        ("budget.stepz=3", "unknown key 'budget.stepz'; did you mean 'budget.steps'"),
        ("budget.steps=many", "budget.steps: must be a whole number \\(got 'many'\\)"),
        ("task.modalities=[]", "modalities: tuple should have at least 1 item"),
        ("other.x=1", "'task' or 'budget'"),
        ("method.noise_std=1", "with --set noise_std="),
        ("nothing", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_near(setting: str, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        compose("ae", PHANTOM, [setting])


def test_a_file_that_is_absent_is_no_unknown_name(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"mine\.toml: no such task file"):
        load_task(str(tmp_path / "mine.toml"))


def test_a_byte_order_mark_is_no_part_of_a_task_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(TASK, encoding="utf-8-sig")
    assert load_task(str(path)).modalities == ("flair", "t2")


def test_a_missing_key_is_named_without_the_whole_document(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('dataset = "brats"\nmodalities = ["flair", "t2"]\n')
    with pytest.raises(ConfigError, match=r"^mine\.toml: budget is missing$"):
        load_task(str(path))


def test_an_unknown_task_is_refused_with_the_nearest_names():
    with pytest.raises(ConfigError, match="unknown task 'phantm'; did you mean 'phantom'"):
        load_task("phantm")


def test_an_unknown_profile_is_refused():
    with pytest.raises(ConfigError, match="unknown profile of mmccd 'publised'; did you mean 'published'"):
        load_profile("mmccd", "publised")


def test_a_task_file_with_a_doubled_key_is_refused_with_its_line(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('dataset = "brats"\ndataset = "brats"\n')
    with pytest.raises(ConfigError, match=r"mine\.toml: Cannot overwrite a value \(at line 2"):
        load_task(str(path))


def test_a_task_file_of_ones_own_is_read_by_path(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(TASK)
    assert load_task(str(path)) == Task(
        name="mine", dataset="brats", modalities=("flair", "t2"), budget=PHANTOM.budget.__class__(5, 2)
    )


def test_changing_a_task_leaves_the_original_alone():
    assert (change_task(PHANTOM, {"size": 32}).size, PHANTOM.size) == (32, 64)


def test_published_profiles_compute_in_float32_as_their_sources():
    assert compose("mmccd", load_task("phantom"), profile="published").precision == "float32"
    assert compose("mmccd", load_task("phantom")).precision == "auto"


def test_the_precision_is_a_setting_of_the_run_and_not_of_the_method():
    chosen = compose("mmccd", load_task("phantom"), ["precision=bfloat16"])
    assert chosen.precision == "bfloat16"
    assert "precision" not in chosen.params
    with pytest.raises(ConfigError, match="precision"):
        compose("mmccd", load_task("phantom"), ["precision=float64"])
