"""Combine tasks, profiles and command-line settings into one frozen, validated `Experiment`."""

import json
import logging
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from uad_bench.errors import ConfigError, unknown
from uad_bench.files import read_text
from uad_bench.method import Budget, Modality, Precision
from uad_bench.resources import resource_names, resource_path

log = logging.getLogger(__name__)

T = TypeVar("T")
Centre = Literal["brain", "image"]
Resample = Literal["area", "adaptive", "bilinear"]
STRICT = ConfigDict(extra="forbid")
LONGEST_SHOWN = 60  # characters of a wrong value in its message
PLAIN = {
    "Input should be a valid integer": "must be a whole number",
    "Input should be a valid number": "must be a number",
    "Input should be a valid boolean": "must be true or false",
    "Input should be a valid string": "must be text",
    "Input should be a valid dictionary": "must be a table",
    "Input should be a valid mapping": "must be a table",
    "Input should be a dictionary or an instance of": "must be a table with the fields of",
    "Input should be a valid tuple": "must be a list",
    "Input should be a valid list": "must be a list",
    "Input should have": "must have",
    "Input should be": "must be",
}


def _trained(budget: Budget) -> Budget:
    if min(budget.steps, budget.batch_size) < 1:
        raise PydanticCustomError("budget", "steps and batch_size must be 1 or more")
    return budget


def _distinct(pair: tuple[Modality, Modality]) -> tuple[Modality, Modality]:
    if pair[0] == pair[1]:
        raise PydanticCustomError("pair", "the two modalities must differ")
    return pair


def _ascending(slices: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= slices[0] <= slices[1]:
        raise PydanticCustomError("slices", "the first slice must be 0 or more, and not after the last")
    return slices


@dataclass(frozen=True, kw_only=True)
class Task:
    """Conditions under which methods are compared: data, modalities, slices, split, budget and protocol.

    Attributes:
        name: name in tables and run folders; by default that of the file.
        summary: one line for `list tasks`.
        dataset: name of a registered dataset (`list datasets`).
        options: arguments of the dataset's constructor.
        pair: the modality given at test and the one translated to.
        modalities: all that the gate reads for every patient, whatever a method needs.
        slices: first and last axial slice (canonical orientation, inclusive); None means all with brain.
        size: height and width in pixels of the slices a method works on.
        field_of_view: side of these slices in mm.
        centre: of these slices: that of the `brain`'s bounding box, or of the whole `image`.
        resample: how the scan's voxels become their pixels: `area` weighs voxels by the area under a pixel, and a pixel
            is brain if half of it is; `adaptive` averages all voxels under a pixel, and `bilinear` interpolates between
            the nearest ones, both as published code does, and a pixel is brain if any of these voxels is.
        scaling: intensity scaling, a name of `uad_bench.data.scaling`.
        margin: a healthy slice has no anomaly in this many slices on either side.
        min_brain: least brain area of a healthy slice, as a fraction of the slice.
        split: `hash`, `dataset`, a shipped list (`list splits`), or the path of a list.
        subset: accept that some patients of the list are absent.
        exclude: ids of patients, or of single scans of theirs, that are left out of everything.
        train_patients: train on so many of the split's training patients, chosen by a hash; None means all. With
            `run --from`, 0 applies the weights unchanged.
        perturb: change every scan, such as `noise:severe`; see `uad_bench.data.perturbation`.
        whole_head: run although most scans are not skull-stripped, so that the skull counts as brain.
        protocol: evaluation protocol (`list protocols`), or the path of its TOML file.
        budget: optimiser steps, and slices per step.
    """

    __pydantic_config__ = STRICT

    name: str = ""
    summary: str = ""
    dataset: str
    options: dict[str, Any] = field(default_factory=dict)
    pair: Annotated[tuple[Modality, Modality], AfterValidator(_distinct)] = ("flair", "t2")
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1)]
    slices: Annotated[tuple[int, int], AfterValidator(_ascending)] | None = None
    size: Annotated[int, Field(ge=8, le=1024)] = 64
    field_of_view: Annotated[float, Field(gt=0)] = 192.0
    centre: Centre = "brain"
    resample: Resample = "area"
    scaling: str = "p90"
    margin: Annotated[int, Field(ge=0)] = 2
    min_brain: Annotated[float, Field(ge=0, le=1)] = 0.05
    split: str = "hash"
    subset: bool = False
    exclude: tuple[str, ...] = ()
    train_patients: Annotated[int, Field(ge=0)] | None = None
    perturb: str | None = None
    whole_head: bool = False
    protocol: str = "volume"
    budget: Annotated[Budget, AfterValidator(_trained)]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Named configuration of a method: its hyperparameters, its changes to the task, and its precision."""

    __pydantic_config__ = STRICT

    params: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    precision: Precision = "auto"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Complete configuration of a run, known before any data is read.

    Attributes:
        method: registered name.
        profile: name of the profile that `params` came from.
        params: arguments of the method's constructor.
        task: task with the changes of the profile and the command line applied.
        seed: seed of weight initialisation, data order and noise.
        precision: number format of networks; "auto" is bfloat16 where the hardware has instructions for it.
        plugins: files that were added to the registry.
        select: training steps between two measurements by which weights are selected; None keeps the last weights.
    """

    method: str
    profile: str
    params: Mapping[str, Any]
    task: Task
    seed: int = 0
    precision: Precision = "auto"
    plugins: tuple[Path, ...] = ()
    select: int | None = None


