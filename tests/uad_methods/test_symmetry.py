"""A slice against its mirror image."""

import pytest
import torch

from uad_bench.method import SliceBatch, SliceKey
from uad_methods.symmetry import Symmetry, mirror


def batch(image, brain):
    return SliceBatch(image[None, None].float(), brain[None, None], (SliceKey("p", 0),))


def brain(first, last, size=12):
    """Rows from first to last, in all columns but the outer ones."""
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[first : last + 1, 1:-1] = True
    return mask


@pytest.mark.parametrize(("first", "last"), [(2, 9), (2, 8), (0, 5), (5, 11), (7, 7)])
def test_the_middle_of_the_brain_is_found_on_a_row_or_between_two(first, last):
    opposite = mirror(brain(first, last)[None, None])
    assert (opposite + torch.arange(12) == first + last).all()


def test_a_bite_out_of_the_brain_does_not_move_its_middle():
    mask = brain(2, 9)
    mask[8:, 2:5] = False
    assert mirror(mask[None, None])[0, 0] == 11


def test_a_symmetric_brain_scores_zero_and_a_blob_on_one_side_scores_itself():
    mask = brain(1, 8)
    image = torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
    image = torch.where(mask, image + image.flip(0).roll(-2, 0), -3.0)  # rows r and 9 - r alike
    assert Symmetry(residual="l1").score(batch(image, mask)).abs().max() == pytest.approx(0, abs=1e-6)
    image[2, 5] += 4
    scores = Symmetry(residual="l1").score(batch(image, mask))[0]
    assert (scores > 1e-6).nonzero().tolist() == [[2, 5], [7, 5]]
    assert (Symmetry().score(batch(image, mask))[0] > 1e-6).nonzero().tolist() == [[2, 5]]


def test_what_faces_no_brain_scores_zero():
    mask = brain(1, 8)
    mask[1, 3] = False
    image = torch.where(mask, 2.0, -3.0)
    assert Symmetry().score(batch(image, mask)).abs().max() == 0
    assert Symmetry().score(batch(image, mask & False)).abs().max() == 0
