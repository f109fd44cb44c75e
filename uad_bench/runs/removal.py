"""Removal of runs: only folders of runs inside the runs folder, and none that a process is working on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from uad_bench.errors import ConfigError
from uad_bench.files import storage_error
from uad_bench.runs.folder import Run

PATTERN = "*/*/seed*"


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def write_size(size: int) -> str:
    """A size as `12.3 MB`; below 0.1 MB in kB."""
    if size < 1e5:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def unfinished_runs(root: Path) -> Iterator[Run]:
    """Failed runs, and interrupted ones that no process is working on."""
    for path in sorted(root.glob(PATTERN)):
        run = Run(path)
        if path.is_dir() and not run.finished and not run.held:
            yield run


def remove_run(run: Run, root: Path) -> int:
    """Remove a run and the folders that this empties; returns the freed bytes.

    The folder is renamed first, so that a removal that is interrupted leaves no damaged run.

    Raises:
        ConfigError: the run is not inside the runs folder, or a process is working on it.
    """
    size = size_of(_inside(run, root).path)
    with run.lock():
        gone = run.path.with_name(f".removed-{run.path.name}")
        try:
            run.path.rename(gone)
            shutil.rmtree(gone)
        except OSError as error:
            raise storage_error(run.path, error) from error
    for folder in (run.path.parent, run.path.parent.parent):
        if not any(folder.iterdir()):
            folder.rmdir()
    return size


def remove_maps(run: Run, root: Path) -> int:
    """Remove the score maps of a run and of its folds, and keep its results; returns the freed bytes."""
    _inside(run, root)
    with run.lock():
        maps = [part.maps for part in (run, *run.folds) if part.maps.is_dir()]
        freed = sum(map(size_of, maps))
        for folder in maps:
            shutil.rmtree(folder)
    return freed


def _inside(run: Run, root: Path) -> Run:
    """The run, if its folder, with links followed, lies where this runs folder has its runs."""
    path = run.path.resolve()
    if run.path.is_symlink() or path.parents[2:3] != (root.resolve(),) or not path.name.startswith("seed"):
        raise ConfigError(f"{run.path}: not a run of the folder {root}; name that folder with --runs")
    return run
