"""Files are read to their end: every kind of damage is named, and a lying header allocates nothing."""

import gzip
import struct
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest

from uad_bench.data.nifti import read_grid, read_nifti
from uad_bench.errors import DataError

ARRAY = np.random.default_rng(0).integers(0, 3000, (20, 22, 18)).astype(np.int16)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "case_flair.nii.gz"
    nib.save(nib.Nifti1Image(ARRAY, np.eye(4)), path)
    return path


def raw(array=ARRAY):
    return nib.Nifti1Image(array, np.eye(4)).to_bytes()


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        read_nifti(path)
    assert path.name in str(caught.value)


def test_voxels_and_affine_are_those_that_were_written(scan):
    array, affine = read_nifti(scan)
    assert array.dtype == np.int16
    assert (array == ARRAY).all()
    assert (affine == np.eye(4)).all()


@pytest.mark.parametrize("share", [0.0005, 0.3, 0.9, 0.999])
def test_a_truncated_gzip_file_is_refused(scan, share):
    data = scan.read_bytes()
    scan.write_bytes(data[: int(len(data) * share)])
    refused(scan, "truncated|not a NIfTI|damaged")


def test_a_truncated_plain_file_is_refused(tmp_path):
    path = tmp_path / "case.nii"
    path.write_bytes(raw()[:-1])
    refused(path, "truncated")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_in_a_gzip_file_is_found(scan, place):
    data = bytearray(scan.read_bytes())
    data[int(len(data) * place)] ^= 8
    scan.write_bytes(data)
    refused(scan, "damaged|truncated|unpacks")


def test_a_wrong_checksum_is_found_although_all_voxels_are_there(scan):
    data = bytearray(scan.read_bytes())
    data[-6] ^= 1
    scan.write_bytes(data)
    refused(scan, "damaged gzip stream")


def test_a_header_that_claims_27e12_voxels_allocates_nothing(tmp_path):
    path = tmp_path / "bomb.nii"
    data = bytearray(raw())
    data[40:56] = struct.pack("<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)
    path.write_bytes(data)
    tracemalloc.start()
    refused(path, "declares 2.7e[+]13 voxels")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_gzip_bomb_is_refused_before_it_unfolds(tmp_path):
    path = tmp_path / "bomb.nii.gz"
    packer = zlib.compressobj(9, wbits=31)
    zeros = packer.compress(raw()) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    path.write_bytes(zeros)
    tracemalloc.start()
    refused(path, "decompression bomb|longer than its header")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_counted_and_placed(tmp_path, value):
    path = tmp_path / "case.nii.gz"
    array = ARRAY.astype(np.float32)
    array[1, 2, 3] = value
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    refused(path, r"1 voxels are NaN or infinite, the first at \(1, 2, 3\)")


def test_text_under_an_image_name_is_no_image(tmp_path):
    path = tmp_path / "case.nii"
    path.write_text("not found " * 100)
    refused(path, "not a NIfTI")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "absent.nii.gz", "No such file")


def test_colours_are_no_intensities(tmp_path):
    path = tmp_path / "case.nii"
    colours = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    path.write_bytes(nib.Nifti1Image(colours, np.eye(4)).to_bytes())
    refused(path, "are not supported")


def test_axes_that_all_but_coincide_are_refused(tmp_path):
    sheared = np.eye(4)
    sheared[0, 1] = 1e17
    (tmp_path / "case.nii").write_bytes(nib.Nifti1Image(ARRAY, sheared).to_bytes())
    refused(tmp_path / "case.nii", "cannot be inverted")


def test_a_flat_affine_is_refused(tmp_path):
    path = tmp_path / "case.nii"
    image = nib.Nifti1Image(ARRAY, np.eye(4))
    image.header["srow_x"] = 0
    path.write_bytes(image.to_bytes())
    data = bytearray(path.read_bytes())
    data[280:296] = bytes(16)
    path.write_bytes(data)
    refused(path, "cannot be inverted")


def test_scaled_integers_become_float32(tmp_path):
    path = tmp_path / "case.nii"
    image = nib.Nifti1Image(ARRAY, np.eye(4))
    image.header.set_slope_inter(0.5, -1)
    data = bytearray(image.to_bytes())
    data[112:120] = struct.pack("<2f", 0.5, -1)
    path.write_bytes(data)
    array, _ = read_nifti(path)
    assert array.dtype == np.float32
    assert np.allclose(array, ARRAY * 0.5 - 1)


def test_big_endian_and_nifti_2_read_alike(tmp_path):
    big = nib.Nifti1Image(ARRAY, np.eye(4), nib.Nifti1Header(endianness=">"))
    (tmp_path / "big.nii").write_bytes(big.to_bytes())
    (tmp_path / "two.nii").write_bytes(nib.Nifti2Image(ARRAY, np.eye(4)).to_bytes())
    for name in ("big.nii", "two.nii"):
        array, _ = read_nifti(tmp_path / name)
        assert array.dtype.isnative
        assert (array == ARRAY).all()


def test_a_gzip_file_is_known_by_its_content_not_its_name(tmp_path):
    path = tmp_path / "case.nii"
    path.write_bytes(gzip.compress(raw()))
    assert (read_nifti(path)[0] == ARRAY).all()


def test_gzip_members_may_follow_each_other(tmp_path):
    path = tmp_path / "case.nii.gz"
    data = raw()
    path.write_bytes(gzip.compress(data[:5000]) + gzip.compress(data[5000:]))
    assert (read_nifti(path)[0] == ARRAY).all()


def test_the_grid_is_known_from_the_header_alone(scan):
    scan.write_bytes(scan.read_bytes()[:2000])
    shape, affine = read_grid(scan)
    assert shape == ARRAY.shape
    assert (affine == np.eye(4)).all()
