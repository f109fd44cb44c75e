"""Healthy slices with implanted anomalies of known extent, on which methods are measured without labels.

An implant is a smooth blob of one of three sizes, a sum of Gaussian bumps scattered around a random place in the brain.
It is brighter or darker than the tissue around it, part of whose texture shows through, and blended in at its edge. No
built-in method is trained on this definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from uad_bench.method import Modality, SliceBatch, SliceKey
from uad_bench.seeding import derive

if TYPE_CHECKING:
    from uad_bench.data.store import SliceStore

MOST = 3  # implants per slice
RADII = (0.03, 0.06, 0.12)  # as a fraction of the slice's shorter side
BUMPS = 5  # per implant
CONTRASTS = (1.0, 3.0)  # difference from the tissue's mean, in standard deviations of the slice's brain
TEXTURE = 0.5  # fraction of the tissue's deviation from its mean that is left


@dataclass(frozen=True, slots=True)
class ImplantedSlices:
    """Slices with implants, which depend on the key of the slice alone.

    Attributes:
        slices: one slice each.
        masks: of the implants, (H, W) bool.
    """

    slices: Mapping[SliceKey, SliceBatch]
    masks: Mapping[SliceKey, NDArray[np.bool_]]

    @classmethod
    def of(cls, store: SliceStore, keys: Sequence[SliceKey], modalities: Sequence[Modality]) -> Self:
        """Put implants into stored slices."""
        import torch

        slices, masks = {}, {}
        for key in keys:
            healthy = store.batch([key], modalities)
            image, masks[key] = implant(
                healthy.image[0].numpy(), healthy.brain_mask[0, 0].numpy(), seed=derive(0, "implants", *key)
            )
            slices[key] = SliceBatch(torch.from_numpy(image)[None], healthy.brain_mask, healthy.keys)
        return cls(slices, masks)

    def batch(self, keys: Sequence[SliceKey], modalities: Sequence[Modality] | None = None) -> SliceBatch:  # noqa: ARG002
        """A copy of slices of one patient, as of `SliceStore.batch`, in the channels chosen before."""
        import torch

        parts = [self.slices[key] for key in keys]
        image, brain = (torch.cat([getattr(part, name) for part in parts]) for name in ("image", "brain_mask"))
        return SliceBatch(image, brain, tuple(keys))

    @property
    def by_patient(self) -> dict[str, list[SliceKey]]:
        """Keys of each patient's slices."""
        names = dict.fromkeys(key.subject_id for key in self.slices)
        return {name: [key for key in self.slices if key.subject_id == name] for name in names}

    def in_brain(self, key: SliceKey, scores: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores (V,) and implants (V,) of the brain's pixels in a slice, from its score map (H, W)."""
        brain = self.slices[key].brain_mask[0, 0].numpy()
        return scores[brain], self.masks[key][brain]


def implant(
    image: NDArray[np.float32], brain: NDArray[np.bool_], *, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A copy of a slice (C, H, W) with one to three implants in its brain (H, W), and their mask (H, W).

    Each channel has its own sign and contrast. Intensities stay within those of the slice.
    """
    draw = np.random.Generator(np.random.PCG64(seed))
    changed, mask = image.copy(), np.zeros_like(brain)
    if not brain.any():
        return changed, mask
    spread = image[:, brain].std(axis=1)
    for _ in range(draw.integers(1, MOST, endpoint=True)):
        shape = _blob(brain, draw)
        mean = (changed * shape).sum(axis=(1, 2)) / max(float(shape.sum()), np.finfo(np.float32).tiny)
        contrast = spread * draw.uniform(*CONTRASTS, len(image)) * draw.choice([-1, 1], len(image))
        inside = TEXTURE * changed + ((1 - TEXTURE) * mean + contrast)[:, None, None]
        changed += (shape * (inside - changed)).astype(np.float32)
        mask |= shape > 0.5
    return np.clip(changed, image.min(axis=(1, 2), keepdims=True), image.max(axis=(1, 2), keepdims=True)), mask


def _blob(brain: NDArray[np.bool_], draw: np.random.Generator) -> NDArray[np.float64]:
    """How much of each pixel (H, W) an implant covers: from 0 at a quarter of the bumps' height to 1 at three."""
    radius = draw.choice(RADII) * min(brain.shape)
    places = draw.choice(np.argwhere(brain)) + radius / 2 * draw.normal(size=(BUMPS, 2))
    distance = ((np.indices(brain.shape)[:, None] - places.T[:, :, None, None]) ** 2).sum(axis=0)  # (BUMPS, H, W)
    height = np.exp(-2 * distance / radius**2).sum(axis=0)
    covered: NDArray[np.float64] = np.clip(2 * height / height.max() - 0.5, 0, 1) * brain
    return covered
