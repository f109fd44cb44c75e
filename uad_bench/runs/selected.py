"""How the weights of a run were selected without labels, as events and records store it."""

from uad_bench.runs.document import Document


class Measurement(Document):
    """AUPRC of implanted anomalies with the weights after this training step."""

    step: int
    auprc: float


class SelectedStep(Document):
    """The training step whose weights were kept.

    Attributes:
        every: training steps between two measurements.
        patients: training patients held out from training, in whose healthy slices anomalies were implanted.
        slices: number of these slices.
        curve: measurements in the last of the method's trainings.
    """

    step: int
    every: int
    patients: tuple[str, ...]
    slices: int
    curve: tuple[Measurement, ...]

    @property
    def auprc(self) -> float:
        """AUPRC of implanted anomalies at the selected step."""
        return next(one.auprc for one in self.curve if one.step == self.step)
