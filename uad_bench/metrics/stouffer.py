"""Stouffer's combination of p-values from several data sets."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def signed_z(p: Values, differences: Values) -> Values:
    """Standard normal scores (T,) of two-sided p-values (T,), with the signs of the differences; NaN stays NaN."""
    from scipy.special import ndtri

    scores: Values = -np.sign(differences) * ndtri(p / 2)
    return scores


def stouffer_p(z: Values, weights: Values) -> float:
    """Two-sided p of independent normal scores (K,), combined as sum(w z) / sqrt(sum(w^2)).

    With w the square root of each data set's number of patients, as in MOABB's meta-analysis (Stouffer et al. 1949;
    Liptak 1958). NaN if a score is.
    """
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(weights @ z) / np.sqrt(weights @ weights)))


def nemenyi_difference(n_methods: int, n_datasets: int, *, level: float = 0.05) -> float:
    """Critical difference of mean ranks of M methods over N data sets (Nemenyi; Demsar 2006, section 3.2.2)."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - level, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))
