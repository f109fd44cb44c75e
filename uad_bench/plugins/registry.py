"""Finds methods and datasets by name: entry points of installed distributions, and plugin files.

Only `load` imports code, so a broken plugin does not affect other methods.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points, requires
from pathlib import Path
from typing import Any

from uad_bench.config import read_toml
from uad_bench.errors import ConfigError, MethodError, unknown
from uad_bench.plugins.plugin_file import import_file, methods_of, names_in_file
from uad_bench.plugins.source import Source, find_source
from uad_bench.resources import resource_path

METHODS = "uad_bench.methods"
DATASETS = "uad_bench.datasets"
EXTRA = re.compile(r"""([\w.-]+).*extra == ['"]([\w-]+)['"]""")  # a requirement that an extra adds


@dataclass(frozen=True, slots=True)
class Entry:
    """A named method or dataset, and where it comes from.

    Attributes:
        target: `module:attribute`, `file.py:Class` for a plugin file, or the command as typed.
        distribution: `name version` of the installed distribution; empty if there is none.
        command: words of a command that scores whole patients; see `uad_bench.execution.external_command`.
        live: a class or an object passed from Python; see `uad_bench.execution.live`.
    """

    name: str
    target: str
    distribution: str = ""
    file: Path | None = None
    command: tuple[str, ...] = ()
    live: Any = field(default=None, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """The distribution with its version, the plugin file, `command` or `Python session`."""
        return self.distribution or (str(self.file) if self.file else "command" if self.command else "Python session")

    def load(self) -> Any:
        """Import and return the class.

        Raises:
            MethodError: the import fails; the reason names a missing module.
        """
        try:
            return self._find()
        except ModuleNotFoundError as error:
            raise MethodError(
                f"{self.name}: {self.origin} {lacks(str(error.name), self.distribution)}",
                reason=f"unavailable: {error.name}",
            ) from error
        except (ImportError, AttributeError, KeyError, SyntaxError) as error:
            raise MethodError(f"{self.name}: {self.origin} cannot be loaded: {error}", reason="unavailable") from error

    def _find(self) -> Any:
        if self.live is not None:
            return self.live if isinstance(self.live, type) else type(self.live)
        if self.file:
            return methods_of(import_file(self.file))[self.name]
        module, _, attribute = self.target.rpartition(":")
        return getattr(importlib.import_module(module), attribute)


def methods(plugins: Iterable[Path] = ()) -> dict[str, Entry]:
    """All method entries by name.

    Raises:
        ConfigError: two distributions or files register the same name.
    """
    found = [*_installed(METHODS), *(entry for path in plugins for entry in _in_file(path))]
    return _unique(found, "method")


def with_ad_hoc(entries: Mapping[str, Entry], ad_hoc: Entry) -> dict[str, Entry]:
    """The entries, and one for a method that is not registered.

    Raises:
        ConfigError: its name is taken.
    """
    return _unique([*entries.values(), ad_hoc], "method")


def datasets() -> dict[str, Entry]:
    """All dataset entries by name."""
    return _unique(_installed(DATASETS), "dataset")


def find(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    """The entry with this name.

    Raises:
        ConfigError: there is none; suggests similar names.
    """
    if name not in entries:
        raise unknown(kind, name, entries)
    return entries[name]


def lacks(module: str, distribution: str = "") -> str:
    """A message that a module is missing, with the command that installs the smallest extra that requires it."""
    name = distribution.partition(" ")[0]
    found = [match.groups() for line in (requires(name) or () if name else ()) if (match := EXTRA.match(line))]
    size = Counter(extra for _, extra in found)
    extras = sorted((extra for package, extra in found if _normal(package) == _normal(module)), key=size.__getitem__)
    command = f"; pip install '{name}[{extras[0]}]'" if extras else ""
    return f"needs {module!r}, which is not installed{command}"


def _normal(name: str) -> str:
    """The normalised name of a distribution or module."""
    return re.sub("[-_.]+", "-", name).lower()


def _installed(group: str) -> tuple[Entry, ...]:
    places = [(place, Path(place).stat().st_mtime_ns) for place in sys.path if Path(place).exists()]
    return _installed_in(tuple(places), group)


@cache
def _installed_in(_places: tuple[tuple[str, int], ...], group: str) -> tuple[Entry, ...]:
    """The entries of a group; metadata are read again only when the module path or one of its folders has changed."""
    # A set, because a distribution that is on the path twice is listed twice.
    points = sorted(set(entry_points(group=group)))
    titles = {
        dist: f"{dist.name} {dist.version}" for dist in {point.dist for point in points} if dist
    }  # read once each
    return tuple(Entry(point.name, point.value, titles[point.dist] if point.dist else "") for point in points)


def _unique(entries: Sequence[Entry], kind: str) -> dict[str, Entry]:
    claims: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        claims[entry.name].append(entry)
    for name, claimants in claims.items():
        if len(claimants) > 1:
            origins = " and ".join(f"{c.origin} ({c.target})" for c in claimants)
            raise ConfigError(f"two {kind}s have the name {name!r}: {origins}; uninstall or rename one")
    return {name: claimants[0] for name, claimants in claims.items()}


def _in_file(path: Path) -> list[Entry]:
    file = path.resolve()
    return [Entry(name, f"{file.name}:{cls}", file=file) for name, cls in names_in_file(path).items()]


def baseline_methods() -> tuple[str, ...]:
    """Trivial baselines (`baseline = true`), which every leaderboard must contain."""
    return _declaring("baseline")


def bound_methods() -> tuple[str, ...]:
    """Supervised upper bounds (`bound = true`): trained with labels and not ranked."""
    return _declaring("bound")


def _declaring(key: str) -> tuple[str, ...]:
    files = sorted(resource_path("configs/methods").glob("*.toml"))
    return tuple(path.stem for path in files if read_toml(path).get(key) is True)


def method_facts(name: str) -> dict[str, Any]:
    """The content of a method's configuration file; empty without one."""
    path = resource_path(f"configs/methods/{name}.toml")
    return read_toml(path) if path.is_file() else {}


def problem_of(entry: Entry) -> str | None:
    """The reason why a method cannot be loaded (broken source or a missing import); None if it probably can."""
    try:
        source = Source.read(entry.file) if entry.file else find_source(entry.target.rpartition(":")[0])
        missing = _missing_import(source, set()) if source else None
        return lacks(missing, entry.distribution) if missing else None
    except SyntaxError as error:
        return f"{Path(error.filename or '?').name}, line {error.lineno}: {error.msg}"
    except (ModuleNotFoundError, ValueError, OSError) as error:
        return str(error)


def source_file(entry: Entry) -> Path | None:
    """The file that defines the method; None if it cannot be found without running code."""
    source = None if entry.file else _source(entry)
    return entry.file or (source.path if source else None)


def docstring_of(entry: Entry) -> str:
    """First line of the docstring of the class, or of its module; empty if it cannot be found without running code."""
    source, name = _source(entry), entry.target.rpartition(":")[2]
    nodes = [source.classes.get(name), source.tree] if source else []
    texts = (ast.get_docstring(node) for node in nodes if node)
    return next((text.partition("\n")[0] for text in texts if text), "")


def _source(entry: Entry) -> Source | None:
    try:
        return Source.read(entry.file) if entry.file else find_source(entry.target.rpartition(":")[0])
    except (ImportError, SyntaxError, ValueError, OSError):
        return None


def _missing_import(source: Source, seen: set[str]) -> str | None:
    """The first missing module that is imported at top level, here or in modules of the same package."""
    seen.add(source.module)
    package = source.module.partition(".")[0]
    for module in source.required_imports():
        top = module.partition(".")[0]
        if top != package and top and not _exists(top, source.path.parent):
            return top
        below = find_source(module) if top == package and module not in seen else None
        if below and (missing := _missing_import(below, seen)):
            return missing
    return None


def _exists(top: str, beside: Path) -> bool:
    local = (beside / f"{top}.py").is_file() or (beside / top).is_dir()
    return local or importlib.util.find_spec(top) is not None
