"""Build `atlas.npz` from the ICBM152 2009a symmetric maps of a nilearn installation.

    python -m tests.datasets.phantom.build_atlas [FOLDER_OF_NILEARN] [-o atlas.npz]

Nilearn is needed here only; the phantom reads the array that this script wrote. The symmetric template is a mirror
image of itself to the last bit, so one half is stored, at 1.5 mm and in 32 grey levels.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPACING = 1.5  # mm
LEVELS = 32
MIDLINE = 98  # voxel index along x of the template's plane of symmetry
MAP = "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


def build(nilearn: Path) -> dict[str, Any]:
    """Half-brain maps (X/2, Y, Z) uint8 of grey matter, white matter and brain support, with their geometry."""
    grey, white, t1 = (_read(nilearn / MAP.format(name)) for name in ("gm", "wm", "t1"))
    support = np.where(t1 > 0, 255.0, 0.0)
    maps = {name: _compact(_half(volume)) for name, volume in (("grey", grey), ("white", white), ("support", support))}
    origin = np.array([0.0, -134.0, -72.0])  # mm, the template's own corner, x counted from the midline
    return {**maps, "origin": origin, "spacing": np.array(SPACING), "levels": np.array(LEVELS)}


def _read(path: Path) -> NDArray[np.float64]:
    import nibabel

    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj, dtype=np.float64)


def _half(volume: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.array_equal(volume, volume[::-1]):
        sys.exit("this template is not symmetric; the phantom needs the ICBM152 2009a symmetric maps")
    return volume[MIDLINE:]


def _compact(half: NDArray[np.float64]) -> NDArray[np.uint8]:
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(half / 255, 0.4 * SPACING)  # against aliasing
    coarse = ndimage.affine_transform(
        smooth, np.full(3, SPACING), output_shape=tuple(int((n - 1) / SPACING) + 1 for n in half.shape), order=1
    )
    return np.asarray(np.rint(np.clip(coarse, 0, 1) * LEVELS), dtype=np.uint8)


def _installed() -> Path:
    found = importlib.util.find_spec("nilearn")
    if found is None or found.origin is None:
        sys.exit("nilearn is not installed here; name the folder of an unpacked nilearn wheel")
    return Path(found.origin).parent


def main() -> None:
    """Write the atlas named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("nilearn", nargs="?", type=Path, help="folder of the nilearn package")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("atlas.npz"))
    args = parser.parse_args()
    np.savez_compressed(args.output, **build(args.nilearn or _installed()))


if __name__ == "__main__":
    main()
