"""Checkpoints are data: what was changed, cut or is a program in disguise is refused, and nothing of it runs."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch

from uad_bench.errors import ConfigError, MethodError, VerificationError
from uad_bench.runs.checkpoints import DiskSnapshots, is_intact, load_checkpoint, read_description, save_checkpoint

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(7)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, STATE, training_set={"P1": "aa"})
    return path


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def believed(path: Path, data: bytes) -> None:
    """Store bytes with a digest that fits them, as a forger would."""
    import hashlib

    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(data).hexdigest(), "training_set": {}}))


def test_what_was_stored_is_loaded(checkpoint: Path):
    loaded = load_checkpoint(checkpoint)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in STATE.items())


def test_a_malicious_pickle_in_place_of_a_checkpoint_is_refused_and_does_not_run(checkpoint: Path, tmp_path: Path):
    believed(checkpoint, pickle.dumps(Malicious(tmp_path / "marker")))
    with pytest.raises(VerificationError, match="not a complete safetensors file"):
        load_checkpoint(checkpoint)
    assert not (tmp_path / "marker").exists()


def test_a_torch_archive_with_code_in_place_of_a_checkpoint_is_refused_and_does_not_run(
    checkpoint: Path, tmp_path: Path
):
    torch.save({"weight": Malicious(tmp_path / "marker")}, tmp_path / "archive")
    believed(checkpoint, (tmp_path / "archive").read_bytes())
    with pytest.raises(VerificationError):
        load_checkpoint(checkpoint)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("keep", [0, 3, 0.5, 0.99])
def test_a_cut_checkpoint_is_refused(checkpoint: Path, keep: float):
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        load_checkpoint(checkpoint)


def test_one_flipped_bit_that_safetensors_does_not_see_is_refused(checkpoint: Path):
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    assert not is_intact(checkpoint)
    with pytest.raises(VerificationError, match="SHA-256 differs"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("header", [1 << 40, 100, 0])
def test_a_header_that_claims_more_than_there_is_is_refused(checkpoint: Path, header: int):
    believed(checkpoint, struct.pack("<Q", header) + b"{}")
    with pytest.raises(VerificationError, match="not a complete safetensors file"):
        load_checkpoint(checkpoint)


def test_without_its_digest_a_checkpoint_is_not_trusted(checkpoint: Path):
    checkpoint.with_suffix(".json").unlink()
    assert not is_intact(checkpoint)


def test_a_description_without_training_set_is_refused(checkpoint: Path):
    checkpoint.with_suffix(".json").write_text('{"sha256": "aa"}')
    with pytest.raises(VerificationError, match="training set"):
        read_description(checkpoint)


def test_the_same_state_gives_the_same_bytes_whatever_the_order_of_names(tmp_path: Path):
    stored = [dict(STATE), dict(reversed(STATE.items()))]
    assert len({save_checkpoint(tmp_path / f"{i}.safetensors", s, training_set={}) for i, s in enumerate(stored)}) == 1


def test_tensors_that_share_memory_and_views_are_stored_apart(tmp_path: Path):
    base = torch.arange(4.0)
    save_checkpoint(
        tmp_path / "a.safetensors", {"a": base, "b": base, "c": base[1:3], "d": base.reshape(2, 2).T}, training_set={}
    )
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert loaded["d"].tolist() == [[0, 2], [1, 3]]


def test_something_else_than_tensors_is_refused(tmp_path: Path):
    with pytest.raises(MethodError, match="named tensors"):
        save_checkpoint(tmp_path / "a.safetensors", {"a": [1]}, training_set={})


def test_a_snapshot_comes_back_and_a_damaged_one_is_as_if_there_were_none(tmp_path: Path):
    snapshots = DiskSnapshots(tmp_path / "training")
    snapshots.save("forward UNet", STATE)
    assert torch.equal(snapshots.load("forward UNet")["weight"], STATE["weight"])
    (file,) = snapshots.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert snapshots.load("forward UNet") is None
    assert snapshots.load("never saved") is None


def test_a_rank_that_may_not_write_leaves_no_snapshot_and_a_changed_one_is_not_loaded(tmp_path: Path):
    DiskSnapshots(tmp_path / "training", writable=False).save("net", STATE)
    assert not (tmp_path / "training").exists()
    snapshots = DiskSnapshots(tmp_path / "training")
    snapshots.save("net", STATE)
    (file,) = snapshots.folder.iterdir()
    stored = bytearray(file.read_bytes())
    stored[-1] ^= 1
    file.write_bytes(stored)
    assert snapshots.load("net") is None


def test_clearing_snapshots_leaves_no_folder(tmp_path: Path):
    snapshots = DiskSnapshots(tmp_path / "training")
    snapshots.save("net", STATE)
    snapshots.clear()
    snapshots.clear()
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_snapshot_cannot_leave_its_folder(tmp_path: Path):
    with pytest.raises(ConfigError, match="snapshot"):
        DiskSnapshots(tmp_path / "training").save("../checkpoint", STATE)
