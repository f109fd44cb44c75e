"""Simulates images from tissue fractions: protocol, signal, partial volume, bias field, noise and grey levels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.anatomy import Brain, Flat
from uad_bench.datasets.phantom.grid import CENTRE, Grid, random_field
from uad_bench.datasets.phantom.tissue import Tissue

Field = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class SpinEcho:
    """A spin-echo sequence: repetition time `tr` and echo time `te`, ms."""

    tr: float
    te: float

    def signal(self, pd: float, t1: Field, t2: Field) -> Field:
        """PD (1 - exp(-TR/T1)) exp(-TE/T2), for TE much shorter than TR."""
        return np.asarray(pd * (1 - np.exp(-self.tr / t1)) * np.exp(-self.te / t2))


@dataclass(frozen=True, slots=True)
class InversionRecovery:
    """A spin echo `ti` ms after an inversion pulse; nulls tissue with T1 of about `ti` / ln 2 (CSF in FLAIR)."""

    tr: float
    te: float
    ti: float

    def signal(self, pd: float, t1: Field, t2: Field) -> Field:
        """PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2), magnitude image."""
        recovered = np.abs(1 - 2 * np.exp(-self.ti / t1) + np.exp(-self.tr / t1))
        return np.asarray(pd * recovered * np.exp(-self.te / t2))


R1_GADOLINIUM = 4.5e-3  # 1 / (mM ms) at 1.5 to 3 T in plasma (Rohrer et al. 2005)
R2_GADOLINIUM = 5.5e-3


def shorten(t1: Field, t2: Field, *, contrast: Field) -> tuple[Field, Field]:
    """T1 and T2 in the presence of `contrast` mM of a gadolinium agent: rates add, 1/T = 1/T_0 + r C."""
    return 1 / (1 / t1 + R1_GADOLINIUM * contrast), 1 / (1 / t2 + R2_GADOLINIUM * contrast)


def rician(signal: Field, sigma: float, rng: np.random.Generator) -> Field:
    """Magnitude of the signal with Gaussian noise `sigma` in both channels (Gudbjartsson & Patz 1995)."""
    real = signal + sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, sigma * rng.standard_normal(signal.shape, dtype=np.float32)))


MODALITIES = ("t1", "t1ce", "t2", "flair")
Volume = NDArray[np.float32]
Texture = tuple[Flat, Flat]  # of T1, of T2


@dataclass(frozen=True, slots=True)
class Protocol:
    """Acquisition parameters of one patient.

    Attributes:
        sequences: one sequence per modality.
        noise: standard deviation of the noise in the real and imaginary channels, relative to the 90th percentile.
        coil: logarithm of the brightness of the rim of the head relative to its centre, as with phased-array coils.
        bias: relative amplitude of the bias field shared by all modalities; each has its own with 0.7 times as much.
    """

    sequences: Mapping[str, SpinEcho | InversionRecovery]
    noise: float
    coil: float
    bias: float


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """A tissue in the voxels (N,) of a brain that contain some of it, M of them.

    Attributes:
        here: (N,) bool.
        share: (M,) fraction of the voxel.
        t1: (M,) ms; `t2` likewise.
        local: (M,) local T1 relative to the tissue's.
    """

    tissue: Tissue
    here: NDArray[np.bool_]
    share: Flat
    t1: Field
    t2: Field
    local: Flat


def draw_protocol(rng: np.random.Generator, *, tesla: float) -> Protocol:
    """Draw clinical parameters that vary by about 8 % between scanners; T1 with or without an inversion pulse."""
    vary = np.exp(0.08 * rng.standard_normal(6))
    null = 2500 if tesla > 2 else 2350  # ms, nulls CSF
    prepared = rng.random(2) < (0.5, 0.75)
    sequences: dict[str, SpinEcho | InversionRecovery] = {
        "t1": _t1_weighted(prepared[0], vary[0]),
        "t1ce": _t1_weighted(prepared[1], vary[1]),
        "t2": SpinEcho(tr=5000 * vary[2], te=98 * vary[3]),
        "flair": InversionRecovery(tr=9000, te=125 * vary[4], ti=null * np.exp(0.03 * rng.standard_normal())),
    }
    return Protocol(
        sequences, noise=rng.uniform(0.006, 0.025), coil=rng.uniform(0.0, 0.3), bias=rng.uniform(0.05, 0.15)
    )


def _t1_weighted(prepared: bool, vary: float) -> SpinEcho | InversionRecovery:
    """A 2-D spin echo, or an inversion-prepared 3-D sequence such as MPRAGE."""
    return InversionRecovery(tr=2300, te=4, ti=1150 * vary) if prepared else SpinEcho(tr=560 * vary, te=10)


def acquire(
    rng: np.random.Generator,
    brain: Brain,
    tissues: Mapping[str, Tissue],
    protocol: Protocol,
    *,
    factors: tuple[int, int, int],
    without: Brain | None = None,
) -> dict[str, NDArray[np.int16]]:
    """Simulate images (X, Y, Z) int16 of every modality on the coarse grid, zero outside the brain.

    Args:
        rng: the same state gives the same noise and grey levels.
        factors: fine voxels per voxel along each axis.
        without: the same head without the lesion; it is imaged instead, with the grey levels of `brain`.
    """
    texture = _draw_texture(rng, brain)
    heads = [_relax(head, tissues, texture) for head in ((brain, without) if without else (brain,))]
    inside = block_mean(brain.inside.astype(np.float32), factors) >= 0.5
    coarse = brain.grid.coarsened(factors)
    shading = protocol.bias * random_field(rng, coarse, length=100.0) + protocol.coil * _rim(coarse)
    images = {}
    for modality in MODALITIES:
        own = 0.7 * protocol.bias * random_field(rng, coarse, length=100.0)
        signals = [
            block_mean(brain.volume(_signal(head, protocol, modality)), factors) * np.exp(shading + own)
            for head in heads
        ]
        unit = np.float32(np.percentile(signals[0][inside], 90))
        images[modality] = _digitise(rng, signals[-1] / unit, inside, protocol.noise)
    return images


def block_mean(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    """Partial-volume averaging over blocks of fine voxels."""
    (fx, fy, fz), (x, y, z) = factors, volume.shape
    return np.asarray(volume.reshape(x // fx, fx, y // fy, fy, z // fz, fz).mean(axis=(1, 3, 5)))


def _draw_texture(rng: np.random.Generator, brain: Brain) -> Texture:
    """Local variation of T1 and T2, with unit variance and a correlation of 0.6: more water lengthens both."""
    shared, own = (0.7 * brain.field(rng, length=4.0) + 0.7 * brain.field(rng, length=12.0) for _ in range(2))
    return np.asarray(0.6 * shared + 0.8 * own, dtype=np.float32), np.asarray(shared, dtype=np.float32)


def _relax(brain: Brain, tissues: Mapping[str, Tissue], texture: Texture) -> list[Relaxation]:
    """Relaxation times of the tissues in the voxels of a brain, which all modalities share."""
    found = []
    for name, share in brain.share.items():
        here, tissue = share > 1e-3, tissues[name]
        local = [np.exp(tissue.texture * field[here]) for field in texture]
        found.append(Relaxation(tissue, here, share[here], tissue.t1 * local[0], tissue.t2 * local[1], local[0]))
    return found


def _signal(tissues: list[Relaxation], protocol: Protocol, modality: str) -> Flat:
    """Sum of the signals of the tissues in each voxel, weighted by their fractions."""
    sequence = protocol.sequences[modality]
    total = np.zeros(tissues[0].here.shape, dtype=np.float32)
    for one in tissues:
        t1, t2 = one.t1, one.t2
        if modality == "t1ce":
            t1, t2 = shorten(t1, t2, contrast=np.float32(one.tissue.contrast) * one.local**2)
        total[one.here] += one.share * sequence.signal(one.tissue.pd, t1, t2)
    return total


def _rim(grid: Grid) -> Volume:
    """Squared distance from the centre of the head, 1 at 75 mm."""
    x, y, z = np.meshgrid(*[(grid.axis(axis) - CENTRE[axis]) / 75 for axis in range(3)], indexing="ij", sparse=True)
    return np.asarray(x**2 + y**2 + z**2, dtype=np.float32)


def _digitise(rng: np.random.Generator, relative: Volume, inside: NDArray[np.bool_], noise: float) -> NDArray[np.int16]:
    """Add noise to a signal relative to its 90th percentile, and round to grey levels above zero in the brain."""
    gain = float(
        np.exp(rng.normal(np.log(900), 0.5))
    )  # grey level of the 90th percentile, which varies between scanners
    levels = np.rint(rician(relative, noise, rng) * gain)
    return np.where(inside, np.clip(levels, 1, 32767), 0).astype(np.int16)
