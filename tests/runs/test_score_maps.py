"""Score maps on disk: the same bits come back, from few bytes, and no file becomes more than it says."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from uad_bench.digests import digest_file
from uad_bench.errors import VerificationError
from uad_bench.runs.folder import Run
from uad_bench.runs.score_maps import read_map, save_map

SHAPE = (7, 5, 3)  # 105 voxels, so that the last byte of the bits is not full


def brain(background: float = 0.0) -> np.ndarray:
    scores = np.full(SHAPE, background, np.float32)
    scores[2:5, 1:4, 1:] = np.random.default_rng(0).normal(size=(3, 3, 2))
    return scores


def changed(path: Path, **tensors: np.ndarray) -> Path:
    path.write_bytes(save(load(path.read_bytes()) | tensors))
    return path


@pytest.mark.parametrize(
    "scores",
    [
        brain(),
        brain(-0.1),
        np.zeros(SHAPE, np.float32),
        np.arange(105, dtype=np.float32).reshape(SHAPE),
        np.array([[[0.0, -0.0, 1e-45, np.nan, np.inf]]], np.float32),
        brain().T,
    ],
    ids=["brain", "low background", "constant", "no background", "odd numbers", "Fortran order"],
)
def test_a_map_comes_back_bit_for_bit(scores: np.ndarray, tmp_path: Path):
    stored = save_map(tmp_path / "P.1.safetensors", scores)
    again = read_map(tmp_path / "P.1.safetensors")
    assert again.dtype == np.float32
    assert np.array_equal(again.view(np.uint32), np.ascontiguousarray(scores).view(np.uint32))
    assert stored.shape == again.shape == scores.shape
    assert (stored.sha256, stored.bytes) == (
        digest_file(tmp_path / "P.1.safetensors"),
        (tmp_path / "P.1.safetensors").stat().st_size,
    )


def test_a_file_has_the_values_that_differ_from_the_background_and_a_bit_per_voxel(tmp_path: Path):
    save_map(tmp_path / "P.safetensors", brain(2.0))
    stored = load((tmp_path / "P.safetensors").read_bytes())
    assert {name: (array.dtype.name, array.size) for name, array in stored.items()} == {
        "shape": ("int64", 3),
        "background": ("float32", 1),
        "inside": ("uint8", 14),
        "values": ("float32", 18),
    }


def test_equal_maps_give_equal_bytes(tmp_path: Path):
    digests = {save_map(tmp_path / f"{k}.safetensors", brain()).sha256 for k in range(2)}
    assert len(digests) == 1


def test_a_file_that_is_not_a_map_is_refused_in_one_sentence(tmp_path: Path):
    path, wrong = tmp_path / "P.safetensors", {"shape": np.array([1 << 20] * 3), "values": np.ones(17, np.float32)}
    for name, array in {**wrong, "inside": np.ones(14, np.float32), "background": np.ones(9, np.float32)}.items():
        save_map(path, brain())
        with pytest.raises(VerificationError, match=r"P.safetensors: not a score map \(.*\); remove the run"):
            read_map(changed(path, **{name: array}))
    for data in (b"", b"\x93NUMPY", save({"values": np.ones(3, np.float32)})):
        path.write_bytes(data)
        with pytest.raises(VerificationError, match="not a score map"):
            read_map(path)


def test_a_plain_array_of_an_earlier_version_is_read_until_the_map_is_stored_again(tmp_path: Path):
    run = Run(tmp_path).create()
    np.save(run.maps / "P.0.npy", brain())
    assert run.map("P.0").name == "P.0.npy"
    assert np.array_equal(read_map(run.map("P.0")), brain())
    save_map(run.map("P.0"), brain(1.0))
    assert run.map("P.0").name == "P.0.safetensors"
    assert np.array_equal(read_map(run.map("P.0")), brain(1.0))
