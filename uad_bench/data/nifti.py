"""Reads NIfTI files completely, to detect damaged files and to bound the memory that a header can request.

nibabel stops after the last voxel and does not verify the gzip checksum; here the whole stream is decompressed, up to
the size declared in the header.
"""

import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from uad_bench.errors import DataError

MAX_VOXELS = 2**28  # 512 x 512 x 1024: four times the largest supported scan known
SLACK_BYTES = 1 << 20  # header extensions before the voxels, and padding after them
PEEK_BYTES = 1 << 16
HEADER_BYTES = 540  # a NIfTI-2 header, the longer of the two
GZIP_MAGIC = b"\x1f\x8b"
NUMBERS = "biuf"
MOST_SHEARED = 1e6  # condition number of the axes; a voxel of 0.01 x 0.01 x 100 mm has 1e4


def read_nifti(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Read voxels as stored (float32 with scl_slope applied, if the file has one) and the 4x4 affine.

    Returns:
        array of 2 to 4 axes in the file's own axis order, and the affine voxel -> mm.

    Raises:
        DataError: the file is missing, truncated, damaged, not NIfTI, too large, or not numeric.
    """
    header, data = _load(path)
    array = _voxels(path, header, data)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        first = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise DataError(f"{path}: {count} voxels are NaN or infinite, the first at {first}; repair or exclude the file")
    return array, _affine(path, header)


def read_grid(path: Path) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """Shape and affine as stored, from the header alone."""
    header = _header(path)
    return _shape(path, header), _affine(path, header)


def read_space_codes(path: Path) -> tuple[int, int]:
    """The header's `sform_code` and `qform_code`, which say what space its affines lead to."""
    header = _header(path)
    return int(header["sform_code"]), int(header["qform_code"])


def _header(path: Path) -> Any:
    with _open(path) as file:
        return _parse(path, _inflated_head(path, file.read(PEEK_BYTES)))


def _load(path: Path) -> tuple[Any, bytes]:
    """The parsed header and the whole uncompressed file."""
    with _open(path) as file:
        peek = file.read(PEEK_BYTES)
        header = _parse(path, _inflated_head(path, peek))
        declared = _declared_bytes(path, header)
        compressed = peek[:2] == GZIP_MAGIC
        room = min(declared + 2 * SLACK_BYTES, path.stat().st_size)  # read() allocates the size requested
        data = peek + file.read(max(0, room - len(peek)))
        if compressed and file.read(1):
            raise DataError(f"{path}: the file is longer than its header declares; it is not a single image")
    data = _inflate(path, data, declared + SLACK_BYTES) if compressed else data
    if len(data) < declared:
        raise DataError(f"{path}: truncated, {len(data)} of {declared} bytes are present; copy the file again")
    return header, data


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _inflated_head(path: Path, peek: bytes) -> bytes:
    if peek[:2] != GZIP_MAGIC:
        return peek[:HEADER_BYTES]
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(peek, HEADER_BYTES)
    except zlib.error as error:
        raise DataError(f"{path}: damaged gzip stream ({error}); copy the file again") from error


def _parse(path: Path, head: bytes) -> Any:
    """Parse a NIfTI-1 or NIfTI-2 header of either byte order with nibabel."""
    import nibabel

    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    classes: dict[int, Any] = {348: nibabel.nifti1.Nifti1Header, 540: nibabel.nifti2.Nifti2Header}
    size = next((s for s in classes if s in sizes and len(head) >= s), None)
    if size is None:
        raise DataError(f"{path}: not a NIfTI file, or truncated inside its header")
    try:
        header = classes[size].from_fileobj(BytesIO(head[:size] + bytes(4)))
    except (nibabel.spatialimages.HeaderDataError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: broken NIfTI header ({error})") from error
    if bytes(header["magic"].item())[:3] not in {b"n+1", b"n+2"}:
        raise DataError(f"{path}: a header without image data (.hdr/.img pair); convert it to a single .nii file")
    return header


def _shape(path: Path, header: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in header.get_data_shape())
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise DataError(f"{path}: an image of shape {shape}; images must have two to four axes")
    if math.prod(shape) > MAX_VOXELS:
        raise DataError(f"{path}: the header declares {math.prod(shape):.3g} voxels, above the limit of {MAX_VOXELS}")
    return shape


def _declared_bytes(path: Path, header: Any) -> int:
    """Minimum size of the uncompressed file, in bytes."""
    dtype, offset = header.get_data_dtype(), _offset(path, header)
    if dtype.kind not in NUMBERS:
        raise DataError(f"{path}: voxels of type {dtype} are not supported; convert them to integers or floats")
    return offset + math.prod(_shape(path, header)) * int(dtype.itemsize)


def _offset(path: Path, header: Any) -> int:
    """Byte offset of the voxels; NIfTI-1 stores it as a float, which may be NaN."""
    offset = float(header["vox_offset"])
    if not 0 <= offset <= SLACK_BYTES:
        raise DataError(f"{path}: broken NIfTI header (voxel offset {offset:g})")
    return int(header.get_data_offset())


def _inflate(path: Path, data: bytes, limit: int) -> bytes:
    """Decompress all gzip members of the stream and verify their checksums, up to `limit` bytes."""
    parts: list[bytes] = []
    room = limit
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            parts.append(member.decompress(data, room + 1))
        except zlib.error as error:
            raise DataError(f"{path}: damaged gzip stream ({error}); copy the file again") from error
        room -= len(parts[-1])
        if room < 0:
            raise DataError(f"{path}: decompresses to more than its header declares; refused as a decompression bomb")
        if not member.eof:
            raise DataError(f"{path}: truncated gzip stream; copy the file again")
        data = member.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _voxels(path: Path, header: Any, data: bytes) -> npt.NDArray[Any]:
    from nibabel.spatialimages import HeaderDataError

    shape, dtype = _shape(path, header), header.get_data_dtype()
    array = np.frombuffer(data, dtype, math.prod(shape), _offset(path, header)).reshape(shape, order="F")
    array = array.astype(dtype.newbyteorder("="), copy=False)
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise DataError(f"{path}: broken NIfTI header ({error})") from error
    if slope is None or (slope, intercept) == (1, 0):
        return array
    with np.errstate(all="ignore"):  # values beyond float32 become infinite and are reported by the caller
        return array.astype(np.float32) * np.float32(slope) + np.float32(intercept or 0)


def _affine(path: Path, header: Any) -> npt.NDArray[np.float64]:
    affine = np.asarray(header.get_best_affine(), np.float64)
    axes = affine[:3, :3]
    if not np.isfinite(affine).all() or abs(np.linalg.det(axes)) < 1e-9 or np.linalg.cond(axes) > MOST_SHEARED:
        raise DataError(f"{path}: the affine cannot be inverted; the header's geometry is broken")
    return affine
