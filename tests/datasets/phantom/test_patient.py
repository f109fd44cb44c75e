import numpy as np
import pytest
from scipy import ndimage

from uad_bench.datasets.phantom import VARIANTS
from uad_bench.datasets.phantom.anatomy import Brain, grow_brain
from uad_bench.datasets.phantom.deformation import draw_deformation
from uad_bench.datasets.phantom.grid import Grid
from uad_bench.datasets.phantom.lesions import KINDS, draw_plan, paint
from uad_bench.datasets.phantom.patient import lesion_kind, make_patient, segment

VOXEL = 16e-3  # mL, of the default variant


def test_the_same_arguments_give_the_same_voxels():
    first, second = make_patient("phantom-tiny", 5, 3), make_patient("phantom-tiny", 5, 3)
    for name, image in first.images.items():
        np.testing.assert_array_equal(image, second.images[name])
    np.testing.assert_array_equal(first.seg, second.seg)


@pytest.mark.parametrize("other", [("phantom-tiny", 5, 4), ("phantom-tiny", 6, 3)], ids=["index", "seed"])
def test_another_index_or_seed_is_another_patient(other):
    first, second = make_patient("phantom-tiny", 5, 3), make_patient(*other)
    assert not np.array_equal(first.images["t1"] > 0, second.images["t1"] > 0)


def test_all_modalities_share_one_brain_and_are_zero_outside(patients):
    for patient in patients.values():
        brain = patient.images["t1"] > 0
        assert 1.0e6 < brain.sum() * VOXEL * 1000 < 2.1e6  # mm^3
        for image in patient.images.values():
            assert image.dtype == np.int16
            np.testing.assert_array_equal(image > 0, brain)


def test_lesions_lie_inside_the_brain_and_carry_brats_labels(patients):
    assert set(patients) == {"glioblastoma", "lower-grade", "mismatch", "infiltrating", "plaques"}
    for patient in patients.values():
        assert set(np.unique(patient.seg)) <= {0, 1, 2, 4}
        assert (patient.seg > 0).any()
        assert (patient.images["flair"][patient.seg > 0] > 0).all()


def test_a_glioblastoma_enhances_around_its_necrosis(patients):
    patient = patients["glioblastoma"]
    t1ce = patient.images["t1ce"]
    assert {1, 2, 4} <= set(np.unique(patient.seg))
    assert np.median(t1ce[patient.seg == 4]) > np.median(t1ce[patient.seg == 2])


def test_lesion_sizes_span_two_decades(patients):
    sizes = np.concatenate([component_sizes(patient.seg > 0) for patient in patients.values()])
    assert sizes.max() / sizes.min() > 100


def test_a_lesion_ranks_differently_among_healthy_voxels_of_each_modality(patients):
    t1, t2, flair = (np.median([healthy_rank(p, name) for p in patients.values()]) for name in ("t1", "t2", "flair"))
    assert flair > 0.9
    assert 0.7 < t2 < flair
    assert t1 < 0.5


@pytest.mark.parametrize(("modality", "share"), [("t1ce", 1.0), ("t2", 1.0), ("flair", 0.4)])
def test_some_healthy_structures_are_brighter_than_the_lesion(patients, modality, share):
    assert np.mean([has_brighter_structure(patient, modality) for patient in patients.values()]) >= share


def test_most_patients_leave_healthy_slices_for_training(patients):
    left = [healthy_slices(patient, margin=2) for patient in patients.values()]
    assert np.median(left) >= 5


def test_the_healthy_cohort_has_no_lesion():
    assert not make_patient("phantom-healthy", 0, 0).seg.any()


def test_half_of_the_tested_patients_of_the_mixed_cohort_are_healthy():
    settings = VARIANTS["phantom-mixed"]
    kinds = [lesion_kind("phantom-mixed", 0, index) for index in range(settings.patients)]
    assert kinds[-settings.test :].count("none") == settings.test / 2
    assert kinds[settings.train : -settings.test].count("none") >= 9  # enough for conformal10


def test_every_role_meets_the_common_kinds():
    for variant in ("phantom", "phantom-full"):
        settings = VARIANTS[variant]
        kinds = [lesion_kind(variant, 0, index) for index in range(settings.patients)]
        assert set(kinds[: settings.train]) == set(settings.kinds)
        assert len(set(kinds[-settings.test :])) >= 3


@pytest.mark.parametrize("kind", list(KINDS))
def test_tissue_fractions_add_up_to_one_with_any_lesion(kind):
    rng = np.random.default_rng(11)
    plan = draw_plan(rng, kind)
    brain = grow_brain(rng, Grid((48, 48, 24), (4.0, 4.0, 5.0)), draw_deformation(rng, mass=plan.mass))
    paint(rng, brain, plan)
    np.testing.assert_allclose(sum(brain.share.values()), 1, atol=2e-3)
    assert min(share.min() for share in brain.share.values()) > -1e-5


def test_a_voxel_is_labelled_when_lesion_fills_half_of_it_and_named_after_the_larger_part():
    brain = white_block((4, 4, 2))
    filled = np.zeros((4, 4, 2), dtype=np.float32)
    filled[0:2, 0:2] = 1  # a whole voxel
    filled[2:4, 0:2, 0] = 1  # exactly half a voxel
    filled[0:2, 2:4] = 0.49
    brain.overlay("oedema", filled[brain.inside])
    enhancing = np.zeros((4, 4, 2), dtype=np.float32)
    enhancing[0:2, 0:2] = 0.6
    brain.overlay("rim", enhancing[brain.inside])
    np.testing.assert_array_equal(segment(brain, (2, 2, 2))[:, :, 0], [[4, 0], [2, 0]])


def white_block(shape):
    n = int(np.prod(shape))
    share = {"white": np.ones(n, dtype=np.float32)}
    zeros = np.zeros(n, dtype=np.float32)
    return Brain(Grid(shape, (1.0, 1.0, 1.0)), np.ones(shape, dtype=bool), np.zeros((3, n), np.float32), share, zeros)


def component_sizes(lesion):
    labels, count = ndimage.label(lesion)
    return ndimage.sum_labels(lesion, labels, range(1, count + 1))


def healthy_rank(patient, modality):
    """Share of healthy brain voxels darker than the lesion's median."""
    image, lesion = patient.images[modality], patient.seg > 0
    return np.mean(image[(image > 0) & ~lesion] < np.median(image[lesion]))


def has_brighter_structure(patient, modality):
    """Whether one healthy voxel in a thousand is brighter than the lesion's median."""
    image, lesion = patient.images[modality], patient.seg > 0
    return np.percentile(image[(image > 0) & ~lesion], 99.9) > np.median(image[lesion])


def healthy_slices(patient, *, margin):
    brain = (patient.images["t1"] > 0).mean((0, 1)) > 0.05
    ill = np.flatnonzero(patient.seg.any((0, 1)))
    return sum(brain[z] and np.abs(ill - z).min() > margin for z in range(len(brain)))
