"""Finds methods and datasets by name: entry points of installed distributions, and single plugin files.

Looking a name up imports nothing; only `load` does, so a broken plugin harms nobody but itself.
"""

import importlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points, requires
from pathlib import Path
from typing import Any

from uad_bench.errors import ConfigError, MethodError, unknown
from uad_bench.plugins.plugin_file import import_file, methods_of, names_in_file

METHODS = "uad_bench.methods"
DATASETS = "uad_bench.datasets"
EXTRA = re.compile(r"""([\w.-]+).*extra == ['"]([\w-]+)['"]""")  # a requirement that an extra adds


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name and where it comes from.

    Attributes:
        name: what people type.
        target: `module:attribute`, `file.py:Class` for a plugin file, or the command as it was typed.
        distribution: `name version` of the installed distribution; empty for the others.
        file: the plugin file, if it is one.
        command: words of a program that scores whole patients; see `uad_bench.execution.external_command`.
        live: a class or an object that was passed from Python; see `uad_bench.execution.live`.
    """

    name: str
    target: str
    distribution: str = ""
    file: Path | None = None
    command: tuple[str, ...] = ()
    live: Any = field(default=None, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """The distribution with its version, the plugin file, or how else the method came."""
        return self.distribution or (str(self.file) if self.file else "command" if self.command else "Python session")

    def load(self) -> Any:
        """Import and return the class.

        Raises:
            MethodError: the import fails; its reason says what is missing.
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

    Args:
        plugins: single files to add; see `uad_bench.plugins.plugin_file`.

    Raises:
        ConfigError: two distributions or files claim one name.
    """
    found = [*_installed(METHODS), *(entry for path in plugins for entry in _in_file(path))]
    return _unique(found, "method")


def with_ad_hoc(entries: Mapping[str, Entry], ad_hoc: Entry) -> dict[str, Entry]:
    """The entries and one that is registered nowhere.

    Raises:
        ConfigError: its name is taken.
    """
    return _unique([*entries.values(), ad_hoc], "method")


def datasets() -> dict[str, Entry]:
    """All dataset entries by name."""
    return _unique(list(_installed(DATASETS)), "dataset")


def find(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    """The entry of this name, or an error that says the near ones."""
    if name not in entries:
        raise unknown(kind, name, entries)
    return entries[name]


def lacks(module: str, distribution: str = "") -> str:
    """That a module is missing, and the command that installs it: with the smallest of the distribution's extras."""
    name = distribution.partition(" ")[0]
    found = [match.groups() for line in (requires(name) or () if name else ()) if (match := EXTRA.match(line))]
    size = Counter(extra for _, extra in found)
    extras = sorted((extra for package, extra in found if _normal(package) == _normal(module)), key=size.__getitem__)
    command = f"; pip install '{name}[{extras[0]}]'" if extras else ""
    return f"needs {module!r}, which is not installed{command}"


def _normal(name: str) -> str:
    """A distribution's or module's name without its choice of dashes."""
    return re.sub("[-_.]+", "-", name).lower()


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
    file = path.resolve()
    return [Entry(name, f"{file.name}:{cls}", file=file) for name, cls in names_in_file(path).items()]
