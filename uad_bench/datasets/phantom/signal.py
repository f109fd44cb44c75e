"""Signal equations of MRI sequences for given relaxation times. Times are in ms; arrays may have any shape.

Bernstein, King & Zhou (2004), Handbook of MRI Pulse Sequences: spin echo (ch. 14.3), inversion recovery (ch. 14.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
