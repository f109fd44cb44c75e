"""The embedded default dataset: simulated brain MRI from random anatomies, with lesions and exact masks."""

from pathlib import Path
from typing import ClassVar

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.phantom.cohort import case_files, case_name, ensure_cohort, ensure_counterfactual
from uad_bench.datasets.phantom.patient import lesion_kind
from uad_bench.datasets.phantom.scanner import MODALITIES
from uad_bench.datasets.phantom.variants import VARIANTS, VERSION
from uad_bench.errors import unknown
from uad_bench.method import Modality, Report

__all__ = ["VARIANTS", "VERSION", "Phantom"]


class Phantom:
    """A cohort of phantom patients below a folder, generated on first use.

    Args:
        root: folder of generated cohorts; this one is located in `<variant>-v<version>-<seed>`.
        variant: key of `VARIANTS`.
        seed: different seeds give different patients.
        report: called with `Progress` while patients are generated.

    Raises:
        ConfigError: the variant is unknown.
    """

    embedded: ClassVar[bool] = True  # generated below a cache folder; needs no data

    def __init__(self, root: Path, *, variant: str = "phantom", seed: int = 0, report: Report | None = None) -> None:
        if variant not in VARIANTS:
            raise unknown("phantom variant", variant, VARIANTS)
        self.variant = variant
        self.seed = seed
        self.folder = Path(root) / f"{variant}-v{VERSION}-{seed}"
        self._report = report

    def subjects(self) -> list[Subject]:
        """All patients, in order of their index; missing files are generated first."""
        ensure_cohort(self.folder, variant=self.variant, seed=self.seed, report=self._report)
        return [self._subject(index) for index in range(VARIANTS[self.variant].patients)]

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Ids of the dataset's own split: train, val, test."""
        settings = VARIANTS[self.variant]
        ids = tuple(case_name(self.variant, index) for index in range(settings.patients))
        fitted = settings.train + settings.val
        return {"train": ids[: settings.train], "val": ids[settings.train : fitted], "test": ids[fitted:]}

    def counterfactual(self, subject_id: str, modality: Modality) -> ImageFile:
        """The scan that the same scanner would have made without the lesion; generated on first use.

        Same head, protocol, noise and grey levels, so that it equals the scan away from the lesion.
        """
        index = int(subject_id.removeprefix(f"{self.variant}-"))
        return ImageFile(ensure_counterfactual(self.folder, self.variant, self.seed, index, modality))

    def _subject(self, index: int) -> Subject:
        case = case_name(self.variant, index)
        files = {name: ImageFile(path) for name, path in case_files(self.folder, case).items()}
        images = {modality: files[modality] for modality in MODALITIES}
        kind = lesion_kind(self.variant, self.seed, index)
        return Subject(case, images, label=files["seg"], attributes={"lesion": kind})
