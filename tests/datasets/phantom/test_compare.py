import numpy as np
import pytest

from tests.datasets.phantom.compare_with_real import Scan, measure, read_scan


def test_a_lesion_that_is_brightest_has_auprc_one_and_no_healthy_voxel_above():
    rows = measure([scan_of(lesion_value=2.0)])
    assert rows["AUPRC of flair, pooled (each patient's median)"] == "1.000 (1.000)"
    assert rows["flair: healthy voxels above the lesion's median (quartiles)"] == "0.000 / 0.000 / 0.000"


def test_prevalence_and_volumes_are_counted_in_millilitres():
    rows = measure([scan_of(lesion_value=2.0)])
    assert rows["brain, mL (median)"] == "8"  # 10 x 10 x 10 voxels of 8 mm^3
    assert rows["prevalence, pooled"] == "0.100"


def test_two_modalities_that_rise_together_have_rank_correlation_one():
    assert measure([scan_of(lesion_value=2.0)])["rank correlation t1 ~ t2, healthy"] == "+1.00"


def test_fine_voxels_are_averaged_and_coarse_ones_left(tiny):
    case = tiny.folder / tiny.subjects()[0].id
    assert read_scan(case, blocks=(2, 2, 4)).brain.shape == (48, 48, 12)


def test_a_healthy_cohort_has_no_auprc():
    scan = scan_of(lesion_value=2.0)
    healthy = Scan(scan.images, scan.brain, np.zeros_like(scan.lesion), scan.voxel)
    assert measure([healthy])["AUPRC of flair, pooled (each patient's median)"] == "no lesion"


@pytest.mark.slow
@pytest.mark.real
def test_phantom_tissue_and_lesions_are_about_as_bright_as_real_ones(real_cases, patients):
    real = [read_scan(case, blocks=(2, 2, 4)) for case in sorted((real_cases / "brats").iterdir())[1:5]]
    toy = [scan_from(patient) for kind, patient in patients.items() if kind != "plaques"]
    for modality in ("t1", "t1ce", "t2", "flair"):
        assert median_of(toy, modality, "healthy") == pytest.approx(median_of(real, modality, "healthy"), abs=0.2)
        assert median_of(toy, modality, "lesion") == pytest.approx(median_of(real, modality, "lesion"), abs=0.25)


def scan_from(patient):
    brain = patient.images["t1"] > 0
    images = {name: image / np.percentile(image[brain], 90) for name, image in patient.images.items()}
    return Scan(images, brain, patient.seg > 0, voxel=16.0)


def median_of(scans, modality, region):
    return np.median([np.median(scan.images[modality][getattr(scan, region)]) for scan in scans])


def scan_of(*, lesion_value):
    """A cube of 10^3 voxels whose intensities count up, with one slab of lesion."""
    ramp = np.linspace(0.1, 1, 1000, dtype=np.float32).reshape(10, 10, 10)
    lesion = np.zeros((10, 10, 10), dtype=bool)
    lesion[4] = True
    images = dict.fromkeys(("t1", "t1ce", "t2", "flair"), np.where(lesion, np.float32(lesion_value), ramp))
    return Scan(images, np.ones_like(lesion), lesion, voxel=8.0)
