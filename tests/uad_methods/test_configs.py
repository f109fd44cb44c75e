"""The shipped profiles build the methods they are named after."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from uad_methods.mmccd import MMCCD
from uad_methods.nn.unet import PUBLISHED

FOLDER = Path(__file__).parents[2] / "configs" / "methods"
PROJECT = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())
METHODS = PROJECT["project"]["entry-points"]["uad_bench.methods"]


def read(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def load(name):
    (entry,) = entry_points(group="uad_bench.methods", name=name) or [None]
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        pytest.skip(f"{name} needs {error.name}, which the extra features installs")


def test_every_method_has_a_profile_and_every_profile_a_method():
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_profiles_say_what_and_whose_a_method_is(name):
    profile = read(name)
    assert {"summary", "family", "paper", "code", "code_licence", "learns_from", "default"} <= set(profile)
    assert bool(profile["code"]) == bool(profile["code_licence"])
    assert (profile["learns_from"] == "nothing") == (not load(name)().modalities.fit)


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("profile", ["default", "published"])
def test_profiles_build(name, profile):
    settings = read(name).get(profile, {})
    assert set(settings) <= {"params", "precision", "budget", "task"}
    TypeAdapter(load(name)).validate_python(settings.get("params", {}), strict=False)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_default_profile_is_what_the_class_is_without_arguments(name):
    cls = load(name)
    params = read(name)["default"].get("params", {})
    assert TypeAdapter(cls).validate_python(params) == cls()


def test_the_published_profile_of_mmccd_is_the_source():
    method = TypeAdapter(MMCCD).validate_python(read("mmccd")["published"]["params"])
    assert method.unet == PUBLISHED
    assert method.network_calls_per_slice == 12_800 + 128
    assert method.optimisation.learning_rate_at(50_000, 100_000) == 1e-4
    assert method.optimisation.ema_at(99_999) == 0
