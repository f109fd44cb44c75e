"""The scans that the phantom's patients would have without their lesions."""

import numpy as np
from scipy import ndimage

from uad_bench.data.volume import read_volume
from uad_bench.datasets.phantom import Phantom
from uad_bench.datasets.phantom.patient import make_patient
from uad_bench.execution.access import AccessPolicy


def test_it_equals_the_scan_away_from_the_lesion_and_differs_inside():
    ill, healthy = make_patient("phantom-tiny", 0, 1), make_patient("phantom-tiny", 0, 1, healthy=True)
    near = ndimage.binary_dilation(ill.seg > 0, iterations=2)
    for name, image in ill.images.items():
        changed = image != healthy.images[name]
        assert not (changed & ~near).sum() > 0.02 * changed.size
        assert np.abs(image.astype(int) - healthy.images[name])[~near].mean() < 2
    inside = ill.seg > 0
    assert ill.images["flair"][inside].mean() > 1.2 * healthy.images["flair"][inside].mean()


def test_it_is_stored_once_and_read_as_the_scan_is(tmp_path):
    dataset = Phantom(tmp_path, variant="phantom-tiny")
    path = dataset.counterfactual("phantom-tiny-001", "flair").path
    before = path.stat().st_mtime_ns
    assert dataset.counterfactual("phantom-tiny-001", "flair").path.stat().st_mtime_ns == before
    expected = make_patient("phantom-tiny", 0, 1, healthy=True).images["flair"]
    stored = read_volume(dataset.counterfactual("phantom-tiny-001", "flair")).array
    np.testing.assert_allclose(stored, expected, atol=1)  # made here with faster instructions than in the file


def test_no_method_can_read_it(tiny):
    path = tiny.folder / "phantom-tiny-001" / ".without-lesion" / "phantom-tiny-001_flair.nii.gz"
    assert AccessPolicy.around(tiny.subjects(), hidden=[]).hides(str(path))
