"""From tissue fractions to images: protocol, signal, partial volume, bias field, noise and integer grey levels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.anatomy import Brain, Flat
from uad_bench.datasets.phantom.grid import Grid, random_field
from uad_bench.datasets.phantom.signal import InversionRecovery, SpinEcho, rician, shorten
from uad_bench.datasets.phantom.tissue import Tissue

MODALITIES = ("t1", "t1ce", "t2", "flair")
Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One patient's scan session.

    Attributes:
        sequences: one per modality.
        noise: standard deviation of each channel's noise relative to the image's 90th percentile.
        bias: relative amplitude of the receive field.
    """

    sequences: Mapping[str, SpinEcho | InversionRecovery]
    noise: float
    bias: float


def draw_protocol(rng: np.random.Generator, *, tesla: float) -> Protocol:
    """Usual clinical parameters, some 10 % apart between scanners."""
    vary = np.exp(0.08 * rng.standard_normal(6))
    null = 2500 if tesla > 2 else 2350  # ms, nulls CSF
    t1 = SpinEcho(tr=600 * vary[0], te=10)
    sequences: dict[str, SpinEcho | InversionRecovery] = {
        "t1": t1,
        "t1ce": SpinEcho(tr=600 * vary[1], te=10),
        "t2": SpinEcho(tr=5000 * vary[2], te=95 * vary[3]),
        "flair": InversionRecovery(tr=9000, te=125 * vary[4], ti=null * np.exp(0.03 * rng.standard_normal())),
    }
    return Protocol(sequences, noise=rng.uniform(0.015, 0.045), bias=rng.uniform(0.03, 0.12))


def acquire(
    rng: np.random.Generator,
    brain: Brain,
    tissues: Mapping[str, Tissue],
    protocol: Protocol,
    factors: tuple[int, int, int],
) -> dict[str, NDArray[np.int16]]:
    """Images (X, Y, Z) int16 of every modality on the coarse grid, zero outside the brain."""
    texture = 0.8 * brain.field(rng, length=4.0) + 0.6 * brain.field(rng, length=14.0)
    inside = block_mean(brain.inside.astype(np.float32), factors) >= 0.5
    return {
        modality: _image(
            rng,
            brain,
            block_mean(brain.volume(_signal(brain, tissues, protocol, modality, texture)), factors),
            inside,
            protocol,
        )
        for modality in MODALITIES
    }


def block_mean(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    """Mean over blocks of fine voxels: partial volume."""
    (fx, fy, fz), (x, y, z) = factors, volume.shape
    return np.asarray(volume.reshape(x // fx, fx, y // fy, fy, z // fz, fz).mean(axis=(1, 3, 5)))


def _signal(brain: Brain, tissues: Mapping[str, Tissue], protocol: Protocol, modality: str, texture: Flat) -> Flat:
    """Signals of the tissues in a voxel add up by their shares."""
    sequence = protocol.sequences[modality]
    total = np.zeros_like(texture)
    for name, share in brain.share.items():
        here = share > 1e-3
        tissue, local = tissues[name], texture[here]
        t1, t2 = (time * np.exp(tissue.texture * local) for time in (tissue.t1, tissue.t2))
        if modality == "t1ce":
            t1, t2 = shorten(t1, t2, contrast=np.float32(tissue.contrast) * np.exp(2 * tissue.texture * local))
        total[here] += share[here] * sequence.signal(np.float32(tissue.pd), t1, t2)
    return total


def _image(
    rng: np.random.Generator, brain: Brain, signal: Volume, inside: NDArray[np.bool_], protocol: Protocol
) -> NDArray[np.int16]:
    coarse = Grid(
        signal.shape,
        tuple(s * f // 1 for s, f in zip(brain.grid.spacing, np.array(brain.grid.shape) // signal.shape, strict=True)),
    )  # type: ignore[arg-type]
    shaded = signal * np.exp(protocol.bias * random_field(rng, coarse, length=110.0))
    reference = float(np.percentile(shaded[inside], 90))
    noisy = rician(shaded / reference, protocol.noise, rng)
    gain = float(np.exp(rng.normal(np.log(900), 0.5)))  # grey levels of the 90th percentile, as scanners differ
    return np.where(inside, np.clip(np.rint(noisy * gain), 1, 32767), 0).astype(np.int16)
