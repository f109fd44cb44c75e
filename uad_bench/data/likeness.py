"""Thumbnails of a brain, used to find the same brain in another scan without reading the volumes again.

A thumbnail holds local contrast: grey values in cells of about 8 mm, each less the mean of its surroundings and divided
by their standard deviation. Intensity scale, inversion and slow bias fields change it little. It is centred on the
brain and measured in units of the brain's width, so padding, cropping and resampling change it little either.
"""

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.resampling import area_weights, one_thread

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

SHAPE = (20, 24, 20)  # cells along X, Y, Z
ACROSS = 16  # cells along the side of a square with the area of the brain's largest axial section
THINNEST = 8  # fewest cells along Z, for scans of few slices
SURROUNDINGS = 1.5  # cells, standard deviation of the Gaussian window of the local mean
EVEN = 1e-4  # deviation, relative to the largest grey value, below which a region has no contrast
STEPS = 42  # grey levels per local standard deviation, clipped at three
SHIFTS = (0, 1, 2)  # cells along Z that one brain may be displaced against the other, in either direction

BLUR_TO_REGISTER, BLUR_TO_COMPARE = 1.0, 0.5  # cells
ITERATIONS = 5
FEWEST = 50  # cells that two brains must share to be registered
OVERLAP = 0.4  # of the smaller brain that must be shared for a correlation


def thumbnail(volume: Array, brain: Array, spacing: Sequence[float]) -> str:
    """Local contrast of a volume (X, Y, Z) inside its brain mask, (20, 24, 20) int8, compressed, base64.

    Args:
        spacing: size of a voxel in mm along X, Y, Z.
    """
    weight = brain.astype(np.float32)
    inside = volume[brain]
    largest = max(abs(float(inside.min())), abs(float(inside.max()))) or 1.0
    grey = (np.where(brain, volume, 0) / largest).astype(np.float32)  # squares of large values would overflow
    cell = float(np.sqrt(brain.sum((0, 1)).max() * spacing[0] * spacing[1])) / ACROSS
    sides = [cell / mm for mm in spacing]
    sides[2] = min(sides[2], int(brain.any((0, 1)).sum()) / THINNEST)
    windows = [_window(brain, axis, sides[axis]) for axis in range(3)]
    with one_thread():
        for weights in windows:  # shrink the first axis and move it to the end, three times
            grey, weight = (np.tensordot(part, weights, axes=(0, 1)) for part in (grey, weight))
    levels = np.round(np.clip(_local_contrast(grey, weight), -3, 3) * STEPS).astype(np.int8)
    return base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode()


def decode(thumbnails: Sequence[str]) -> Floats:
    """The cells of N thumbnails, (N, 20, 24, 20), zero outside the brain.

    Raises:
        ValueError: a thumbnail is damaged.
    """
    return np.stack([_cells(text) for text in thumbnails]).astype(np.float32)


def resemblance(first: Floats, second: Floats) -> Floats:
    """Largest absolute correlation (N, M) over mirroring and displacement along Z of thumbnails (N, ...) and (M, ...).

    It is fast and finds candidates; `registered_correlation` decides.
    """
    rows = _unit(first)
    best = np.zeros((len(first), len(second)), np.float32)
    for pose in _poses(second):
        np.maximum(best, np.abs(rows @ _unit(pose).T), out=best)
    return best


def registered_correlation(first: Floats, second: Floats) -> tuple[float, bool]:
    """Absolute correlation of two thumbnails, the second moved rigidly onto the first, and whether it was mirrored."""
    row = _unit(first[None])[0]
    poses = [pose[0] for pose in _poses(second[None])]
    values = [float(row @ _unit(pose[None])[0]) for pose in poses]
    place = int(np.argmax(np.abs(values)))
    moved = _rigid_correlation(first, np.sign(values[place]) * poses[place])
    return max(abs(values[place]), moved), place >= len(poses) // 2


def smoothness(cells: Floats) -> float:
    """Mean correlation of neighbouring cells of a thumbnail along X, Y, Z.

    The smoother two thumbnails are, the fewer independent details they have, and the more they correlate by chance.
    """
    found = []
    for axis in range(3):
        one, other = (np.take(cells, range(start, start + SHAPE[axis] - 1), axis) for start in (0, 1))
        both = (one != 0) & (other != 0)
        pair = one[both], other[both]
        found.append(np.corrcoef(*pair)[0, 1] if both.sum() > 1 and min(part.std() for part in pair) else 1.0)
    return float(np.mean(found))


