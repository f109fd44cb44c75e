"""Checkpoints of a run and of unfinished training, as safetensors with SHA-256, and the manifest of a run's maps."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, MethodError, VerificationError
from uad_bench.files import atomic, read_json, safe_name, write_json
from uad_bench.runs.document import Document

if TYPE_CHECKING:
    from torch import Tensor

DIGEST_BYTES = 32


class CheckpointFacts(Document):
    """Description of a checkpoint: its SHA-256, and the signatures of its training images by subject."""

    sha256: str
    training_set: dict[str, Any]


def save_checkpoint(path: Path, state: Mapping[str, Tensor], *, training_set: Mapping[str, Any]) -> str:
    """Store a checkpoint and its description; return the SHA-256.

    Args:
        path: ends in `.safetensors`; the description is stored next to it with the suffix `.json`.
        state: named tensors.
        training_set: subject -> signature, see `data.gate.training_manifest`.

    Raises:
        MethodError: the state contains values other than named tensors.
    """
    data = _packed(state)
    digest = hashlib.sha256(data).hexdigest()
    facts = CheckpointFacts(sha256=digest, training_set=dict(training_set))
    write_json(path.with_suffix(".json"), facts.to_json())
    with atomic(path) as file:
        file.write(data)
    return digest


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint after comparing its SHA-256 with the stored one.

    Raises:
        VerificationError: the file was changed or truncated, or is not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not is_intact(path):
        raise VerificationError(f"{path.name}: not the file that was stored (its SHA-256 differs); train again")
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise VerificationError(f"{path.name}: not a complete safetensors file: {error}; train again") from error


def is_intact(path: Path) -> bool:
    """Whether the checkpoint exists and matches the digest in its description."""
    try:
        return path.is_file() and digest_file(path) == read_description(path).sha256
    except (ConfigError, OSError):
        return False


def read_description(path: Path) -> CheckpointFacts:
    """Read the description of a checkpoint.

    Raises:
        VerificationError: the digest or the training set is missing.
    """
    file = path.with_suffix(".json")
    try:
        return CheckpointFacts.model_validate(read_json(file))
    except ValidationError as error:
        raise VerificationError(f"{file.name}: the digest or the training set is missing") from error


@dataclass(frozen=True, slots=True)
class DiskSnapshots:
    """Training state in the run folder, from which an interrupted fit resumes; only one rank writes it."""

    folder: Path
    writable: bool = True

    def save(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Replace the named state."""
        if not self.writable:
            return
        data = _packed(state)
        self.folder.mkdir(exist_ok=True)
        with atomic(self._path(name)) as file:
            file.write(hashlib.sha256(data).digest() + data)

    def load(self, name: str) -> dict[str, Tensor] | None:
        """The named state; None if it is missing or damaged, so that training restarts."""
        from safetensors.torch import load

        path = self._path(name)
        stored = path.read_bytes() if path.exists() else b""
        intact = stored[:DIGEST_BYTES] == hashlib.sha256(stored[DIGEST_BYTES:]).digest()
        return load(stored[DIGEST_BYTES:]) if intact else None

    def clear(self) -> None:
        """Delete all states after training."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{safe_name(name, 'snapshot')}.safetensors"


def _packed(state: Mapping[str, Tensor]) -> bytes:
    """The bytes of a safetensors file; tensors that share memory are stored separately."""
    from safetensors.torch import save

    try:
        return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()})
    except (AttributeError, TypeError, ValueError) as error:
        raise MethodError(
            f"state_dict contains values other than named tensors: {error}", reason="bad_output"
        ) from error


class StoredMap(Document):
    """SHA-256 and size of a map's file, and the map's shape."""

    sha256: str
    shape: tuple[int, ...] | None = None
    bytes: int | None = None


class Manifest(Document):
    """`MANIFEST.json`: maps by subject, and the checkpoint's SHA-256, None for imported maps."""

    maps: dict[str, StoredMap]
    checkpoint: Annotated[str, Field(min_length=1)] | None = None
