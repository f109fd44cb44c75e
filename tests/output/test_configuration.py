"""`show task` and `show method`: what they print is a configuration that gives the same settings."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from uad_bench.config import Task, load_profile, load_task
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import Protocol, Published
from uad_bench.output.configuration import (
    REQUIRED,
    FieldFacts,
    describe_type,
    fields_of,
    method_configuration,
    task_configuration,
    toml_value,
)
from uad_bench.resources import resource_names
from uad_bench.suites.suite import Suite


@dataclass
class Base:
    """One.

    Attributes:
        depth: of the network,
            in layers.
    """

    depth: int = 3


@dataclass
class Made(Base):
    """Two.

    Attributes:
        name: of it.

    Raises:
        ValueError: never.
    """

    name: str = "x"


def test_fields_are_described_by_the_docstrings_of_all_base_classes():
    assert fields_of(Made) == (
        FieldFacts("depth", "whole number", 3, "of the network, in layers."),
        FieldFacts("name", "text", "x", "of it."),
    )


def test_a_class_without_fields_is_described_by_its_constructor():
    class Plain:
        """Three.

        Args:
            gain: a factor.
        """

        def __init__(self, gain, power: float = 2.0): ...

    assert fields_of(Plain) == (
        FieldFacts("gain", "any value", REQUIRED, "a factor."),
        FieldFacts("power", "number", 2.0, ""),
    )


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (tuple[str, ...], "list of text"),
        (tuple[int, int] | None, "list of 2 x whole number"),
        (Literal["a", "b"], '"a" or "b"'),
        (Annotated[float, Field(gt=0, le=1)], "number, above 0, at most 1"),
        (list[Annotated[int, Field(ge=0)]], "list of whole number, at least 0"),
        (dict[str, int], "table"),
        (Base, "table"),
        (Path, "path"),
    ],
)
def test_types_are_said_in_words(annotation, words):
    assert describe_type(annotation) == words


@pytest.mark.parametrize("cls", [Task, Suite, Protocol, Published])
def test_every_field_of_a_configuration_file_has_a_description(cls):
    assert [facts.name for facts in fields_of(cls) if not facts.meaning] == []


@pytest.mark.parametrize("name", resource_names("configs/tasks", ".toml"))
def test_what_is_shown_of_a_task_is_the_same_task(name, tmp_path):
    file = tmp_path / "copy.toml"
    file.write_text(task_configuration(name).to_toml())
    assert replace(load_task(str(file)), name=name) == load_task(name)


def test_what_is_shown_of_a_method_has_every_hyperparameter_of_the_profile():
    shown = tomllib.loads(method_configuration("mmccd", "published").to_toml())
    _, profile = load_profile("mmccd", "published")
    assert shown["stripe_width"] == profile.params["stripe_width"] == 16
    assert shown["optimisation"]["betas"] == [0.9, 0.999]
    assert (shown["budget"], shown["task"]) == (profile.budget, profile.task)


def test_a_method_of_ones_own_needs_no_configuration_file(tmp_path):
    from uad_bench.plugins.scaffold import write_method

    (file, _), _ = write_method("rare-voxels", kind="file", folder=tmp_path)
    shown = method_configuration("rare-voxels", plugins=[file])
    assert "rare-voxels" in shown.head[0]
    assert set(tomllib.loads(shown.to_toml())) == {facts.name for facts in shown.fields}


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ConfigError, match="unknown profile of mmccd 'publishd'; did you mean 'published'"):
        method_configuration("mmccd", "publishd")


@pytest.mark.parametrize("value", [{"a b": [1, 2.5], "c": {"d": True}}, 'quo"te\n', float("inf"), ["ü"], 1e-7])
def test_a_value_is_read_back_from_its_toml(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value
