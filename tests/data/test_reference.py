"""The truth on the scan's grid: brain or anomaly, nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from uad_bench.data.reference import build_references
from uad_bench.errors import DataError


@pytest.fixture
def build(patients, cache_root):
    def build(**options):
        return build_references(patients.subjects(), patients.census(cache_root), cache=cache_root, **options)

    return build


def canonical(array):
    return array[::-1, ::-1]  # the synthetic files are LPS


def test_the_domain_is_brain_or_anomaly(patients, build):
    label = patients.lesion()
    label[0, 0, 0] = 1  # outside the brain
    patients.add("P0", 0, label=label)
    reference = build()["P0"]
    assert (reference.brain | reference.anomaly).sum() == patients.brain().sum() + 1
    assert reference.anomaly.sum() == 33


def test_scores_meet_their_own_voxels(patients, build):
    patients.add("P0", 0)
    label = canonical(patients.lesion() > 0)
    reference = build()["P0"]
    assert (reference.crop(label.astype(np.float32)) == reference.anomaly).all()


def test_a_score_map_of_another_shape_is_refused_with_both(patients, build):
    patients.add("P0", 0)
    with pytest.raises(DataError, match=r"P0: score map has shape \(28, 24, 14\), the scan has \(24, 28, 14\)"):
        build()["P0"].crop(np.zeros((28, 24, 14), np.float32))


def test_a_patient_without_a_label_has_no_reference(patients, build):
    (patients.add("P0", 0) / "P0_seg.nii.gz").unlink()
    patients.add("P1", 1)
    assert list(build()) == ["P1"]


def test_a_healthy_person_has_an_empty_anomaly(patients, cache_root):
    (patients.add("P0", 0) / "P0_seg.nii.gz").unlink()
    from uad_bench.data.census import take_census

    person = replace(patients.subjects()[0], healthy=True)
    census = take_census([person], ("flair",), cache=cache_root)
    reference = build_references([person], census, cache=cache_root)["P0"]
    assert reference.brain.any()
    assert not reference.anomaly.any()


def test_a_label_value_that_is_no_anomaly_is_left_out(patients, cache_root):
    label = patients.lesion()
    label[10:12, 10:14, 6:8] = 4
    patients.add("P0", 0, label=label)
    from uad_bench.data.census import take_census

    subject = replace(patients.subjects()[0], anomaly_values=(1, 2, 3))
    census = take_census([subject], ("flair",), cache=cache_root)
    assert build_references([subject], census, cache=cache_root)["P0"].anomaly.sum() == 16
    assert sum(census["P0"].labelled_area) == 32


def test_other_anomaly_values_and_other_modalities_give_another_reference(patients, cache_root):
    from uad_bench.data.census import take_census

    label = patients.lesion()
    label[10:12, 10:14, 6:8] = 4
    folder = patients.add("P0", 0, label=label)
    wider = patients.texture(1)
    wider[0, 0, 0] = 500
    patients.save(folder / "P0_t1.nii.gz", wider)
    (subject,) = patients.subjects()
    census = take_census([subject], patients.modalities, cache=cache_root)

    def voxels(values=None, **options):
        asked = replace(subject, anomaly_values=values)
        reference = build_references([asked], census, cache=cache_root, **options)["P0"]
        return reference.anomaly.sum(), reference.brain.sum() - patients.brain().sum()

    assert voxels() == (32, 1)
    assert voxels((1, 2, 3)) == (16, 1)
    assert voxels(modalities=("flair",)) == (32, 0)


def test_a_changed_label_is_seen(patients, build):
    folder = patients.add("P0", 0)
    assert build()["P0"].anomaly.sum() == 32
    patients.save(folder / "P0_seg.nii.gz", patients.lesion(z=(6, 9)))
    assert build()["P0"].anomaly.sum() == 48


def test_geometry_is_that_of_the_scan(patients, build):
    patients.add("P0", 0)
    reference = build()["P0"]
    assert reference.shape == (24, 28, 14)
    assert reference.spacing == (1, 1, 1)
    assert np.allclose(reference.affine, [[1, 0, 0, -23], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_a_damaged_cache_entry_is_named_and_then_made_again(patients, build, cache_root):
    patients.add("P0", 0)
    references = build()
    next((cache_root / "references").glob("*.npy")).write_bytes(b"")
    with pytest.raises(DataError, match="P0: the cached reference is damaged"):
        references["P0"]
    assert build()["P0"].anomaly.sum() == 32
