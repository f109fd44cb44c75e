"""A slice from the store against the same slice from the .nii.gz files: run with --benchmark-enable."""

import nibabel as nib
import numpy as np
import pytest

from uad_bench.data.census import take_census
from uad_bench.data.preparation import Preprocessing
from uad_bench.data.store import SliceStore
from uad_bench.datasets.brats import Brats
from uad_bench.method import SliceKey

SHAPE = (240, 240, 155)
MODALITIES = ("flair", "t1", "t1ce", "t2")


@pytest.fixture(scope="module")
def root(tmp_path_factory, request):
    """One patient of BraTS size, or with few voxels in a slice where no time is measured."""
    folder = tmp_path_factory.mktemp("brats") / "P0"
    folder.mkdir()
    rng = np.random.default_rng(0)
    step = 1 if request.config.getoption("benchmark_enable") else 8
    brain = np.zeros(SHAPE, bool)
    brain[50:190, 35:210, 5:145] = True
    brain = brain[::step, ::step]
    for name in MODALITIES:
        array = np.where(brain, rng.normal(800, 150, brain.shape), 0).astype(np.int16)
        nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"P0_{name}.nii.gz")
    nib.save(nib.Nifti1Image(brain.astype(np.uint8), np.eye(4)), folder / "P0_seg.nii.gz")
    return folder.parent


@pytest.fixture
def store(root, tmp_path, request):
    subjects = Brats(root).subjects()
    census = take_census(subjects, MODALITIES, cache=tmp_path)
    return SliceStore.prepare(subjects, census, Preprocessing(MODALITIES, "p90", request.param), cache=tmp_path)


@pytest.mark.slow
@pytest.mark.benchmark(group="one slice, four modalities")
@pytest.mark.parametrize("store", [64, 128, None], ids=["64", "128", "native"], indirect=True)
def test_slice_from_the_store(benchmark, store):
    zs = iter(np.random.default_rng(0).integers(5, 145, 10**6).tolist())
    batch = benchmark(lambda: store.batch([SliceKey("P0", next(zs))]))
    assert batch.image.shape[1] == 4


@pytest.mark.slow
@pytest.mark.benchmark(group="one slice, four modalities")
def test_slice_from_the_files(benchmark, root):
    files = [root / "P0" / f"P0_{name}.nii.gz" for name in MODALITIES]
    slices = benchmark(lambda: np.stack([np.asarray(nib.load(file).dataobj[:, :, 70]) for file in files]))
    assert len(slices) == 4
    assert slices.std(axis=(1, 2)).all()


@pytest.mark.slow
@pytest.mark.benchmark(group="a batch of 16 random slices")
@pytest.mark.parametrize("store", [64, 128], ids=["64", "128"], indirect=True)
def test_training_batch(benchmark, store):
    import torch

    train = store.training([SliceKey("P0", z) for z in range(5, 145)])
    batches = train.batches(16, torch.Generator().manual_seed(0))
    assert benchmark(lambda: next(batches)).image.shape[0] == 16
