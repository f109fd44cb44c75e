"""Fingerprints that a re-saved scan keeps and another patient does not have."""

import numpy as np
import pytest

from uad_bench.data.likeness import (
    ALONG_X,
    correlation,
    difference_hash,
    hamming,
    mirror_hash,
    mirror_thumbnail,
    thumbnail,
)


def scan(patients, seed):
    return patients.texture(seed, (40, 44, 36))


@pytest.mark.parametrize(
    "resave",
    [lambda v: v * 3 + 7, lambda v: v // 4, lambda v: v + np.random.default_rng(1).normal(0, 20, v.shape)],
    ids=["rescaled", "fewer greys", "noise"],
)
def test_a_resaved_scan_is_near(patients, resave):
    volume = scan(patients, 0).astype(float)
    again = resave(volume)
    assert hamming(difference_hash(volume), difference_hash(again)) <= 4
    assert correlation([thumbnail(volume), thumbnail(again)])[0, 1] > 0.995


def test_another_scan_is_far(patients):
    first, second = scan(patients, 0), scan(patients, 1)
    assert hamming(difference_hash(first), difference_hash(second)) > 4
    assert correlation([thumbnail(first), thumbnail(second)])[0, 1] < 0.98


def test_the_hash_has_64_bits_of_which_a_ramp_sets_those_that_grow():
    ramp = np.broadcast_to(np.arange(20)[:, None, None], (20, 20, 20))
    assert difference_hash(ramp).bit_count() == 6 * 4 + 5 * 4  # axial and coronal slices grow along x, sagittal not
    assert difference_hash(ramp) < 2**64


def test_a_thumbnail_is_the_average_over_blocks_of_the_box():
    import base64

    volume = np.kron(np.arange(12**3).reshape(12, 12, 12), np.ones((2, 2, 2)))
    grey = np.frombuffer(base64.b64decode(thumbnail(volume)), np.uint8).reshape(12, 12, 12)
    assert (grey == np.round(255 * np.arange(12**3) / (12**3 - 1)).reshape(12, 12, 12)).all()


def test_hash_and_thumbnail_of_a_mirrored_scan_follow_from_those_of_the_scan(patients):
    volume = scan(patients, 0)
    mirrored = volume[::-1]
    differing = (mirror_hash(difference_hash(volume)) ^ difference_hash(mirrored)) & int(ALONG_X)
    assert differing.bit_count() <= 1
    assert correlation([mirror_thumbnail(thumbnail(volume)), thumbnail(mirrored)])[0, 1] > 0.9999
