"""Evaluation protocols as data: which slices and voxels count, what happens to the maps, how thresholds are chosen.

Files in `configs/protocols/` hold them. Those with a `published` table replay what a paper reports, so that one run's
maps can be read under many papers' rules; their numbers are never ranked.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from uad_bench.config import read_toml, require_file, validate
from uad_bench.errors import ConfigError
from uad_bench.evaluation.postprocessing import Chain, Step, describe
from uad_bench.evaluation.threshold_search import EachUnit, Fixed, Grid, Halving, Linear, Quantiles, Yen
from uad_bench.resources import resource_names, resource_path

STRICT = ConfigDict(extra="forbid")
ATLAS_SLICES = 155  # slice ranges of papers are given on the BraTS grid

Aggregation = Literal["pooled", "mean", "slices"]
Number = Annotated[str, Field(pattern=r"^[a-z0-9_]+/(pooled|mean|slices)$")]
Policy = Literal["hFPR1", "hFPR5", "valDice", "oracle"]
Search = Annotated[Grid | Linear | Quantiles | Halving | EachUnit | Yen | Fixed, Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True)
class Published:
    """How a paper's own code turns score maps into numbers.

    Attributes:
        source: paper, and whether code or text was read.
        side: pixels of a slice's side that the code works at; None for the scan's own grid.
        rescale: `test-min-max` maps all test maps to [0, 1] together; `unmasked-min-max` takes lowest and highest
            score before any voxel is masked out, which then is 0.
        half: scores pass through float16.
        area: `step` or `trapezoid` under the precision-recall curve.
        search: how the threshold is found; None where no Dice can be replayed.
        on: the patients it is found on.
        objective: the Dice that the search maximises.
        strict: a voxel is marked above the threshold, not at it.
        assd: `mm` over all surface voxels, or `pixels` as the mean of both directions' means.
        precision_of_nothing: precision where nothing is marked; None leaves those slices or patients out.
        both_empty: Dice of a slice or patient without anomaly where nothing is marked; None leaves those without
            anomaly out.
        numbers: what the paper reports, as `name/aggregation`: `pooled`, `mean` over patients, or mean over `slices`.
        absent: what cannot be computed from maps, with the reason.
        notes: where the replay departs from the code.
    """

    __pydantic_config__ = STRICT

    source: str
    side: Annotated[int, Field(ge=16, le=512)] | None = None
    rescale: Literal["none", "test-min-max", "unmasked-min-max"] = "none"
    half: bool = False
    area: Literal["step", "trapezoid"] = "step"
    search: Search | None = None
    on: Literal["test", "val"] = "test"
    objective: Aggregation = "pooled"
    strict: bool = True
    assd: Literal["mm", "pixels"] = "mm"
    precision_of_nothing: float | None = None
    both_empty: float | None = None
    numbers: tuple[Number, ...] = ()
    absent: dict[Number, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is evaluated, and how.

    Attributes:
        slices: `all`, the `largest` lesion slice of each patient, or the `anomalous` ones.
        within: first and last slice that may be chosen, on a grid of 155; scaled to the scan's number of slices. The
            task's own range always holds too.
        region: `brain` (and every anomalous voxel), or `all` voxels of the image.
        chain: steps applied to every method's maps; `common` is the chain named so on the command line.
        thresholds: policies of which each gives its own Dice.
        shapes: policies at which lesions and surfaces are compared.
    """

    __pydantic_config__ = STRICT

    name: str = ""
    summary: str = ""
    slices: Literal["all", "largest", "anomalous"] = "all"
    within: tuple[int, int] | None = None
    region: Literal["brain", "all"] = "brain"
    chain: tuple[Step, ...] = ()
    common: tuple[Step, ...] = ()
    thresholds: tuple[Policy, ...] = ("hFPR1", "hFPR5", "valDice", "oracle")
    shapes: tuple[Policy, ...] = ("hFPR5", "valDice")
    published: Published | None = None

    @property
    def steps(self) -> Chain:
        """The chain, sorted into steps on scores and on masks."""
        return Chain.of(self.chain)

    @property
    def chain_name(self) -> str:
        """`none`, `common`, or the steps."""
        return "common" if self.chain and self.chain == self.common else describe(self.chain)

    def with_chain(self, name: str) -> "Protocol":
        """The same protocol with its `common` chain, or with none.

        Raises:
            ConfigError: a published protocol, whose chain is part of it.
        """
        if name == "none" and (not self.chain or self.published):
            return self
        if self.published:
            raise ConfigError(f"protocol {self.name} has the chain of its paper; leave --chain out")
        return replace(self, chain=self.common if name == "common" else ())

    def slice_range(self, depth: int) -> range:
        """The z that may be chosen in a scan of this many slices, the task's own range aside."""
        if self.within is None:
            return range(depth)
        first, last = self.within
        start = min(depth - 1, round(first * depth / ATLAS_SLICES))
        return range(start, min(depth, max(start + 1, round((last + 1) * depth / ATLAS_SLICES))))


def load_protocol(name: str) -> Protocol:
    """The shipped protocol of this name, or the one in a TOML file given by path."""
    path = Path(name) if name.endswith(".toml") else resource_path(f"configs/protocols/{name}.toml")
    require_file(path, "protocol", name, protocol_names())
    return validate(Protocol, {"name": path.stem, **read_toml(path)}, str(path.name))


def protocol_names() -> list[str]:
    """All shipped protocols: our own first, then the published ones."""
    names = resource_names("configs/protocols", ".toml")
    own = [name for name in ("volume", "largest-slice") if name in names]
    return own + [name for name in names if name not in own]
