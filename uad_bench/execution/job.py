"""What is to be done for one run."""

from dataclasses import dataclass

from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort
from uad_bench.data.splits import Split
from uad_bench.plugins.registry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was asked for: all of a record that is known before anything runs."""

    experiment: Experiment
    entry: Entry
    cohort: Cohort
    split: Split
    device: str

    @property
    def labelled(self) -> bool:
        """Whether it is known of anybody who is tested where they are anomalous."""
        return any(self.cohort.census[name].labelled for name in self.split.test)
