"""Thumbnails that a changed copy of a scan keeps and another patient does not have."""

import base64
import zlib

import numpy as np
import pytest
from scipy import ndimage

from uad_bench.data.likeness import (
    SHAPE,
    _local_contrast,
    decode,
    registered_correlation,
    resemblance,
    smoothness,
    thumbnail,
)

MM = (1.0, 1.0, 1.0)


def scan(patients, seed, shape=(60, 72, 60)):
    """Smooth blobs, shaped like a brain, above zero inside it."""
    volume = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return np.where(patients.brain(shape), volume - volume.min() + 0.05, 0)


def cells(volume, spacing=MM):
    return decode([thumbnail(volume, volume != 0, spacing)])[0]


def noisy(volume):
    noise = np.random.default_rng(9).normal(0, 0.1 * volume.max(), volume.shape)
    return np.where(volume != 0, np.abs(volume + noise) + 1e-6, 0)


def biased(volume):
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in volume.shape), indexing="ij")
    return volume * np.exp(0.3 * (x + y - z))


def rotated(volume, axes=(0, 1)):
    turned = ndimage.rotate(volume, 5, axes=axes, order=1)
    return np.where(turned > 0.04, turned, 0)


CHANGES = {
    "rescaled": lambda v: 3 * v + 7 * (v != 0),
    "inverted": lambda v: np.where(v != 0, v.max() + 0.1 - v, 0),
    "gamma": np.square,
    "noise": noisy,
    "bias field": biased,
    "cut below": lambda v: v[:, :, 9:],
    "cut above": lambda v: v[:, :, :-9],
    "padded": lambda v: np.pad(v, ((3, 0), (0, 5), (7, 1))),
    "mirrored": lambda v: v[::-1],
    "turned in plane": rotated,
    "turned forwards": lambda v: rotated(v, (1, 2)),
    "resampled without a header": lambda v: np.where((w := ndimage.zoom(v, 0.7, order=1)) > 0.04, w, 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_correlates_highly_after_registration(patients, change):
    volume = scan(patients, 0)
    correlation, mirrored = registered_correlation(cells(volume), cells(CHANGES[change](volume)))
    assert correlation > 0.9
    assert mirrored == (change == "mirrored")


def test_another_scan_does_not_correlate_even_after_registration(patients):
    brains = np.stack([cells(scan(patients, seed)) for seed in range(6)])
    assert np.triu(resemblance(brains, brains), 1).max() < 0.45
    assert max(registered_correlation(brains[0], other)[0] for other in brains[1:]) < 0.6


def test_the_resemblance_of_each_pair_is_the_largest_over_displacements_and_mirroring(patients):
    first = cells(scan(patients, 0))
    moved = np.zeros_like(first)
    moved[..., 2:] = -first[::-1, :, :-2]
    assert resemblance(first[None], np.stack([first, moved]))[0] == pytest.approx([1, 1], abs=0.02)


def test_voxel_size_counts_in_each_direction(patients):
    volume = scan(patients, 0)
    thick = volume[:, :, ::2] + volume[:, :, 1::2]
    assert registered_correlation(cells(volume), cells(thick, (1, 1, 2)))[0] > 0.9


def test_local_contrast_is_zero_outside_the_brain_and_in_an_even_brain(patients):
    volume = scan(patients, 0)
    assert (cells(volume)[0] == 0).all()
    assert np.abs(cells(np.where(volume > 0, 5.0, 0))).max() <= 1


def test_a_cell_of_which_less_than_half_is_brain_has_no_contrast():
    weight, grey = (np.random.default_rng(seed).random((6, 6, 6)).astype(np.float32) for seed in (0, 1))
    assert ((_local_contrast(grey, weight) != 0) == (weight > 0.5)).all()


def test_a_scan_of_few_slices_has_a_thumbnail(patients):
    volume = scan(patients, 0)[:, :, 27:33]
    assert (cells(volume) != 0).mean() > 0.1
    assert registered_correlation(cells(volume), cells(noisy(volume)))[0] > 0.85


@pytest.mark.parametrize("size", [0, int(np.prod(SHAPE)) - 1, 10**7], ids=["none", "short", "bomb"])
def test_a_thumbnail_of_another_size_is_refused(size):
    with pytest.raises(ValueError, match="thumbnail"):
        decode([base64.b64encode(zlib.compress(bytes(size))).decode()])


def test_damaged_text_is_refused():
    with pytest.raises(ValueError, match="incorrect header"):
        decode([base64.b64encode(b"no zlib at all").decode()])


def test_neighbouring_cells_of_noise_are_independent_and_those_of_a_wave_are_not():
    noise = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    wave = np.sin(np.indices(SHAPE).sum(axis=0) / 6).astype(np.float32)
    assert abs(smoothness(noise)) < 0.05
    assert smoothness(wave) > 0.95
    assert smoothness(np.ones(SHAPE, np.float32)) == 1
