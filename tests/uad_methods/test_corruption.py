"""Synthetic anomalies: each shape, texture and blend against what it must give."""

import math

import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from uad_bench.method import SliceKey
from uad_methods import corruption

SIZE = 32


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def half_brain(n=8):
    brain = torch.zeros(n, 1, SIZE, SIZE, dtype=torch.bool)
    brain[..., : SIZE // 2] = True
    return brain


def test_brighter_and_darker_are_equally_frequent():
    signs = corruption.signs(10_000, draw())
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.03


def test_every_pixel_of_the_brain_is_drawn_alike_and_no_other():
    brain = half_brain(1).expand(20_000, -1, -1, -1)[..., :4, 14:18]
    y, x = corruption.brain_pixels(brain, draw()).T
    counts = torch.bincount(4 * y + x, minlength=16).view(4, 4) / len(brain)
    assert counts[:, 2:].sum() == 0
    assert counts[:, :2].sub(1 / 8).abs().max() < 0.01


def test_a_slice_without_brain_gets_no_anomaly():
    nothing = torch.zeros(2, 1, SIZE, SIZE, dtype=torch.bool)
    shape = corruption.rough_ellipses(nothing, draw(), radii=(0.1, 0.3), roughness=0.3)
    assert corruption.brain_pixels(nothing, draw()).shape == (2, 2)
    assert not shape.any()


def test_rough_ellipses_lie_in_the_brain_and_differ_from_slice_to_slice():
    brain = half_brain()
    shapes = corruption.rough_ellipses(brain, draw(), radii=(0.1, 0.3), roughness=0.3)
    assert shapes.flatten(1).any(dim=1).all()
    assert not shapes[~brain].any()
    assert len({tuple(shape.flatten().tolist()) for shape in shapes}) == len(brain)


def test_an_ellipse_has_its_area_and_turns_by_its_angle():
    centre, radii = torch.full((1, 2), 32.0), torch.tensor([[6.0, 15.0]])
    flat = corruption.ellipses((64, 64), centre, radii) <= 1
    turned = corruption.ellipses((64, 64), centre, radii, torch.tensor([math.pi / 2])) <= 1.0001
    assert int(flat.sum()) == pytest.approx(math.pi * 6 * 15, rel=0.03)
    assert torch.equal(turned, flat.mT)


def test_a_square_is_as_wide_as_said():
    square = corruption.squares((64, 64), torch.tensor([[20.0, 30.0]]), torch.tensor([[3.0, 5.0]]))[0, 0]
    assert square.sum() == 6 * 10
    assert square[17:23, 25:35].all()


def test_a_blurred_point_spreads_by_its_sigma_and_zero_leaves_it():
    point = torch.zeros(2, 1, 65, 65)
    point[..., 32, 32] = 1
    blurred = corruption.blur(point, torch.tensor([0.0, 3.0]))[:, 0]
    distance = (torch.arange(65) - 32.0).square()
    assert torch.equal(blurred[0], point[0, 0])
    assert (blurred[1].sum(1) * distance).sum() == pytest.approx(9, rel=1e-3)
    assert blurred[1].sum() == pytest.approx(1, rel=1e-5)


def test_mixed_precision_changes_nothing():
    image = torch.randn(2, 1, SIZE, SIZE, generator=draw())
    share, inside = torch.full((2, 1, 1, 1), 0.6), half_brain(2)

    def both():
        return (
            corruption.blur(image, torch.tensor([1.0, 2.0])),
            corruption.poisson_blend(image, image.flip(3), inside, share),
        )

    exact = both()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = both()
    assert all(torch.equal(a, b) for a, b in zip(exact, mixed, strict=True))


def test_a_partner_is_the_nearest_in_height_of_another_patient():
    keys = [SliceKey("a", 10), SliceKey("a", 11), SliceKey("b", 40), SliceKey("c", 12)]
    assert corruption.partners(keys).tolist() == [3, 3, 3, 1]


def test_a_batch_of_one_patient_takes_its_other_slices():
    assert corruption.partners([SliceKey("a", 1), SliceKey("a", 3), SliceKey("a", 4)]).tolist() == [1, 2, 1]


def test_a_matched_texture_has_the_range_of_what_it_hides():
    image, texture = torch.randn(2, 3, 1, SIZE, SIZE, generator=draw())
    shape = half_brain(3).float()
    matched = corruption.match_range(texture, image, shape)
    inside = shape[0, 0] > 0
    for found, hidden in zip(matched[:, 0], image[:, 0], strict=True):
        assert found[inside].min() == pytest.approx(float(hidden[inside].min()), abs=1e-2)
        assert found[inside].max() == pytest.approx(float(hidden[inside].max()), abs=1e-2)


def test_a_texture_without_a_region_to_match_stays_finite():
    assert (
        corruption.match_range(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).isfinite().all()
    )


def test_speckle_is_standard_noise_of_several_grains():
    noise = corruption.speckle(torch.zeros(16, 1, 64, 64), draw())
    assert noise.mean(dim=(1, 2, 3)).abs().max() < 1e-5
    assert torch.allclose(noise.std(dim=(1, 2, 3)), torch.ones(16), atol=1e-4)
    roughness = noise.diff(dim=3).std(dim=(1, 2, 3))
    assert roughness.max() > 4 * roughness.min()


def test_tissues_are_the_pixels_nearest_a_chosen_centroid():
    levels = torch.tensor([0.0, 1.0, 4.0])
    image = torch.tensor([0.1, 0.9, 1.2, 3.0]).view(1, 1, 2, 2).expand(400, -1, -1, -1)
    only_bright = torch.tensor([0.0, 0.0, 0.0, 1.0]).view(1, 1, 2, 2).expand(400, -1, -1, -1)
    chosen = corruption.tissues(image, only_bright, levels, draw())
    seen = {tuple(found) for found in chosen.flatten(1).int().tolist()}
    assert seen == {(0, 0, 0, 1), (1, 1, 1, 1)}  # the tissue in the shape, or else all


def test_a_large_shape_chooses_its_tissue_more_often_than_a_small_one():
    image, levels = torch.zeros(2000, 1, 8, 8), torch.tensor([0.0, 1.0])
    image[..., 4:] = 1
    large, small = (torch.zeros_like(image) for _ in range(2))
    large[..., 4:], small[..., 4, 4:6] = 1, 1
    often, seldom = (1 - corruption.tissues(image, shape, levels, draw())[..., 0].mean() for shape in (large, small))
    share = 1000 / 128**2
    assert often == pytest.approx(0.5 / (0.5 + share), abs=0.03)
    assert seldom == pytest.approx((2 / 64) / (2 / 64 + share), abs=0.03)


def test_a_flat_texture_leaves_a_slope_inside_as_its_rim_demands():
    slope = torch.arange(SIZE, dtype=torch.float32).expand(1, 1, SIZE, SIZE)
    inside = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    inside[..., 8:20, 10:25] = True
    blended = corruption.poisson_blend(slope, torch.zeros_like(slope), inside, torch.ones(1, 1, 1, 1))
    assert torch.allclose(blended, slope, atol=1e-3)


def test_a_texture_that_is_the_slice_shifted_leaves_no_trace():
    image = torch.randn(1, 1, SIZE, SIZE, generator=draw())
    inside = torch.zeros_like(image, dtype=torch.bool)
    inside[..., 4:17, 10:23] = True  # as large as the largest of FPI
    blended = corruption.poisson_blend(image, image + 7, inside, torch.ones(1, 1, 1, 1))
    assert torch.allclose(blended, image, atol=1e-3)


def test_poisson_blending_solves_the_equation_of_the_paper():
    image, texture = torch.randn(2, 1, 1, 16, 16, generator=draw(), dtype=torch.float64)
    inside = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    inside[..., 3:9, 4:13] = True
    share = torch.full((1, 1, 1, 1), 0.4, dtype=torch.float64)
    blended = corruption.poisson_blend(image, texture, inside, share, iterations=100)
    assert torch.allclose(blended[0, 0], solved(image[0, 0], texture[0, 0], inside[0, 0], 0.4), atol=1e-6)


def solved(image, texture, inside, share):
    """The same by a direct solver, equation by equation."""
    places = inside.nonzero().tolist()
    number = {tuple(place): i for i, place in enumerate(places)}
    matrix, right = lil_matrix((len(places), len(places))), torch.zeros(len(places), dtype=torch.float64)
    for (y, x), i in number.items():
        matrix[i, i] = 4
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            ours, theirs = (1 - share) * (image[y, x] - image[q]), share * (texture[y, x] - texture[q])
            right[i] += ours if abs(ours) > abs(theirs) else theirs
            if q in number:
                matrix[i, number[q]] = -1
            else:
                right[i] += image[q]
    result = image.clone()
    result[inside] = torch.from_numpy(spsolve(matrix.tocsr(), right.numpy()))
    return result


@pytest.mark.parametrize(
    "make",
    [
        lambda g: corruption.rough_ellipses(half_brain(), g, radii=(0.1, 0.3), roughness=0.3),
        lambda g: corruption.speckle(torch.zeros(4, 1, 16, 16), g),
    ],
)
def test_one_seed_makes_one_anomaly(make):
    assert torch.equal(make(draw(1)), make(draw(1)))
    assert not torch.equal(make(draw(1)), make(draw(2)))
