"""Find a run by name, or unpack it from a bundle."""

import atexit
import shutil
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import atomic, safe_name, write_json, write_text
from uad_bench.runs.bundle import INDEX, LEVELS, README
from uad_bench.runs.bundle_check import check_archive, read_member, reading
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.score_maps import save_map

BUNDLE = ".zip"


def open_run(root: Path, name: str, *, maps: bool = False) -> Run:
    """Find a run by the path of its folder, by `task/method/seed0-1a2b3c4d` or a unique part of that, or in a bundle.

    A bundle is checked, and unpacked to a temporary folder that exists until this process ends.

    Args:
        name: the run, or the file of a bundle.
        maps: also unpack the score maps of a bundle, which are rounded to 65,536 levels.

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


MAPS = "maps"


def unpack_bundle(file: Path, folder: Path, *, maps: bool = False) -> Run:
    """Unpack a bundle below `folder`, as `task/method/seed0-1a2b3c4d`.

    Args:
        folder: an empty folder.
        maps: whether to unpack the score maps, which are rounded to 65,536 levels and may differ from their digests.

    Raises:
        ConfigError: the file cannot be read.
        VerificationError: the bundle is not valid; nothing was unpacked.
    """
    with reading(file) as archive:
        record, members = check_archive(archive)
        run = Run(folder.joinpath(*(safe_name(part, "run") for part in record.run.split("/"))))
        if run.path.parents[2:3] != (folder,):
            raise VerificationError(f"{record.run!r} is not the name of a run")
        for name in sorted(set(members) - {INDEX, README}):
            if not {MAPS, LEVELS} & {*PurePosixPath(name).parts}:
                _write(run.path / name, read_member(archive, members[name]))
        for part in (run, *run.folds) if maps else ():
            _decode(archive, members, part, "" if part is run else f"{part.path.name}/")
    for part in (run, *run.folds):
        write_text(part.done, f"{record.created}\n")
    return run


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as target:
        target.write(data)


def _decode(archive: ZipFile, members: Mapping[str, ZipInfo], part: Run, prefix: str) -> None:
    """Write the scores that the codes stand for, with their digests in place of those in the manifest."""

    def read(name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(BytesIO(read_member(archive, members[name])), allow_pickle=False)
        return array

    if packed := [name for name in members if name.startswith(f"{prefix}{MAPS}/")]:
        stored, levels = Manifest.read(part.manifest), read(f"{prefix}{LEVELS}")
        maps = dict(stored.maps)
        part.create()
        for name in packed:
            subject = PurePosixPath(name).stem
            maps[subject] = save_map(part.map(subject), levels[read(name)])
        write_json(part.manifest, stored.model_copy(update={"maps": maps}).to_json())
