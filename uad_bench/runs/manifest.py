"""The manifest of a run: which maps it holds, and from which checkpoint; written after all of them."""

from uad_bench.runs.document import Document


class StoredMap(Document):
    """SHA-256 and size of a map's file, and the map's shape."""

    sha256: str
    shape: tuple[int, ...] | None = None
    bytes: int | None = None


class Manifest(Document):
    """`MANIFEST.json`: maps by subject, and the checkpoint's SHA-256, None for maps of another program."""

    maps: dict[str, StoredMap]
    checkpoint: str | None = None
