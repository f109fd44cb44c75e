"""Canonical RAS+ and back, without interpolation."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from uad_bench.data.subject import ImageFile
from uad_bench.data.volume import native_orientation, read_volume, to_native
from uad_bench.errors import DataError

ARRAY = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
CODES = ["".join(c) for axes in permutations(["LR", "PA", "IS"]) for c in product(*axes)]


def save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return ImageFile(path)


@pytest.mark.parametrize("codes", CODES)
def test_all_48_orientations_agree_with_nibabel_and_return_home(tmp_path, codes):
    order = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.diag([2.0, 3, 4, 1]) @ np.linalg.inv(nib.orientations.inv_ornt_aff(order, ARRAY.shape))
    affine[:3, 3] += (7, -5, 3)
    file = save(tmp_path / "a.nii.gz", ARRAY, affine)
    volume = read_volume(file)
    expected = nib.as_closest_canonical(nib.load(file.path))
    assert (volume.array == np.asarray(expected.dataobj)).all()
    assert np.allclose(volume.affine, expected.affine)
    assert volume.stored.codes == codes
    assert volume.spacing == pytest.approx((2, 3, 4))
    assert (to_native(volume.array, native_orientation(file)) == ARRAY).all()


def test_a_flat_image_is_one_slice(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", ARRAY[:, :, 0]))
    assert volume.array.shape == (4, 5, 1)


def test_a_channel_of_a_4d_file_is_one_volume(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.stack([ARRAY, ARRAY + 1000], -1)).path
    assert (read_volume(ImageFile(path, 1)).array == ARRAY + 1000).all()


def test_a_4d_file_without_a_channel_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.nii: contains 2 images"):
        read_volume(save(tmp_path / "a.nii", np.stack([ARRAY, ARRAY], -1)))


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    path = save(tmp_path / "a.nii", np.stack([ARRAY, ARRAY], -1)).path
    with pytest.raises(DataError, match="channel 4 was requested, the file has 2"):
        read_volume(ImageFile(path, 4))


def test_a_single_channel_needs_no_name(tmp_path):
    assert read_volume(save(tmp_path / "a.nii", ARRAY[..., None])).array.shape == ARRAY.shape


def test_an_array_of_another_grid_does_not_turn_back(tmp_path):
    file = save(tmp_path / "a.nii", ARRAY)
    with pytest.raises(DataError, match="does not fit"):
        to_native(ARRAY[:2], native_orientation(file))
