"""Does the AUPRC of implants order the checkpoints of a training as the AUPRC of the test patients' lesions does?

    python -m tests.selection_study phantom-tiny 60 5 ae dae synthetic-unet

trains each method for 60 steps, measures every 5, and prints Spearman's rank correlation between the two over the
checkpoints, and the AUPRC of the lesions at the selected step, the last step, and the best one. Lesions are scored on
the slices that methods work on, at their working size. Checkpoints of one training resemble each other, so that the
interval, which takes them for independent, is too narrow.
"""

import math
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from uad_bench.config import compose, load_task
from uad_bench.data.cache import cache_root
from uad_bench.data.cohort import Cohort, gather
from uad_bench.data.preparation import Preprocessing
from uad_bench.data.reference import build_references
from uad_bench.data.store import SliceStore
from uad_bench.data.supervision import ANOMALY, prepare_masks, training_slices
from uad_bench.execution.implant_selector import ImplantSelector
from uad_bench.execution.scoring import score_subject
from uad_bench.execution.stages import describe
from uad_bench.method import Compute, Method, SliceKey
from uad_bench.metrics.ranks import count_ranks_of
from uad_bench.metrics.voxel import average_precision
from uad_bench.plugins.registry import methods

FIELLER = 1.06  # variance of Fisher's z of a rank correlation, times n - 3


@dataclass(slots=True)
class BothMeasured(ImplantSelector):
    """Selects by implants, and also notes the AUPRC of lesions at the same steps."""

    patients: list[tuple[list[SliceKey], Any, np.ndarray]] = field(default_factory=list)
    store: Any = None
    lesions: list[float] = field(default_factory=list)

    def measure(self) -> float:
        scores, anomaly = [], []
        for keys, brain, mask in self.patients:
            found, _ = score_subject(self.method, self.store, keys, device=self.device)
            scores.append(found[brain])
            anomaly.append(mask[brain])
        found = average_precision(count_ranks_of(np.concatenate(scores), np.concatenate(anomaly)))
        self.lesions.append(found.value)
        return super(BothMeasured, self).measure()


def interval(rho: float, n: int) -> tuple[float, float]:
    """95 % interval of Spearman's correlation of n pairs by Fisher's z. Fieller, Hartley and Pearson (1957)."""
    half = 1.96 * math.sqrt(FIELLER / (n - 3))
    z = math.atanh(max(-0.999, min(0.999, rho)))
    return math.tanh(z - half), math.tanh(z + half)


def measured(name: str, cohort: Cohort, *, steps: int, every: int, seed: int = 0) -> BothMeasured:
    """A selector after the training of a registered method."""
    split, task = cohort.splits[0], cohort.task
    method, needs = describe(methods()[name], dict(compose(name, task).params), task.pair)
    store, cache = _store(cohort, tuple(dict.fromkeys((*needs.fit, *needs.score)))), cache_root().resolve()
    references = build_references([cohort.subjects[s] for s in split.test], cohort.census, cache=cache)
    masks = prepare_masks(store, references, cohort.census, cache=cache)
    held_out = cohort.held_out(split)
    selector = BothMeasured.of(method, store, _keys(cohort, held_out), every=every, seed=seed, device="cpu")
    selector.store = store
    for subject in split.test:
        keys = [SliceKey(subject, z) for z in cohort.scored_slices(subject)]
        batch = training_slices(store, keys, (*needs.score, ANOMALY), masks).take(range(len(keys)))
        selector.patients.append((keys, batch.brain_mask[:, 0].numpy(), batch.image[:, -1].numpy() >= 0.5))
    learned = _keys(cohort, [subject for subject in split.train if subject not in held_out])
    _fit(method, store.training(learned, needs.fit), cohort, steps, Compute(seed=seed, selector=selector))
    return selector


def _fit(method: Method, slices: Any, cohort: Cohort, steps: int, compute: Compute) -> None:
    budget = type(cohort.task.budget)(steps, cohort.task.budget.batch_size)
    method.fit(slices, budget=budget, compute=compute)


def _keys(cohort: Cohort, subjects: Any) -> list[SliceKey]:
    return [SliceKey(subject, z) for subject in subjects for z in cohort.healthy_slices(subject)]


def _store(cohort: Cohort, modalities: tuple[str, ...]) -> SliceStore:
    split = cohort.splits[0]
    subjects = [cohort.subjects[name] for name in (*split.train, *split.test)]
    preprocessing = Preprocessing.of(cohort.task, modalities)
    return SliceStore.prepare(subjects, cohort.census, preprocessing, cache=cache_root().resolve())


def main() -> None:
    """Print a row per method."""
    task, steps, every, *names = sys.argv[1:]
    cohort = gather(load_task(task), None, report=lambda _: None)
    print("| method | checkpoints | Spearman [95 %] | at selected step | last | best |\n" + "| --- " * 6 + "|")
    for name in names:
        found = measured(name, cohort, steps=int(steps), every=int(every))
        implants, lesions = np.array([*found.curve.values()]), np.array(found.lesions)
        rho = float(spearmanr(implants, lesions).statistic)
        low, high = interval(rho, len(lesions))
        chosen = lesions[implants.argmax()]
        row = (name, len(lesions), f"{rho:.2f} [{low:.2f}, {high:.2f}]")
        print(
            "| " + " | ".join(map(str, (*row, *(f"{x:.3f}" for x in (chosen, lesions[-1], lesions.max()))))) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
