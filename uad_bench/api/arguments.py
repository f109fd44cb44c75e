"""Arguments of the Python interface: methods, runs and paths in the forms that users have them."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from uad_bench.api.results import Result
from uad_bench.benchmark.request import AdHocMethod
from uad_bench.errors import ConfigError, unknown
from uad_bench.plugins import registry
from uad_bench.runs.folder import Run, runs_folder
from uad_bench.runs.opening import open_run

P = ParamSpec("P")
T = TypeVar("T")


def near_names(verb: Callable[P, T]) -> Callable[P, T]:
    """Refuse a misspelt keyword with the nearest one, as the command line does."""
    known = [p.name for p in inspect.signature(verb).parameters.values() if p.kind is not p.VAR_POSITIONAL]

    @wraps(verb)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in known:
                raise unknown(f"parameter of {verb.__name__}", name, known)
        return verb(*args, **kwargs)

    return checked


def named_method(method: str, plugins: list[Path]) -> str:
    """The name of a registered method, or of the only method in a file, which is added to `plugins`.

    Raises:
        ConfigError: the file contains several methods.
    """
    if not method.endswith(".py"):
        return method
    plugins.append(Path(method))
    names = [entry.name for entry in registry.methods([Path(method)]).values() if entry.file]
    if len(names) > 1:
        raise ConfigError(f"{method} contains {', '.join(names)}; add it as a plugin and choose one of these methods")
    return names[0]


def as_path(given: str | Path | None) -> Path | None:
    """A path, if one is given."""
    return None if given is None else Path(given)


def as_text(given: str | Path | None) -> str | None:
    """A name or path as text, if one is given."""
    return None if given is None else str(given)


def name_of(result: Result | str | Path) -> str:
    """The folder of a result, or the name of a run."""
    return str(result.path if isinstance(result, Result) else result)


def opened(result: Result | str | Path, runs: str | Path | None) -> Run:
    """The run of a result, of a name, or in a bundle."""
    return Run(result.path) if isinstance(result, Result) else open_run(runs_folder(runs), str(result), maps=True)


def ad_hoc_method(
    method: Any, name: str | None, command: str | None, settings: Mapping[str, Any]
) -> AdHocMethod | None:
    """A method that is not registered: a command, a class or an object; None for a name or the path of a file."""
    if command is not None:
        from uad_bench.execution.external_command import command_entry

        return AdHocMethod(command_entry(command, str(method)))
    if isinstance(method, str | Path):
        return None
    from uad_bench.execution.live import live_entry, live_params

    own = [key for key in settings if "." not in key]
    if own and not isinstance(method, type):
        raise ConfigError(f"settings {', '.join(own)}: set the hyperparameters of an object when creating it")
    return AdHocMethod(live_entry(method, name), live_params(method))
