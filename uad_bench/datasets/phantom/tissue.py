"""Tables of tissues and their relaxation times at 3 T; the values of each patient vary randomly around them.

Grey and white matter: Stanisz et al. (2005), Wansapura et al. (1999), Bojorquez et al. (2017); T1 at 1.5 T and CSF:
Rooney et al. (2007); proton densities: Tofts (2003). Values of the other tissues are chosen between these to match the
contrast of real cases; see docs/phantom.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """Properties of a tissue that determine its signal.

    Attributes:
        pd: proton density, water = 1.
        t1: longitudinal relaxation time, ms.
        t2: transverse relaxation time, ms.
        contrast: gadolinium concentration in the T1ce scan, mM.
        spread: relative standard deviation of T1 and T2 between patients (log-normal).
        texture: relative standard deviation of T1 and T2 between locations in one patient.
    """

    pd: float
    t1: float
    t2: float
    contrast: float = 0.0
    spread: float = 0.04
    texture: float = 0.03


HEALTHY: Mapping[str, Tissue] = {
    "grey": Tissue(pd=0.82, t1=1400, t2=90, contrast=0.04, texture=0.05),
    "white": Tissue(pd=0.70, t1=900, t2=74, contrast=0.02, texture=0.04),
    "nuclei": Tissue(pd=0.78, t1=1150, t2=72, contrast=0.03, texture=0.05),
    "csf": Tissue(pd=1.0, t1=4200, t2=1800, texture=0.02),
    "vessel": Tissue(pd=0.90, t1=1600, t2=45, contrast=2.2, spread=0.1, texture=0.25),
    "choroid": Tissue(pd=0.90, t1=1500, t2=140, contrast=0.7, spread=0.1, texture=0.15),
    "meninges": Tissue(pd=0.80, t1=650, t2=75, contrast=0.5, spread=0.15, texture=0.3),
    "dura": Tissue(pd=0.60, t1=1000, t2=45, contrast=0.08, spread=0.1, texture=0.2),
    "gliosis": Tissue(pd=0.83, t1=1250, t2=120, contrast=0.02, spread=0.08, texture=0.08),
}
LESION: Mapping[str, Tissue] = {
    "oedema": Tissue(pd=0.84, t1=1450, t2=115, contrast=0.02, spread=0.13, texture=0.18),
    "core": Tissue(pd=0.86, t1=1550, t2=125, contrast=0.04, spread=0.15, texture=0.16),
    "rim": Tissue(pd=0.85, t1=1450, t2=108, contrast=0.20, spread=0.12, texture=0.20),
    "necrosis": Tissue(pd=0.92, t1=2100, t2=260, contrast=0.03, spread=0.25, texture=0.12),
    "mismatch": Tissue(pd=0.90, t1=2250, t2=155, contrast=0.03, spread=0.04, texture=0.06),
    "plaque": Tissue(pd=0.83, t1=1300, t2=125, contrast=0.05, spread=0.10, texture=0.08),
}
TISSUES: Mapping[str, Tissue] = {**HEALTHY, **LESION}
T1_AT_1T5 = 0.80  # T1 of brain tissue at 1.5 T relative to 3 T; T2 hardly differs


def draw_tissues(rng: np.random.Generator, *, tesla: float) -> dict[str, Tissue]:
    """Draw one patient's tissues at 1.5 or 3 T."""
    shortened = T1_AT_1T5 if tesla < 2 else 1.0
    return {name: _vary(rng, tissue, shortened) for name, tissue in TISSUES.items()}


def _vary(rng: np.random.Generator, tissue: Tissue, shortened: float) -> Tissue:
    """Vary T1 and T2 together, since more water lengthens both: about two thirds of their variance is shared."""
    shared, own_t1, own_t2 = rng.standard_normal(3)
    t1 = tissue.t1 * np.exp(tissue.spread * (0.8 * shared + 0.6 * own_t1))
    t2 = tissue.t2 * np.exp(tissue.spread * (0.8 * shared + 0.6 * own_t2))
    uptake = tissue.contrast * np.exp(0.3 * rng.standard_normal())
    return replace(tissue, t1=t1 * (1.0 if tissue.t1 > 3000 else shortened), t2=t2, contrast=uptake)