def load_task(name: str) -> Task:
    """Load a shipped task by name, or a task from the path of a TOML file."""
    path = Path(name) if name.endswith(".toml") else resource_path(f"configs/tasks/{name}.toml")
    require_file(path, "task", name, resource_names("configs/tasks", ".toml"))
    return validate(Task, {"name": path.stem, **read_toml(path)}, str(path.name))


def load_profile(method: str, name: str | None) -> tuple[str, Profile]:
    """Return the name and content of a profile; a method without a configuration file has an empty default profile."""
    path = resource_path(f"configs/methods/{method}.toml")
    tables = {k: v for k, v in read_toml(path).items() if isinstance(v, dict)} if path.is_file() else {}
    name = name or "default"
    if name not in {"default", *tables}:
        raise unknown(f"profile of {method}", name, {"default", *tables})
    return name, validate(Profile, tables.get(name, {}), f"{method}.toml, profile {name}")


def compose(
    method: str,
    task: Task,
    settings: Iterable[str] = (),
    *,
    profile: str | None = None,
    seed: int = 0,
    plugins: Iterable[Path] = (),
) -> Experiment:
    """Apply the profile and then each `KEY=VALUE` setting to the task, the precision and the method's parameters."""
    profile_name, chosen = load_profile(method, profile)
    params, budget, changes = dict(chosen.params), dict(chosen.budget), dict(chosen.task)
    precision: dict[str, Any] = {"precision": chosen.precision}
    for key, value in map(parse_setting, settings):
        where, _, rest = key.rpartition(".")
        target = precision if key in precision else {"": params, "budget": budget, "task": changes}.get(where)
        if target is None:
            raise ConfigError(
                f"--set {key}: only 'task' or 'budget' may precede the dot; set a hyperparameter of the method with "
                f"--set {rest}=..., or a table of them with --set '{where}={{\"{rest}\": ...}}'"
            )
        target[rest] = value
    return Experiment(
        method=method,
        profile=profile_name,
        params=params,
        seed=seed,
        precision=validate(Profile, precision, "--set").precision,
        plugins=tuple(plugins),
        task=change_task(task, changes, budget),
    )


def change_task(task: Task, changes: Mapping[str, Any], budget: Mapping[str, Any] | None = None) -> Task:
    """Return the task with some fields replaced and validated again."""
    current = {f.name: getattr(task, f.name) for f in fields(Task)}
    steps = {"steps": task.budget.steps, "batch_size": task.budget.batch_size, **(budget or {})}
    return validate(Task, {**current, **changes, "budget": steps}, f"task {task.name}")


def exclude_patients(task: Task, ids: Iterable[str]) -> Task:
    """The task with further patients left out."""
    return change_task(task, {"exclude": tuple(dict.fromkeys((*task.exclude, *ids)))})


def parse_setting(text: str) -> tuple[str, Any]:
    """Parse `KEY=VALUE`; the value is parsed as JSON if possible and is a string otherwise."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text!r} is not of the form KEY=VALUE")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; errors name the line of a duplicate key or syntax error."""
    log.debug("reading %s", path)
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: {error}") from error


def require_file(path: Path, kind: str, name: str, known: Iterable[str]) -> Path:
    """Return `path` if the file exists: a shipped file of this `kind`, or a path given by the user.

    Raises:
        ConfigError: the file does not exist; the message suggests similar names.
    """
    if path.is_file():
        return path
    if path == Path(name):
        raise ConfigError(f"{path}: no such {kind} file")
    raise unknown(kind, name, known)


def validate(schema: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build `schema` from plain values; the error names each invalid key and suggests similar ones."""
    try:
        built: T = _adapter(cast("Any", schema)).validate_python(dict(values))
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(problem, schema, where) for problem in error.errors())) from error
    return built


@cache
def _adapter(schema: Any) -> TypeAdapter[Any]:
    # Building one takes far longer than validating with it.
    return TypeAdapter(schema)


def _sentence(problem: Any, schema: Any, where: str) -> str:
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{where}: {unknown('key', key, _known_keys(schema, problem['loc'][:-1]))}"
    if problem["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return f"{where}: {key} is missing"
    shown = repr(problem["input"])
    got = f" (got {shown})" if len(shown) <= LONGEST_SHOWN else ""
    return f"{where}: {key}: {plain_message(problem['msg'])}{got}"


def _known_keys(schema: Any, place: Sequence[str | int]) -> list[str]:
    """Dotted names of the valid keys of a table of the schema."""
    prefix = "".join(f"{part}." for part in place)
    for part in place:
        schema = _types(schema).get(str(part))
    return [f"{prefix}{name}" for name in _types(schema)]


def _types(schema: Any) -> dict[str, Any]:
    """Field types of a dataclass or model, also when it is annotated or optional."""
    choices = [part for part in (schema, *get_args(schema)) if hasattr(part, "__annotations__")]
    return get_type_hints(choices[0]) if choices else {}


def plain_message(message: str) -> str:
    """Rephrase a pydantic message in plain words."""
    message = message.partition(", unable to parse")[0].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for theirs, ours in PLAIN.items():
        message = message.replace(theirs, ours)
    return message[0].lower() + message[1:]
