"""Finds methods and datasets by name: entry points of installed distributions, and single plugin files.

Looking a name up imports nothing; only `load` does, so a broken plugin harms nobody but itself.
"""

import importlib
import importlib.util
import inspect
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from uad_bench.errors import ConfigError, MethodError, unknown

METHODS = "uad_bench.methods"
DATASETS = "uad_bench.datasets"


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name and where it comes from.

    Attributes:
        name: what people type.
        target: `module:attribute`, or `file.py:Class` for a plugin file.
        distribution: `name version` of the installed distribution; empty for a file.
        file: the plugin file, if it is one.
    """

    name: str
    target: str
    distribution: str = ""
    file: Path | None = None

    @property
    def origin(self) -> str:
        """The distribution with its version, or the plugin file."""
        return self.distribution or str(self.file)

    def load(self) -> Any:
        """Import and return the class.

        Raises:
            MethodError: the import fails; its reason says what is missing.
        """
        module, _, attribute = self.target.rpartition(":")
        try:
            loaded = _import_file(self.file) if self.file else importlib.import_module(module)
            return _plugin_methods(loaded)[self.name] if self.file else getattr(loaded, attribute)
        except ModuleNotFoundError as error:
            raise MethodError(
                f"{self.name}: {self.origin} needs {error.name!r}, which is not installed",
                reason=f"unavailable: {error.name}",
            ) from error
        except (ImportError, AttributeError, KeyError, SyntaxError) as error:
            raise MethodError(f"{self.name}: {self.origin} cannot be loaded: {error}", reason="unavailable") from error


def methods(plugins: Iterable[Path] = ()) -> dict[str, Entry]:
    """All method entries by name.

    Args:
        plugins: single files to add; they are imported to learn their names.

    Raises:
        ConfigError: two distributions or files claim one name.
    """
    found = [*_installed(METHODS), *(entry for path in plugins for entry in _in_file(path))]
    return _unique(found, "method")


def datasets() -> dict[str, Entry]:
    """All dataset entries by name."""
    return _unique(list(_installed(DATASETS)), "dataset")


def find(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    """The entry of this name, or an error that says the near ones."""
    if name not in entries:
        raise unknown(kind, name, entries)
    return entries[name]


def _installed(group: str) -> Iterator[Entry]:
    # A set, because a distribution that is importable from two places of the path is listed twice.
    for point in sorted(set(entry_points(group=group))):
        yield Entry(point.name, point.value, _distribution(point))


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else ""


def _unique(entries: list[Entry], kind: str) -> dict[str, Entry]:
    claims: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        claims[entry.name].append(entry)
    for name, claimants in claims.items():
        if len(claimants) > 1:
            who = " and ".join(f"{c.origin} ({c.target})" for c in claimants)
            raise ConfigError(f"two {kind}s claim the name {name!r}: {who}; uninstall or rename one")
    return {name: claimants[0] for name, claimants in claims.items()}


def _in_file(path: Path) -> list[Entry]:
    if not path.is_file():
        raise ConfigError(f"plugin file {path} does not exist")
    file = path.resolve()
    try:
        found = _plugin_methods(_import_file(file))
    except Exception as error:
        raise ConfigError(f"plugin file {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return [Entry(name, f"{file.name}:{method.__name__}", file=file) for name, method in found.items()]


def _import_file(path: Path) -> ModuleType:
    name = f"uad_bench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _plugin_methods(module: ModuleType) -> dict[str, Any]:
    """What a plugin file offers: its METHODS, or the one class in it that fits the contract."""
    declared = getattr(module, "METHODS", None)
    if declared is not None:
        return dict(declared)
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    fitting = [c for c in own if all(hasattr(c, name) for name in ("modalities", "fit", "score"))]
    if len(fitting) != 1:
        raise ImportError(
            f"it holds {len(fitting)} classes with modalities, fit and score; declare METHODS = {{'name': Class}}"
        )
    return {fitting[0].__name__.lower(): fitting[0]}
