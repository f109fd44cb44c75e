"""Anomaly masks of training patients, for the supervised upper bound; no other method receives labels.

They are passed to a method only if its configuration file shipped with uad-bench sets `bound = true`; a plugin cannot
request them. The masks are stored in a separate folder of the cache that is hidden from all other methods.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from uad_bench.data.cache import Cache
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.geometry import SliceGeometry
from uad_bench.data.inspection import inside
from uad_bench.data.preparation import shrink
from uad_bench.data.reference import Reference, References
from uad_bench.data.store import SliceStore, StoredSlices
from uad_bench.digests import digest_json
from uad_bench.method import Modality, SliceBatch, SliceKey

FOLDER = "supervision"
VERSION = 1
ANOMALY: Modality = "anomaly"
"""Last channel of the supervised upper bound in `fit`: the fraction of each working pixel that is anomaly, 0 to 1."""


def prepare_masks(
    store: SliceStore, references: References, census: Mapping[str, SubjectFacts], *, cache: Path
) -> dict[str, str]:
    """Store the anomaly masks of all prepared slices of each patient in `references`; return the file by patient.

    Args:
        references: references of the training patients only.
        cache: root folder of the cache; masks are stored in its folder `supervision`.
    """
    kept, files = Cache.of(cache, FOLDER), {}
    for name in references:
        key = digest_json([VERSION, store.entries[name], references.entries[name], census[name].label_digest])[:32]
        files[name] = str(kept.file(key))
        if not kept.file(key).exists():
            kept.write(key, {".npy": working_mask(references[name], store.geometry(name))})
    return files


def working_mask(reference: Reference, geometry: SliceGeometry) -> npt.NDArray[np.float16]:
    """Fraction of anomaly in each working pixel, (bz, h, w), one slice per z of the geometry's depth."""
    whole = np.zeros(reference.shape, np.float32)
    inside(whole, reference.box)[:] = reference.anomaly
    return shrink(inside(whole, geometry.box), geometry).astype(np.float16)


def training_slices(
    store: SliceStore, keys: Iterable[SliceKey], modalities: Sequence[Modality], masks: Mapping[str, str]
) -> StoredSlices:
    """Training slices of a method; if there are masks, the channel `anomaly` follows the images."""
    if not masks:
        return store.training(tuple(keys), modalities)
    images = tuple(name for name in modalities if name != ANOMALY)
    return SupervisedSlices(store, (*images, ANOMALY), tuple(keys), masks)


@dataclass(frozen=True, slots=True)
class SupervisedSlices(StoredSlices):
    """Training slices whose last channel is the anomaly mask."""

    masks: Mapping[str, str]

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """The slices at these indices as one batch, in this order."""
        import torch

        batch = self.store.batch([self.keys[i] for i in indices], self.modalities[:-1])
        anomaly = np.stack([self._mask(key, batch.image.shape[-2:]) for key in batch.keys])
        image = torch.cat([batch.image, torch.from_numpy(anomaly)[:, None]], dim=1)
        return SliceBatch(image, batch.brain_mask, batch.keys)

    def _mask(self, key: SliceKey, shape: Sequence[int]) -> npt.NDArray[Any]:
        depth = self.store.depth(key.subject_id)
        if key.z not in depth:
            return np.zeros(tuple(shape), np.float32)
        stored = np.load(self.masks[key.subject_id], mmap_mode="r", allow_pickle=False)
        return np.asarray(stored[key.z - depth.start], np.float32)
