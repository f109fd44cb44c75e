"""Patients as the code of a published paper sees them: scores rescaled and rounded, voxels drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uad_bench.evaluation.cases import Case, Cases
from uad_bench.evaluation.protocol import Published
from uad_bench.seeding import derive

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RescaledCases:
    """Cases with scores rescaled as in the paper's code.

    Attributes:
        low: score mapped to 0.
        high: score mapped to 1.
    """

    cases: Cases
    rules: Published
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def over(cls, cases: Cases, test: Sequence[str], rules: Published) -> RescaledCases:
        """Rescaling limits from all test patients jointly, if the paper uses them."""
        if rules.rescale == "none" or not test:
            return cls(cases, rules)
        if rules.rescale == "unmasked-min-max":
            raw = replace(cases, protocol=replace(cases.protocol, chain=()))
            return replace(cls._spanning(raw, test, rules), cases=cases)
        return cls._spanning(cases, test, rules)

    @classmethod
    def _spanning(cls, cases: Cases, test: Sequence[str], rules: Published) -> RescaledCases:
        extremes = [(case.scores.min(), case.scores.max()) for case in cases(test)]
        return cls(cases, rules, float(min(low for low, _ in extremes)), float(max(high for _, high in extremes)))

    def __call__(self, subjects: Sequence[str]) -> Iterator[Case]:
        """The rescaled cases of these patients."""
        return (replace(case, scores=self._convert(case.scores)) for case in self.cases(subjects))

    def units(self, subjects: Sequence[str], aggregation: str) -> Iterator[Case]:
        """Slices for the aggregation `slices`, otherwise whole patients."""
        for case in self(subjects):
            yield from slices_of(case) if aggregation == "slices" else (self._drawn(case),)

    def drawn(self, subjects: Sequence[str]) -> Iterator[Case]:
        """The patients, with as many random voxels each as the paper's code draws."""
        return self.units(subjects, "pooled")

    def healthy(self, subjects: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        """Scores of brain voxels in the slices of each patient without anomaly, before post-processing."""
        protocol = replace(self.cases.protocol, chain=(), region="brain", slices="all")
        raw = replace(self, cases=replace(self.cases, protocol=protocol))
        return (case.scores[case.clean] for case in raw(subjects))

    def mark(self, case: Case, threshold: float) -> Mask:
        """Voxels above the threshold, small components dropped."""
        marked = case.scores > threshold if self.rules.strict else case.scores >= threshold
        return self.cases.protocol.steps.clean(marked & case.domain)

    def _drawn(self, case: Case) -> Case:
        """The case with a domain of random voxels, the same whenever the patient is read."""
        inside = np.flatnonzero(case.domain)
        if self.rules.sample is None or inside.size <= self.rules.sample:
            return case
        generator = np.random.Generator(np.random.PCG64(derive(0, "published sample", case.subject)))
        domain = np.zeros(case.domain.size, bool)
        domain[inside[generator.choice(inside.size, self.rules.sample, replace=False)]] = True
        return replace(case, domain=domain.reshape(case.domain.shape))

    def _convert(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.rules.rescale != "none":
            lowest = scores == scores.min(initial=np.inf)
            scores = ((scores - self.low) / ((self.high - self.low) or 1.0)).astype(np.float32)
            if self.rules.rescale == "unmasked-min-max":
                scores[lowest] = 0.0  # voxels masked out by the chain
        return scores.astype(np.float16).astype(np.float32) if self.rules.half else scores


def slices_of(case: Case) -> Iterator[Case]:
    """The evaluated slices of a patient, one by one."""
    for k in range(case.z.size):
        cut = (slice(None), slice(None), slice(k, k + 1))
        scores, anomaly, domain = case.scores[cut], case.anomaly[cut], case.domain[cut]
        yield replace(case, z=case.z[k : k + 1], scores=scores, anomaly=anomaly, domain=domain)
