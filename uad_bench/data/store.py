"""Memory-mapped store of prepared slices on disk.

One entry per patient and preprocessing: `KEY.npy` (images), `KEY.brain.npy`, `KEY.native.npy`, and `KEY.json` last.
The key is derived from content and files are written atomically, so concurrent runs can share entries safely.
"""

import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from uad_bench.data.cache import Cache
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.geometry import SliceGeometry, to_native
from uad_bench.data.inspection import brain_mask
from uad_bench.data.preparation import Preprocessing, prepare_slices
from uad_bench.data.subject import Subject
from uad_bench.data.volume import PatientReader, for_each_patient
from uad_bench.digests import digest_json
from uad_bench.errors import ConfigError, DataError
from uad_bench.method import Modality, Report, SliceBatch, SliceKey

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]

FOLDER = "slices"
OPEN_PATIENTS = 4096  # whose memory maps are kept open; each has two, and each of these a file descriptor
IMAGES, BRAIN, NATIVE = ".npy", ".brain.npy", ".native.npy"


@dataclass(frozen=True, slots=True)
class SliceStore:
    """Prepared slices of a set of patients, without labels or paths to them.

    Attributes:
        modalities: channels of the stored images, in order.
        entries: file key by patient.
    """

    folder: Path
    modalities: tuple[Modality, ...]
    entries: Mapping[str, str]

    @classmethod
    def prepare(
        cls,
        subjects: Sequence[Subject],
        census: Mapping[str, SubjectFacts],
        preprocessing: Preprocessing,
        *,
        cache: Path,
        report: Report | None = None,
    ) -> Self:
        """Prepare entries that are missing or damaged, and open the store.

        Args:
            census: facts of at least these; non-zero voxels of their modalities define the brain.
            cache: root folder of the cache; entries are stored in its folder `slices`.
        """
        kept = Cache.of(cache, FOLDER)
        entries = {s.id: _key(census[s.id], preprocessing) for s in subjects}

        def ensure(subject: Subject) -> None:
            _ensure(subject, census[subject.id], preprocessing, kept, entries[subject.id])

        for_each_patient(ensure, subjects, "preparing slices", report)
        return cls(kept.folder, preprocessing.modalities, entries)

    @classmethod
    def open(cls, manifest: Mapping[str, Any]) -> Self:
        """Open the store described by `manifest`, in any process."""
        return cls(Path(manifest["folder"]), tuple(manifest["modalities"]), dict(manifest["entries"]))

    def manifest(self) -> dict[str, Any]:
        """JSON-serialisable values from which another process can open this store."""
        return {"folder": str(self.folder), "modalities": list(self.modalities), "entries": dict(self.entries)}

    def geometry(self, subject: str) -> SliceGeometry:
        """Geometry of this patient's slices relative to the scan."""
        return _geometry(self.folder, self._key(subject))

    def depth(self, subject: str) -> range:
        """The z indices of the stored slices; all other slices are background."""
        return _mapped()(self.folder, self._key(subject))[2].depth

    def batch(self, keys: Sequence[SliceKey], modalities: Sequence[Modality] | None = None) -> SliceBatch:
        """Load slices as one batch in the order of `keys`, with the requested channels (by default all).

        Native slices of different sizes are padded with background at the end of each axis.
        """
        import torch

        channels = self._channels(modalities)
        slices = [self._slice(key, channels) for key in keys]
        height, width = (max(image.shape[axis] for image, _, _ in slices) for axis in (1, 2))
        images = np.empty((len(keys), len(channels), height, width), np.float32)
        brain = np.zeros((len(keys), 1, height, width), bool)
        for i, (image, mask, background) in enumerate(slices):
            h, w = mask.shape
            images[i] = background[:, None, None]
            images[i, :, :h, :w] = image
            brain[i, 0, :h, :w] = mask
        return SliceBatch(torch.from_numpy(images), torch.from_numpy(brain), tuple(SliceKey(*key) for key in keys))

    def training(self, keys: Sequence[SliceKey], modalities: Sequence[Modality] | None = None) -> "StoredSlices":
        """The slices of these keys as a training set."""
        return StoredSlices(self, tuple(modalities or self.modalities), tuple(keys))

    def to_native(
        self, subject: str, slices: Sequence[int], scores: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Resample score maps (N, h, w) to the scan's grid (X, Y, Z) float32; see `geometry.to_native`."""
        return to_native(scores, self.geometry(subject), slices=slices)

    def input_map(self, subject: str, slices: Sequence[int]) -> npt.NDArray[np.float32]:
        """The first channel on the scan's grid (X, Y, Z): the score map of a method that returns its input."""
        images = [self._slice(SliceKey(subject, z), [0])[0][0] for z in slices]
        return self.to_native(subject, slices, np.asarray(images, np.float32))

    def image_to_native(
        self, subject: str, slices: Sequence[int], images: npt.NDArray[np.float32], modality: Modality
    ) -> npt.NDArray[np.float32]:
        """As `to_native` for images of one modality, with its background where there are none."""
        geometry = self.geometry(subject)
        background = geometry.background[self.modalities.index(modality)]
        return to_native(images, geometry, slices=slices, outside=background)

    def _key(self, subject: str) -> str:
        if subject not in self.entries:
            raise DataError(f"{subject}: no slices were prepared for this patient")
        return self.entries[subject]

    def _channels(self, modalities: Sequence[Modality] | None) -> list[int]:
        absent = [m for m in modalities or () if m not in self.modalities]
        if absent:
            raise ConfigError(f"modality {absent[0]!r} was not prepared; prepared are {', '.join(self.modalities)}")
        return [self.modalities.index(m) for m in modalities or self.modalities]

    def _slice(self, key: SliceKey, channels: list[int]) -> tuple[Array, Array, Array]:
        """Image (C, h, w), brain (h, w) and background (C) of one slice; native slices cover the scan's whole plane."""
        images, brain, geometry = _mapped()(self.folder, self._key(key[0]))
        background = np.asarray(geometry.background, np.float32)[channels]
        plane = (geometry.size, geometry.size) if geometry.size else geometry.shape[:2]
        image = np.broadcast_to(background[:, None, None], (len(channels), *plane))
        mask = np.zeros(plane, bool)
        if key[1] not in geometry.depth:
            return image, mask, background
        z = key[1] - geometry.depth.start
        if geometry.size:
            return images[z, channels], brain[z], background
        (x0, y0, _), (x1, y1, _) = geometry.box
        image = image.copy()
        image[:, x0:x1, y0:y1], mask[x0:x1, y0:y1] = images[z, channels], brain[z]
        return image, mask, background


@dataclass(frozen=True, slots=True)
class StoredSlices:
    """Training slices of a store; implements `uad_bench.method.SliceDataset`."""

    store: SliceStore
    modalities: tuple[Modality, ...]
    keys: tuple[SliceKey, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([range(len(self))[index]])

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """The slices at these indices as one batch, in this order."""
        return self.store.batch([self.keys[i] for i in indices], self.modalities)

    def batches(self, batch_size: int, generator: "torch.Generator") -> Iterator[SliceBatch]:
        """Infinite batches of exactly `batch_size` slices; a batch may span the end of an epoch and the next start."""
        import torch

        if not self.keys:
            raise DataError("there is no healthy slice to train on")
        waiting: list[int] = []
        while True:
            while len(waiting) < batch_size:
                waiting += torch.randperm(len(self), generator=generator).tolist()
            yield self.take(waiting[:batch_size])
            del waiting[:batch_size]


def _key(facts: SubjectFacts, preprocessing: Preprocessing) -> str:
    content = [facts.digests, facts.spacing, facts.box, facts.brain_area, preprocessing.digest]
    return digest_json(content)[:32]


def _ensure(subject: Subject, facts: SubjectFacts, preprocessing: Preprocessing, kept: Cache, key: str) -> None:
    """Prepare one patient unless an entry exists that is as it was written."""
    if kept.holds(key, unchanged=True):
        return
    arrays, brain = read_scans(subject, facts, preprocessing.modalities)
    try:
        made = prepare_slices(arrays, brain, facts.spacing, preprocessing)
    except DataError as error:
        raise DataError(f"{subject.id}, {error} with --exclude {subject.id}") from error
    parts = {IMAGES: made.images, BRAIN: made.brain, NATIVE: np.packbits(made.geometry.brain)}
    kept.write(key, parts, made.geometry.to_json())


def read_scans(
    subject: Subject, facts: SubjectFacts, modalities: Sequence[Modality]
) -> tuple[dict[Modality, Array], npt.NDArray[np.bool_]]:
    """The scans (X, Y, Z) of at least these modalities, and the brain mask.

    Raises:
        DataError: a modality is missing.
    """
    names = dict.fromkeys((*facts.modalities, *modalities))
    absent = [name for name in names if name not in subject.images]
    if absent:
        raise DataError(f"{subject.id}: modality {absent[0]!r} is missing")
    reader = PatientReader()
    arrays = {name: reader.read(subject.images[name]).array for name in names}
    shipped = reader.read(subject.brain_mask).array if subject.brain_mask else None
    return arrays, brain_mask([arrays[name] for name in facts.modalities], shipped)


def _geometry(folder: Path, key: str) -> SliceGeometry:
    kept = Cache(folder)
    values = kept.read(key)
    low, high = values["box"]
    shape = [b - a for a, b in zip(low, high, strict=True)]
    bits = np.unpackbits(kept.array(key, NATIVE), count=int(np.prod(shape)))
    return SliceGeometry.from_json(values, bits.reshape(shape).astype(bool))


def raise_file_limit() -> None:
    """Let this process open as many files as `OPEN_PATIENTS` need, or as many as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * OPEN_PATIENTS if hard == resource.RLIM_INFINITY else min(hard, 4 * OPEN_PATIENTS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@cache
def _mapped() -> Callable[[Path, str], tuple[Array, Array, SliceGeometry]]:
    """Maps a patient's files, and keeps as many patients mapped as half of the files that may be open allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return lru_cache(maxsize=min(OPEN_PATIENTS, soft // 4))(_images)


def _images(folder: Path, key: str) -> tuple[Array, Array, SliceGeometry]:
    """Memory maps of the images and the brain mask, and the geometry without its brain mask."""
    kept = Cache(folder)
    images, brain = (kept.array(key, suffix, mapped=True) for suffix in (IMAGES, BRAIN))
    return images, brain, SliceGeometry.from_json(kept.read(key), np.zeros((0, 0, 0), bool))
