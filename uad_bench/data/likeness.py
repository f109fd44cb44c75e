"""Difference hashes and thumbnails of a brain, used to find near-duplicates without reading the volumes again.

Both are computed inside the brain's bounding box, so they do not depend on padding or cropping of the background.
"""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.resampling import area_weights

Array = npt.NDArray[Any]

THUMBNAIL = 12  # voxels along each side
AXIAL, CORONAL, SAGITTAL = (6, 4), (5, 4), (5, 4)  # differences in each of the three centre slices: 24 + 20 + 20 bits

FLIPPED = str.maketrans("01", "10")
ALONG_X = ~np.uint64((1 << SAGITTAL[0] * SAGITTAL[1]) - 1)  # mirroring may shift the centre slice by one


def difference_hash(box: Array) -> int:
    """64-bit hash of (X, Y, Z) inside the box: signs of differences between neighbouring patches of centre slices."""
    x, y, z = (n // 2 for n in box.shape)
    slices = ((box[:, :, z], AXIAL), (box[:, y, :], CORONAL), (box[x, :, :], SAGITTAL))
    bits = np.concatenate([_brightening(image, grid) for image, grid in slices])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def mirror_hash(bits: int) -> int:
    """Hash of the brain mirrored left to right: patches along x in reverse order, signs inverted."""
    text = f"{bits:064b}"
    mirrored, start = "", 0
    for wide, high in (AXIAL, CORONAL):
        rows = [text[start + x * high : start + (x + 1) * high] for x in range(wide)]
        mirrored += "".join(reversed(rows)).translate(FLIPPED)
        start += wide * high
    return int(mirrored + text[start:], 2)


def mirror_thumbnail(image: str) -> str:
    """Thumbnail of the brain mirrored left to right."""
    grey = np.frombuffer(base64.b64decode(image), np.uint8).reshape(THUMBNAIL, -1)
    return base64.b64encode(grey[::-1].tobytes()).decode()


def hamming(first: int, second: int) -> int:
    """Number of bits that differ."""
    return (first ^ second).bit_count()


def thumbnail(box: Array) -> str:
    """The volume inside the box averaged to 12 x 12 x 12, as base64-encoded 8-bit grey values."""
    small: Array = box.astype(np.float32)
    for _ in range(3):  # shrink the first axis, then bring the next one to the front
        small = np.tensordot(small, _shrink(small.shape[0], THUMBNAIL), axes=(0, 1))
    grey = np.round(255 * (small - small.min()) / max(float(np.ptp(small)), 1e-12)).astype(np.uint8)
    return base64.b64encode(grey.tobytes()).decode()


def correlation(thumbnails: list[str]) -> npt.NDArray[np.float32]:
    """Normalised cross-correlation of every pair: (N, N) from N thumbnails."""
    rows = np.stack([np.frombuffer(base64.b64decode(t), np.uint8).astype(np.float32) for t in thumbnails])
    rows -= rows.mean(1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows @ rows.T


def _brightening(image: Array, grid: tuple[int, int]) -> Array:
    wide, high = grid
    small = _shrink(image.shape[0], wide + 1) @ image.astype(np.float32) @ _shrink(image.shape[1], high).T
    return (np.diff(small, axis=0) > 0).ravel()


def _shrink(length: int, size: int) -> npt.NDArray[np.float32]:
    return area_weights(length, 0, length, size)
