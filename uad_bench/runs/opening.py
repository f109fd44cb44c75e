"""Find a run by name, or in a bundle that somebody sent."""

import atexit
import shutil
from pathlib import Path
from tempfile import mkdtemp

from uad_bench.errors import ConfigError
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.unpacking import unpack_bundle

BUNDLE = ".zip"


def open_run(root: Path, name: str, *, maps: bool = False) -> Run:
    """Find a run by the path of its folder, by `task/method/seed0-1a2b3c4d` or a unique part of that, or in a bundle.

    A bundle is checked, and unpacked to a temporary folder that exists until this process ends.

    Args:
        root: the runs folder.
        name: the run, or the file of a bundle.
        maps: also unpack the score maps of a bundle, which are rounded to 16 bits.

    Raises:
        ConfigError: no run or several runs match.
        VerificationError: the bundle is not valid.
    """
    if is_bundle(name):
        folder = Path(mkdtemp(prefix="uad-bench-bundle-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return unpack_bundle(Path(name), folder, maps=maps)
    for path in (Path(name), root / name):
        if (path / "record.json").is_file():
            return Run(path)
    found = [run for run in find_runs(root) if name in str(run.path.relative_to(root))]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(run.path.relative_to(root)) for run in found[:5])
    raise ConfigError(
        f"no single run {name!r} in {root}: {'candidates are ' + listed if found else 'none matches'}; "
        "see uad-bench list runs"
    )


def is_bundle(name: str) -> bool:
    """Whether a name is that of a bundle's file."""
    return name.endswith(BUNDLE) and Path(name).is_file()
