"""One slice from one file: a grey picture, or a NIfTI file without depth."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.nifti import read_nifti
from uad_bench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[Any]

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "TIFF")  # Pillow knows more, some of which start other programs
PICTURE_AXES = "LPS"
GREY = frozenset({"L", "I", "F"})  # and the 16-bit modes; the others are colours, indices, or have alpha
OPAQUE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A slice as stored.

    Attributes:
        pixels: (columns, rows), finite numbers.
        axes: where columns, rows and the next slices run to, `LPS` for pictures: columns to the patient's left, rows
            to the back, slices upwards.
    """

    pixels: Array
    axes: str


def read_slice(path: Path, *, channel: int | None = None) -> Slice:
    """Read a picture (PNG, JPEG, TIFF; 8 or 16 bits, equal channels are grey) or a NIfTI file of one slice.

    Args:
        path: of the file.
        channel: taken of a coloured picture, from 0.

    Raises:
        DataError: unreadable, huge, coloured, partly transparent, a line, or several slices in one file.
    """
    found = _picture(path, channel) if is_picture(path) else _flat(path, channel)
    if min(found.pixels.shape) < 2:
        raise DataError(f"{path}: a line of {found.pixels.size} pixels is no slice; leave it out")
    if not np.isfinite(found.pixels).all():
        raise DataError(f"{path}: some pixels are NaN or infinite; repair it or leave it out")
    return found


def is_picture(path: Path) -> bool:
    """Whether the name is one of a picture."""
    return path.name.lower().endswith(PICTURES)


def _picture(path: Path, channel: int | None) -> Slice:
    pixels = _decoded(path)
    grey = pixels if pixels.ndim == 2 and channel is None else _grey(path, np.atleast_3d(pixels), channel)
    return Slice(grey.T.astype(grey.dtype.newbyteorder("="), copy=False), PICTURE_AXES)


def _decoded(path: Path) -> Array:
    """(rows, columns) or (rows, columns, channels) as a viewer shows them."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata harms no pixel
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                return _pixels(path, picture)
        except DataError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise DataError(
                f"{path}: too many pixels for a slice, refused as a decompression bomb ({error})"
            ) from error
        except Exception as error:  # decoders raise whatever the damage leads them to
            raise DataError(f"{path}: no readable PNG, JPEG or TIFF picture ({error}); save it again") from error


def _pixels(path: Path, picture: "Image") -> Array:
    from PIL import ImageOps

    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise DataError(f"{path}: holds {frames} pictures; save each slice in a file of its own")
    if _loses_bits(picture):
        raise DataError(f"{path}: 16 bits a channel in colour would be cut to 8; save it as 16-bit grey")
    upright = ImageOps.exif_transpose(picture)
    if picture.format == "PNG" and upright.mode == "I":
        return np.asarray(upright).astype(np.uint16)  # what the first versions of Pillow 10 give for 16 bits
    if upright.mode in GREY or upright.mode.startswith("I;16"):
        return np.asarray(upright)
    return np.asarray(upright.convert(_plain_mode(upright)))


def _loses_bits(picture: "Image") -> bool:
    """Pillow reads 16-bit colour, and 16-bit grey with alpha, into 8 bits a channel."""
    deep = any(";16" in str(tile) for tile in getattr(picture, "tile", ()))
    return deep and not picture.mode.startswith(("I", "F"))


def _plain_mode(picture: "Image") -> str:
    if picture.mode == "1":
        return "L"
    return "RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB"


def _grey(path: Path, pixels: Array, channel: int | None) -> Array:
    """One channel of (rows, columns, channels): the one asked for, or any if they are equal."""
    colours = pixels[..., :3]
    if channel is not None:
        if channel >= colours.shape[2]:
            raise DataError(f"{path}: has {colours.shape[2]} channels, no channel {channel}; correct [channels]")
        return np.asarray(colours[..., channel])
    if (pixels[..., 3:] != OPAQUE).any():
        raise DataError(f"{path}: a picture that is partly transparent; save it without an alpha channel")
    if (colours != colours[..., :1]).any():
        raise DataError(
            f"{path}: a colour picture whose channels differ; save it as grey, or say which channel a modality is, "
            "from 0, under [channels]"
        )
    return np.asarray(colours[..., 0])


def _flat(path: Path, channel: int | None) -> Slice:
    import nibabel

    array, affine = read_nifti(path)
    if array.size != math.prod(array.shape[:2]):
        raise DataError(f"{path}: {array.shape} voxels are no slice; take {{slice}} out of the pattern of a volume")
    if channel is not None:
        raise DataError(f"{path}: a NIfTI slice has no colours to choose from; take it out of [channels]")
    codes = nibabel.orientations.aff2axcodes(affine)  # type: ignore[no-untyped-call]
    return Slice(array.reshape(array.shape[:2]), "".join(codes))
