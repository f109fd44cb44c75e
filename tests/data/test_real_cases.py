"""Real cases, where they lie beside the checkout, from files to slices and truth."""

import numpy as np
import pytest

from uad_bench.data.census import take_census
from uad_bench.data.gate import check_splits
from uad_bench.data.preparation import Preprocessing
from uad_bench.data.reference import build_references
from uad_bench.data.slices import scored_slices
from uad_bench.data.splits import fold_splits
from uad_bench.data.store import SliceStore
from uad_bench.datasets.brats import Brats
from uad_bench.method import SliceKey

pytestmark = pytest.mark.real


def test_distinct_patients_pass_the_gate_and_lesions_are_found_where_the_label_says(real_cases, cache_root):
    subjects = Brats(real_cases / "lgg").subjects()[:9]
    census = take_census(subjects, ("flair", "t1"), cache=cache_root)
    for split in fold_splits(census, 3):
        assert check_splits([split], census) == ()
    assert all(facts.anomaly_voxels for facts in census.values())


def test_the_flair_of_a_lesion_is_brighter_than_healthy_brain_at_either_size(real_cases, cache_root):
    (subject,) = Brats(real_cases / "ms").subjects()[1:]
    census = take_census([subject], ("flair",), cache=cache_root)
    reference = build_references([subject], census, cache=cache_root)[subject.id]
    slices = scored_slices(census[subject.id])
    for size in (64, None):
        store = SliceStore.prepare([subject], census, Preprocessing(("flair",), "p90", size), cache=cache_root)
        flair = store.batch([SliceKey(subject.id, z) for z in slices]).image[:, 0].numpy()
        counted = reference.brain | reference.anomaly
        scores = reference.crop(store.to_native(subject.id, slices, flair))[counted]
        anomaly = reference.anomaly[counted]
        assert scores[anomaly].mean() > np.percentile(scores[~anomaly], 80)
        assert store.geometry(subject.id).seen == 1
