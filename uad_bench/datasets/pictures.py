"""Reads single slices from image files (PNG, JPEG, TIFF) or NIfTI files."""

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
FORMATS = ("PNG", "JPEG", "TIFF")  # Pillow supports more formats, some of which start other programs
PICTURE_AXES = "LPS"
GREY = frozenset({"L", "I", "F"})  # and the 16-bit modes; the others have colours, a palette or an alpha channel
OPAQUE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """A slice as stored.

    Attributes:
        pixels: (columns, rows), finite values.
        axes: anatomical directions in which columns, rows and slices increase; `LPS` for image files: columns to the
            patient's left, rows to posterior, slices to superior.
    """

    pixels: Array
    axes: str


def read_slice(path: Path, *, channel: int | None = None) -> Slice:
    """Read an image file (PNG, JPEG, TIFF; 8 or 16 bits, equal channels are grey) or a NIfTI file of one slice.

    Args:
        channel: channel of a colour image, from 0.

    Raises:
        DataError: the file is unreadable, too large, in colour, partly transparent, has a single row or column, or
            contains several slices.
    """
    found = _picture(path, channel) if is_picture(path) else _flat(path, channel)
    if min(found.pixels.shape) < 2:
        raise DataError(f"{path}: a single line of {found.pixels.size} pixels is not a slice; exclude the file")
    if not np.isfinite(found.pixels).all():
        raise DataError(f"{path}: some pixels are NaN or infinite; repair or exclude the file")
    return found


def is_picture(path: Path) -> bool:
    """Whether the file has the suffix of an image file."""
    return path.name.lower().endswith(PICTURES)


def _picture(path: Path, channel: int | None) -> Slice:
    pixels = _decoded(path)
    grey = pixels if pixels.ndim == 2 and channel is None else _grey(path, np.atleast_3d(pixels), channel)
    return Slice(grey.T.astype(grey.dtype.newbyteorder("="), copy=False), PICTURE_AXES)


def _decoded(path: Path) -> Array:
    """Decode (rows, columns) or (rows, columns, channels), rotated as the file's metadata require."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unusual metadata does not affect pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                return _pixels(path, picture)
        except DataError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise DataError(
                f"{path}: too many pixels for a slice; refused as a decompression bomb ({error})"
            ) from error
        except Exception as error:  # decoders raise many kinds of errors for damaged files
            raise DataError(f"{path}: not a readable PNG, JPEG or TIFF image ({error}); save it again") from error


def _pixels(path: Path, picture: "Image") -> Array:
    from PIL import ImageOps

    if (frames := getattr(picture, "n_frames", 1)) > 1:
        raise DataError(f"{path}: contains {frames} images; save each slice in a separate file")
    deep = any(";16" in str(tile) for tile in getattr(picture, "tile", ()))
    if deep and not picture.mode.startswith(("I", "F")):  # 16-bit colour, and 16-bit grey with alpha
        raise DataError(f"{path}: colour with 16 bits per channel would be reduced to 8 bits; save it as 16-bit grey")
    upright = ImageOps.exif_transpose(picture)
    if picture.format == "PNG" and upright.mode == "I":
        return np.asarray(upright).astype(np.uint16)  # early versions of Pillow 10 use this mode for 16 bits
    if upright.mode in GREY or upright.mode.startswith("I;16"):
        return np.asarray(upright)
    return np.asarray(upright.convert(_plain_mode(upright)))


def _plain_mode(picture: "Image") -> str:
    if picture.mode == "1":
        return "L"
    return "RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB"


def _grey(path: Path, pixels: Array, channel: int | None) -> Array:
    """One channel of (rows, columns, channels): the requested channel, or any if all are equal."""
    colours = pixels[..., :3]
    if channel is not None:
        if channel >= (count := colours.shape[2]):
            raise DataError(
                f"{path}: channel {channel} does not exist (the image has {count}, counted from 0); correct [channels]"
            )
        return np.asarray(colours[..., channel])
    if (pixels[..., 3:] != OPAQUE).any():
        raise DataError(f"{path}: the image is partly transparent; save it without an alpha channel")
    if (colours != colours[..., :1]).any():
        raise DataError(
            f"{path}: a colour image whose channels differ; save it as grey, or give the channel of each modality "
            "(from 0) under [channels]"
        )
    return np.asarray(colours[..., 0])


def _flat(path: Path, channel: int | None) -> Slice:
    import nibabel

    array, affine = read_nifti(path)
    if array.size != math.prod(array.shape[:2]):
        raise DataError(
            f"{path}: shape {array.shape} is not a single slice; remove {{slice}} from the patterns of volumes"
        )
    if channel is not None:
        raise DataError(f"{path}: a NIfTI slice has no colour channels; remove its modality from [channels]")
    codes = nibabel.orientations.aff2axcodes(affine)  # type: ignore[no-untyped-call]
    return Slice(array.reshape(array.shape[:2]), "".join(codes))
