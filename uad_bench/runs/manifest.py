"""The manifest of a run: its maps and the checkpoint that produced them; written after all maps."""

from typing import Annotated

from pydantic import Field

from uad_bench.runs.document import Document


class StoredMap(Document):
    """SHA-256 and size of a map's file, and the map's shape."""

    sha256: str
    shape: tuple[int, ...] | None = None
    bytes: int | None = None


class Manifest(Document):
    """`MANIFEST.json`: maps by subject, and the checkpoint's SHA-256, None for imported maps."""

    maps: dict[str, StoredMap]
    checkpoint: Annotated[str, Field(min_length=1)] | None = None
