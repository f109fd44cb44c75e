"""Score maps and pseudo-healthy images on disk: the values that differ from the background, and where they lie.

Most of a scan is background with one score, so a map of a whole brain takes about a sixth of its volume. Nothing is
rounded and nothing is compressed: reading costs little more than reading the volume, and the array is at most 32 times
as large as its file. A file is a safetensors file of four tensors:

    shape       (3,) int64
    background  (1,) float32, the value of the first voxel
    inside      (V / 8,) uint8, a bit per voxel that has another value, as `numpy.packbits` orders them
    values      (n,) float32, the values of these voxels in C order
"""

import hashlib
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.errors import VerificationError
from uad_bench.files import atomic
from uad_bench.runs.checkpoints import StoredMap
from uad_bench.runs.folder import MAP, PLAIN_MAP

ScoreMap = NDArray[np.float32]


def save_map(path: Path, score_map: ScoreMap) -> StoredMap:
    """Write a map (X, Y, Z) atomically; equal maps give equal bytes."""
    from safetensors.numpy import save  # imported late, as it is slower than most commands

    flat = np.ascontiguousarray(score_map, np.float32).reshape(-1)
    inside = flat.view(np.uint32) != flat[:1].view(np.uint32)  # compared as bits, because -0.0 equals 0.0
    data = save(
        {
            "shape": np.array(score_map.shape, np.int64),
            "background": flat[:1],
            "inside": np.packbits(inside),
            "values": flat[inside],
        }
    )
    path = path.with_suffix(MAP)
    with atomic(path) as file:
        file.write(data)
    return StoredMap(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), shape=score_map.shape)


def read_map(path: Path) -> ScoreMap:
    """A stored map (X, Y, Z); the plain arrays that runs stored earlier are memory-mapped.

    Raises:
        VerificationError: the file is not a map.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if path.suffix == PLAIN_MAP:
        plain: ScoreMap = np.load(path, mmap_mode="r", allow_pickle=False)
        return plain
    try:
        stored = load(path.read_bytes())
        shape, inside = tuple(map(int, stored["shape"])), np.unpackbits(stored["inside"]).view(bool)
        voxels = np.full(inside.size, stored["background"], np.float32)
        voxels[inside] = stored["values"]
        return voxels[: math.prod(shape)].reshape(shape)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"{path}: not a score map ({error}); remove the run and repeat it") from error
