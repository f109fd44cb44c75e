"""Randomness depends on the seed and the purpose alone."""
# ruff: noqa: NPY002 - the global generator of numpy is what is seeded

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.method import SliceKey
from uad_bench.seeding import derive, generator, host_generator, seed_globals, slice_noise

KEYS = [SliceKey("a", 1), SliceKey("a", 2), SliceKey("b", 1)]


@given(seed=st.integers(), name=st.text())
def test_a_derived_seed_fits_into_63_bits_and_changes_with_the_seed(seed: int, name: str):
    assert 0 <= derive(seed, name) < 2**63
    assert derive(seed, name) != derive(seed + 1, name)


def test_names_are_kept_apart():
    assert len({derive(0, "a", "b"), derive(0, "ab"), derive(0, "b", "a"), derive(0), derive(0, "a", 1)}) == 5


def test_noise_of_a_slice_is_the_same_in_any_batch_and_order():
    together = slice_noise(KEYS, (2, 3), "x", seed=0)
    alone = [slice_noise([key], (2, 3), "x", seed=0)[0] for key in reversed(KEYS)]
    assert torch.equal(together, torch.stack(alone[::-1]))
    assert not torch.equal(together[0], together[1])


def test_numbers_for_the_host_come_from_a_generator_of_a_processor():
    own = torch.Generator().manual_seed(3)
    assert host_generator(own) is own


def test_a_generator_repeats_itself():
    draws = [torch.rand(3, generator=generator(1, "x")) for _ in range(2)]
    assert torch.equal(*draws)


def test_the_global_generators_of_python_numpy_and_torch_are_all_seeded():
    def draw() -> tuple[float, float, float]:
        seed_globals(0, "fit")
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        assert draw() == draw()
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])
