"""The digest of a method's own source code, found without running it."""

from pathlib import Path

from uad_bench.digests import digest_file, digest_json
from uad_bench.plugins.live_source import live_source
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source import Source, find_source


def digest_source(entry: Entry) -> str:
    """SHA-256 over the method's source file and whatever it imports from its own package, found without running it.

    The harness is not part of it: its version is recorded, but a harness release does not make old runs new. A plugin
    file stands for itself and what it imports from its folder, a command for its words and the files that they name.
    """
    if entry.file is not None:
        beside: dict[str, str] = {}
        _collect_beside(entry.file, entry.file.parent, beside)
        return digest_json(beside) if len(beside) > 1 else digest_file(entry.file)
    if entry.command:
        return digest_json([digest_file(Path(word)) if Path(word).is_file() else word for word in entry.command])
    if entry.live is not None:
        return digest_json(live_source(entry.live if isinstance(entry.live, type) else type(entry.live)))
    seen: dict[str, str] = {}
    _collect(entry.target.partition(":")[0], seen)
    return digest_json(seen)


def _collect_beside(file: Path, folder: Path, seen: dict[str, str]) -> None:
    """Add a file, and what it imports from this folder, to `seen` (path below the folder -> digest)."""
    seen[str(file.relative_to(folder))] = digest_file(file)
    try:
        imported = {name.partition(".")[0] for name in Source.read(file).imports()} - {""}
    except SyntaxError:
        return
    for name in sorted(imported):
        for path in (folder / f"{name}.py", *sorted((folder / name).rglob("*.py"))):
            if path.is_file() and str(path.relative_to(folder)) not in seen:
                _collect_beside(path, folder, seen)


def _collect(module: str, seen: dict[str, str]) -> None:
    """Add `module`, the packages around it, and what they import from the same top-level package (name -> digest)."""
    if module in seen or (source := _source(module)) is None:
        return
    seen[module] = digest_file(source.path)
    package, _, inner = module.partition(".")
    around = [module.rpartition(".")[0]] if inner else []
    for name in [*around, *sorted(source.imports())]:
        if name.partition(".")[0] == package:
            _collect(name, seen)


def _source(module: str) -> Source | None:
    """The module's source; None for names that are no module, such as a function in `from package import function`."""
    try:
        return find_source(module)
    except (ImportError, SyntaxError, OSError, ValueError):
        return None
