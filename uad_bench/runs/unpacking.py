"""Unpack a validated bundle into a run folder, so that commands on runs work on it."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from zipfile import ZipFile, ZipInfo

import numpy as np

from uad_bench.digests import digest_file
from uad_bench.errors import VerificationError
from uad_bench.files import atomic, parse_json, safe_name, write_json, write_text
from uad_bench.runs.bundle import INDEX, README, Levels
from uad_bench.runs.bundle_check import check_archive, read_member, reading
from uad_bench.runs.folder import Run
from uad_bench.runs.manifest import Manifest

MAPS = "maps"


def unpack_bundle(file: Path, folder: Path, *, maps: bool = False) -> Run:
    """Unpack a bundle below `folder`, as `task/method/seed0-1a2b3c4d`.

    Args:
        file: the bundle.
        folder: an empty folder.
        maps: whether to unpack the score maps, which are rounded to 16 bits and thus differ from their digests.

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
            if maps or MAPS not in PurePosixPath(name).parts:
                _write(run.path / name, read_member(archive, members[name]))
        if maps:
            _decode(archive, members, run)
    for part in (run, *run.folds):
        write_text(part.done, f"{record.created}\n")
    return run


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as target:
        target.write(data)


def _decode(archive: ZipFile, members: Mapping[str, ZipInfo], run: Run) -> None:
    """Replace the 16-bit codes of the maps by scores, and their digests in the manifest by those of the scores."""
    levels = parse_json(read_member(archive, members[INDEX]).decode())["levels"]
    for part in (run, *run.folds):
        prefix = "" if part is run else f"{part.path.name}/"
        for path in part.maps.glob("*.npy"):
            scores = Levels(**levels[prefix]).decode(np.load(BytesIO(path.read_bytes()), allow_pickle=False))
            with atomic(path) as target:
                np.save(target, scores, allow_pickle=False)
        if part.manifest.exists():
            stored = Manifest.read(part.manifest)
            maps = {
                name: entry.model_copy(update={"sha256": digest_file(part.map(name))})
                for name, entry in stored.maps.items()
                if part.map(name).exists()
            }
            write_json(part.manifest, stored.model_copy(update={"maps": {**stored.maps, **maps}}).to_json())