def _window(brain: Array, axis: int, side: float) -> Floats:
    """Weights that sum the voxels in each cell; the cells are centred on the brain."""
    profile = brain.sum(tuple(other for other in range(3) if other != axis))
    centre = float((profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum())
    half = SHAPE[axis] / 2 * side
    return area_weights(len(profile), centre - half, centre + half, SHAPE[axis])


def _local_contrast(grey: Floats, weight: Floats) -> Floats:
    """Difference of each cell from its surroundings in standard deviations; zero where less than half is brain."""
    inside = weight > 0.5
    share = np.maximum(_blur(weight, SURROUNDINGS), 1e-6)
    difference = np.where(inside, grey / np.maximum(weight, 1e-6) - _blur(grey, SURROUNDINGS) / share, 0)
    deviation = np.sqrt(_blur(difference**2 * weight, SURROUNDINGS) / share)
    return np.asarray(difference / np.maximum(deviation, EVEN), np.float32)


def _cells(text: str) -> npt.NDArray[np.int8]:
    size = int(np.prod(SHAPE))
    try:
        levels = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(levels) != size:
        raise ValueError(f"a thumbnail has {size} cells, not {len(levels)}")
    return np.frombuffer(levels, np.int8).reshape(SHAPE)


def _poses(cells: Floats) -> Iterator[Floats]:
    """Thumbnails (N, ...) displaced along Z, as they are and then mirrored."""
    for flipped in (cells, cells[:, ::-1]):
        yield flipped
        for cut in SHIFTS[1:]:
            for up in (True, False):
                moved = np.zeros_like(flipped)
                target, source = (slice(cut, None), slice(None, -cut)) if up else (slice(None, -cut), slice(cut, None))
                moved[..., target] = flipped[..., source]
                yield moved


def _unit(cells: Floats) -> Floats:
    rows = cells.reshape(len(cells), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def _rigid_correlation(fixed: Floats, moving: Floats) -> float:
    """Correlation after a rigid registration by Gauss-Newton steps on the difference of the standardised maps."""
    from scipy.ndimage import map_coordinates
    from scipy.spatial.transform import Rotation

    centre = (np.array(SHAPE)[:, None] - 1) / 2
    points = np.indices(SHAPE).reshape(3, -1) - centre
    points = points[:, fixed.ravel() != 0]
    target, source = _blur(fixed, BLUR_TO_REGISTER), _blur(moving, BLUR_TO_REGISTER)
    slopes, present = list(np.gradient(source)), (moving != 0).astype(np.float32)
    turn, shift = np.eye(3), np.zeros((3, 1))

    def sample(volume: Floats) -> Floats:
        return np.asarray(map_coordinates(volume, turn @ points + shift + centre, order=1))

    def kept(volume: Floats) -> Floats:
        return np.asarray(volume[fixed != 0])

    for _ in range(ITERATIONS):
        shared = sample(present) > 0.5
        if shared.sum() < FEWEST:
            return 0.0
        seen, goal = sample(source)[shared], kept(target)[shared]
        spread = max(float(seen.std()), 1e-6)
        missing = (goal - goal.mean()) / max(float(goal.std()), 1e-6) - (seen - seen.mean()) / spread
        slope = turn.T @ np.stack([sample(part)[shared] for part in slopes]) / spread
        jacobian = np.concatenate([np.cross(points[:, shared], slope, axis=0), slope])
        normal = jacobian @ jacobian.T
        step = np.linalg.solve(normal + (1e-3 * np.trace(normal) / 6 + 1e-9) * np.eye(6), jacobian @ missing)
        shift = shift + turn @ step[3:, None]
        turn = turn @ Rotation.from_rotvec(step[:3]).as_matrix()
    shared = sample(present) > 0.5
    if shared.sum() < OVERLAP * min(len(points[0]), int(present.sum())):
        return 0.0
    pair = kept(_blur(fixed, BLUR_TO_COMPARE))[shared], sample(_blur(moving, BLUR_TO_COMPARE))[shared]
    return float(np.corrcoef(*pair)[0, 1]) if min(part.std() for part in pair) else 0.0


def _blur(volume: Floats, width: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(volume, width, mode="constant"))
