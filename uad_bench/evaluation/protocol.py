"""Evaluation protocols: which slices and voxels are evaluated, how maps are post-processed, how thresholds are chosen.

They are defined in `configs/protocols/`. Protocols with a `published` table replicate the evaluation of a paper, so
that one run's maps can be evaluated under the rules of many papers; their metrics are never ranked.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from uad_bench.config import read_toml, require_file, validate
from uad_bench.errors import ConfigError
from uad_bench.evaluation.postprocessing import Chain, Step, describe
from uad_bench.evaluation.threshold_search import EachUnit, Fixed, Grid, Halving, Linear, Quantiles, UpperQuantile, Yen
from uad_bench.resources import resource_names, resource_path

STRICT = ConfigDict(extra="forbid")
ATLAS_SLICES = 155  # slice ranges of papers are given on the BraTS grid

Aggregation = Literal["pooled", "mean", "slices"]
ReportedName = Annotated[str, Field(pattern=r"^[a-z0-9_]+/(pooled|mean|slices)$")]
Policy = Literal["hFPR1", "hFPR5", "conformal20", "conformal10", "conformal5", "valDice", "oracle"]
Search = Annotated[
    Grid | Linear | Quantiles | Halving | EachUnit | UpperQuantile | Yen | Fixed, Field(discriminator="kind")
]


@dataclass(frozen=True, kw_only=True)
class Published:
    """How a paper's own code computes metrics from score maps.

    Attributes:
        source: the paper, and whether its code or its text was followed.
        side: slice size in pixels that the code uses; None for the scan's own grid.
        rescale: `test-min-max` scales all test maps jointly to [0, 1]; `unmasked-min-max` uses the lowest and highest
            score before masking, and sets masked voxels to 0.
        half: whether scores are rounded to float16.
        area: `step` or `trapezoid` rule for the area under the precision-recall curve.
        search: how the threshold is found; None if no metric at a threshold is reported.
        on: the patients used for the search.
        objective: the Dice that the search maximises.
        strict: whether voxels exactly at the threshold are excluded from the prediction.
        assd: `mm` over all surface voxels, or `pixels` for the mean of both directions' means.
        precision_of_nothing: precision of an empty prediction; None excludes those slices or patients.
        both_empty: Dice of a slice or patient with empty reference and prediction, where any prediction then has
            Dice 0; None excludes those with an empty reference.
        sample: voxels drawn at random from each patient for metrics of voxels; None for all.
        slice_score: how the scores of a slice become one: their `mean`, `max`, or the mean of those above their 90 %
            quantile (`top10pct`).
        numbers: metrics reported by the paper, as `name/aggregation`: `pooled`, `mean` over patients or over `slices`.
        absent: metrics that cannot be computed from maps, with the reason.
        notes: differences from the paper's code.
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
    sample: Annotated[int, Field(ge=1)] | None = None
    slice_score: Literal["mean", "max", "top10pct"] = "mean"
    numbers: tuple[ReportedName, ...] = ()
    absent: dict[ReportedName, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """An evaluation protocol.

    Attributes:
        name: by default that of the file.
        summary: one line for `list protocols`.
        slices: `all`, the `largest` lesion slice of each patient, or the `anomalous` ones.
        within: first and last slice that may be chosen, on a grid of 155; scaled to the scan's number of slices. The
            task's own range applies as well.
        region: `brain` (and every anomalous voxel), or `all` voxels of the image.
        chain: post-processing of every method's maps.
        common: post-processing selected by `--chain common`.
        thresholds: policies, each reported with its own Dice.
        shapes: policies for which lesion and surface metrics are computed.
        published: how a paper's own code evaluates; such metrics are never ranked.
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
        """The chain, separated into steps on scores and on masks."""
        return Chain.of(self.chain)

    @property
    def chain_name(self) -> str:
        """`none`, `common`, or a list of the steps."""
        return "common" if self.chain and self.chain == self.common else describe(self.chain)

    def with_chain(self, name: str) -> "Protocol":
        """The protocol with its `common` chain, or without post-processing.

        Raises:
            ConfigError: the protocol is published, so its chain is fixed.
        """
        if name == "none" and (not self.chain or self.published):
            return self
        if self.published:
            raise ConfigError(f"protocol {self.name} defines its own post-processing chain; omit --chain")
        return replace(self, chain=self.common if name == "common" else ())

    def slice_range(self, depth: int) -> range:
        """Slice indices allowed by the protocol in a scan of this many slices; the task's range is not applied."""
        if self.within is None:
            return range(depth)
        first, last = self.within
        start = min(depth - 1, round(first * depth / ATLAS_SLICES))
        return range(start, min(depth, max(start + 1, round((last + 1) * depth / ATLAS_SLICES))))


def load_protocol(name: str) -> Protocol:
    """A shipped protocol by name, or a protocol from a TOML file."""
    path = Path(name) if name.endswith(".toml") else resource_path(f"configs/protocols/{name}.toml")
    require_file(path, "protocol", name, protocol_names())
    return validate(Protocol, {"name": path.stem, **read_toml(path)}, str(path.name))


def protocol_names() -> list[str]:
    """Names of all shipped protocols: the harness's own first, then the published ones."""
    names = resource_names("configs/protocols", ".toml")
    own = [name for name in ("volume", "largest-slice") if name in names]
    return own + [name for name in names if name not in own]
