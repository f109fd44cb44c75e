"""Prepared slices on disk: whole or made again, the same for everybody, and blind to labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from uad_bench.data import store as store_module
from uad_bench.data.preparation import Preprocessing
from uad_bench.data.store import SliceStore, _key
from uad_bench.errors import ConfigError, DataError
from uad_bench.method import SliceKey

CHOICE = Preprocessing(("flair", "t1"), "p90", size=8, field_of_view=26.0)
NATIVE = replace(CHOICE, size=None)
KEYS = [SliceKey("P0", 5), SliceKey("P2", 7), SliceKey("P0", 6)]


@pytest.fixture
def prepare(cohort, cache_root):
    def prepare(choice=CHOICE):
        return SliceStore.prepare(cohort.subjects(), cohort.census(cache_root), choice, cache=cache_root)

    return prepare


def entries(cache_root):
    return {path.name: path.stat().st_ino for path in (cache_root / "slices").iterdir()}


def test_a_batch_holds_the_slices_asked_for_in_order(prepare):
    batch = prepare().batch(KEYS)
    assert batch.image.shape == (3, 2, 8, 8)
    assert batch.image.dtype == torch.float32
    assert batch.brain_mask.shape == (3, 1, 8, 8)
    assert batch.keys == tuple(KEYS)
    assert not torch.equal(batch.image[0], batch.image[2])


def test_a_slice_does_not_depend_on_its_batch(prepare):
    store = prepare()
    assert torch.equal(store.batch(KEYS).image[1], store.batch(KEYS[1:2]).image[0])


def test_channels_come_as_asked(prepare):
    store = prepare()
    both = store.batch(KEYS).image
    assert torch.equal(store.batch(KEYS, ("t1", "flair")).image, both.flip(1))
    assert torch.equal(store.batch(KEYS, ("t1",)).image, both[:, 1:])


def test_a_channel_that_was_not_prepared_is_named(prepare):
    with pytest.raises(ConfigError, match="modality 't2' was not prepared; prepared are flair, t1"):
        prepare().batch(KEYS, ("t2",))


def test_a_patient_that_was_not_prepared_is_named(prepare):
    with pytest.raises(DataError, match="P9: no slices were prepared"):
        prepare().batch([SliceKey("P9", 5)])


def test_a_patient_who_cannot_be_scaled_is_named_with_the_modality(cohort, prepare):
    hot = cohort.texture(30).astype(np.float32)
    hot[12, 14, 7] = 1e30
    cohort.save(cohort.root / "P3/P3_flair.nii.gz", hot)
    with pytest.raises(DataError, match=r"^P3, flair: scaling p90 leaves the range of float16.*with --exclude P3$"):
        prepare()


def test_native_slices_are_the_scan_itself(prepare, cohort):
    batch = prepare(NATIVE).batch([SliceKey("P1", 6)], ("flair",))
    scan = cohort.texture(10)[::-1, ::-1]  # stored as LPS
    scaled = 6 * scan / np.percentile(scan[scan > 0], 90) - 3
    assert batch.image[0, 0].numpy() == pytest.approx(scaled[:, :, 6], abs=1e-5)
    assert (batch.brain_mask[0, 0].numpy() == (scan[:, :, 6] > 0)).all()


@pytest.mark.parametrize("choice", [CHOICE, NATIVE], ids=["working", "native"])
def test_a_slice_without_brain_is_background(prepare, choice):
    batch = prepare(choice).batch([SliceKey("P0", 0)])
    assert (batch.image == -3).all()
    assert not batch.brain_mask.any()


def test_native_slices_of_different_grids_are_filled_up(cohort, prepare):
    cohort.add("P9", 9, shape=(20, 30, 14))
    batch = prepare(NATIVE).batch([SliceKey("P0", 7), SliceKey("P9", 7)])
    assert batch.image.shape == (2, 2, 24, 30)
    assert (batch.image[1, :, 20:] == -3).all()
    assert (batch.image[0, :, :, 28:] == -3).all()


def test_scores_return_to_the_scan(prepare):
    store = prepare(NATIVE)
    batch = store.batch([SliceKey("P0", z) for z in (5, 6)], ("flair",))
    back = store.to_native("P0", (5, 6), batch.image[:, 0].numpy())
    assert back.shape == (24, 28, 14)
    inside = batch.brain_mask[1, 0].numpy()
    assert (back[:, :, 6][inside] == batch.image[1, 0].numpy()[inside]).all()


def test_another_process_opens_it_from_plain_json_without_any_label(prepare):
    store = prepare()
    text = json.dumps(store.manifest())
    assert "seg" not in text
    assert "cohort" not in text
    assert torch.equal(SliceStore.open(json.loads(text)).batch(KEYS).image, store.batch(KEYS).image)


def test_a_second_preparation_writes_nothing(prepare, cache_root):
    prepare()
    before = entries(cache_root)
    prepare()
    assert entries(cache_root) == before


@pytest.mark.parametrize("suffix", [".npy", ".brain.npy", ".native.npy", ".json"])
def test_a_damaged_entry_is_made_again(prepare, cache_root, suffix):
    store = prepare()
    whole = store.batch(KEYS).image
    path = cache_root / "slices" / (store.entries["P0"] + suffix)
    path.write_bytes(path.read_bytes()[:-7])
    store_module._mapped.cache_clear()
    assert torch.equal(prepare().batch(KEYS).image, whole)


@pytest.mark.parametrize("suffix", [".npy", ".brain.npy", ".native.npy"])
def test_an_entry_with_one_changed_byte_is_made_again(prepare, cache_root, suffix):
    store = prepare()
    whole = store.batch(KEYS).image
    path = cache_root / "slices" / (store.entries["P0"] + suffix)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    store_module._mapped.cache_clear()
    assert torch.equal(prepare().batch(KEYS).image, whole)
    assert path.read_bytes() != bytes(data)


def test_changed_voxels_get_an_entry_of_their_own(prepare, cohort):
    before = prepare()
    cohort.save(cohort.root / "P0/P0_flair.nii.gz", cohort.texture(77))
    after = prepare()
    assert after.entries["P0"] != before.entries["P0"]
    assert after.entries["P1"] == before.entries["P1"]


def test_another_brain_mask_gets_an_entry_of_its_own(make_facts):
    facts = make_facts()
    fewer = (*facts.brain_area[:-1], facts.brain_area[-1] + 1)
    keys = {_key(f, CHOICE) for f in (facts, make_facts(brain_area=fewer), make_facts(box=((0, 0, 0), (9, 9, 9))))}
    assert len(keys) == 3


def test_a_changed_label_leaves_the_slices(prepare, cohort):
    before = prepare()
    cohort.save(cohort.root / "P0/P0_seg.nii.gz", cohort.lesion(z=(3, 9)))
    assert prepare().entries == before.entries


def test_progress_counts_every_patient(cohort, cache_root):
    seen = []
    census = cohort.census(cache_root)
    SliceStore.prepare(cohort.subjects(), census, CHOICE, cache=cache_root, report=seen.append)
    assert [(p.stage, p.step, p.total) for p in seen] == [("preparing slices", i, 6) for i in range(1, 7)]


def test_an_epoch_shows_every_slice_once(prepare):
    train = prepare().training([SliceKey(f"P{i}", z) for i in range(4) for z in range(4, 9)])
    batches = train.batches(5, torch.Generator().manual_seed(0))
    epochs = [[key for _ in range(4) for key in next(batches).keys] for _ in range(2)]
    assert len(train) == 20
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(train.keys)
    assert epochs[0] != epochs[1]


def test_batches_are_full_even_beyond_the_number_of_slices(prepare):
    train = prepare().training(KEYS)
    assert len(next(train.batches(7, torch.Generator().manual_seed(0)))) == 7


def test_a_training_set_is_a_sequence_of_one_slice_batches(prepare):
    train = prepare().training(KEYS, ("t1",))
    assert train.modalities == ("t1",)
    assert train[-1].keys == (KEYS[2],)
    assert train.take([2, 0]).keys == (KEYS[2], KEYS[0])
    with pytest.raises(IndexError):
        train[3]


def test_an_empty_training_set_is_an_error_not_an_endless_loop(prepare):
    with pytest.raises(DataError, match="no healthy slice"):
        next(prepare().training([]).batches(2, torch.Generator()))
