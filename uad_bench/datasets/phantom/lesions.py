"""Lesions: random location, size and composition, and their exact fraction of every voxel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom.anatomy import Brain, Flat, load_atlas
from uad_bench.datasets.phantom.deformation import MNI_TO_ADULT, MassEffect
from uad_bench.datasets.phantom.grid import CENTRE

LABELS: Mapping[str, int] = {"oedema": 2, "plaque": 2, "mismatch": 2, "core": 1, "necrosis": 1, "rim": 4}
SPARED = ("csf", "vessel", "dura")  # tissues that a lesion does not replace
EFFACED = np.float32(0.75)  # fraction of the CSF within a lesion that is displaced


@dataclass(frozen=True, slots=True)
class Plan:
    """Kind, location and size of one patient's lesion, before its shape is drawn.

    Attributes:
        kind: key of `KINDS`.
        centre: (3,) patient coordinates in mm.
        radius: radius in mm of a sphere with the volume of the whole lesion (of the largest one).
        mass: mass effect, if any.
    """

    kind: str
    centre: NDArray[np.float64]
    radius: float
    mass: MassEffect | None


def draw_plan(rng: np.random.Generator, kind: str, *, scale: float = 1.0) -> Plan:
    """Draw a lesion of one kind at a random location in white matter; `scale` multiplies its volume."""
    centre = _draw_centre(rng)
    median, spread = VOLUMES[kind]
    volume = scale * median * np.exp(spread * np.clip(rng.standard_normal(), -2.5, 0.8))  # mm^3
    radius = float((3 * volume / (4 * np.pi)) ** (1 / 3))
    strength = rng.uniform(0.1, 0.5) if kind in PUSHING else 0.0
    return Plan(kind, centre, radius, MassEffect(centre, 0.9 * radius, strength) if strength else None)


def paint(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """Add the lesion to the tissue fractions of the brain; tissue is replaced, CSF is partly displaced."""
    KINDS[plan.kind](rng, brain, plan)


def _draw_centre(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a point inside cerebral white matter, in patient mm (before the smooth displacement)."""
    atlas = load_atlas()
    candidates = np.argwhere((atlas.white > 0.6) & (atlas.support > 0.99)) * atlas.spacing + atlas.origin
    candidates = candidates[(candidates[:, 2] > -8) & (candidates[:, 0] > 12)]
    point = candidates[rng.integers(len(candidates))] * [rng.choice([-1, 1]), 1, 1]
    return np.asarray((point - CENTRE) * MNI_TO_ADULT + CENTRE)


def _glioblastoma(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """Oedema along the white matter around a ring-enhancing core with necrosis."""
    level = _level(rng, brain, plan)  # mm inside (+) the whole lesion
    core = _level(rng, brain, plan, part=rng.uniform(0.35, 0.75), roughness=0.18)
    thickness = rng.uniform(1.5, 4.5) + 1.2 * brain.field(rng, length=10.0)
    inner = _edge(core - np.clip(thickness, 0.5, None), 0.8)
    core_share = _edge(core, 0.8)
    infiltrated = _infiltrate(rng, brain, level)
    _replace(brain, {"oedema": infiltrated * (1 - core_share), "rim": core_share - inner, "necrosis": inner})


def _lower_grade(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """A homogeneous core without enhancement and a thin margin of oedema."""
    level = _level(rng, brain, plan)
    core = _edge(_level(rng, brain, plan, part=rng.uniform(0.6, 0.9), roughness=0.15), 1.2)
    _replace(brain, {"oedema": _infiltrate(rng, brain, level) * (1 - core), "core": core})


def _mismatch(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """T2-FLAIR mismatch of some gliomas: isointense to grey matter on FLAIR, bright on T2, dark on T1."""
    level = _level(rng, brain, plan, roughness=0.15)
    inner = _edge(level - rng.uniform(1, 3), 1.0)
    _replace(brain, {"oedema": _edge(level, 1.0) - inner, "mismatch": inner})


def _infiltrating(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """Diffuse oedema only, nearly isointense in some places."""
    _replace(brain, {"oedema": _infiltrate(rng, brain, _level(rng, brain, plan))})


def _plaques(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """Many small ovoid white-matter lesions, mostly near the ventricles, as in multiple sclerosis."""
    position, rough = brain.position(), brain.field(rng, length=5.0)
    level = np.full(rough.shape, -np.inf, dtype=np.float32)
    for place in _draw_places(rng, brain, plan, count=int(rng.integers(6, 25))):
        radius = plan.radius * np.exp(0.45 * rng.standard_normal() - 0.4)
        stretch = np.exp(0.3 * rng.standard_normal(3))[:, None]
        distance = np.sqrt((((position - place[:, None]) / stretch) ** 2).sum(0))
        level = np.asarray(np.maximum(level, radius * (1 + 0.3 * rough) - distance), dtype=np.float32)
    _replace(brain, {"plaque": _edge(level, 0.7)})


def _draw_places(rng: np.random.Generator, brain: Brain, plan: Plan, *, count: int) -> NDArray[np.float32]:
    """Draw centres (count, 3) in mm, in white matter less than 30 mm above or below the centre of the plan."""
    position = brain.position()
    nearby = np.abs(position[2] - plan.centre[2]) < 30
    chance = (0.05 + brain.blurred(brain.ventricle, sigma=4.0)) * (brain.share["white"] > 0.7) * nearby
    chosen = np.searchsorted(np.cumsum(chance, dtype=np.float64), rng.random(count) * chance.sum(dtype=np.float64))
    return np.asarray(position[:, np.minimum(chosen, chance.size - 1)].T)


def _none(rng: np.random.Generator, brain: Brain, plan: Plan) -> None:
    """A healthy subject."""


def _level(rng: np.random.Generator, brain: Brain, plan: Plan, *, part: float = 1.0, roughness: float = 0.28) -> Flat:
    """Approximate signed distance in mm (positive inside) to a rough ellipsoid with `part` of the plan's radius."""
    radius = plan.radius * part
    axes = np.exp(0.18 * rng.standard_normal(3))
    axes /= np.prod(axes) ** (1 / 3)
    shift = rng.normal(0, 0.12 * (1 - part) * plan.radius + 1e-6, 3)
    offset = (brain.position() - (plan.centre + shift)[:, None]) / axes[:, None]
    rough = brain.field(rng, length=max(0.8 * radius, 4.0)) + 0.5 * brain.field(rng, length=max(0.35 * radius, 3.0))
    level = radius * (1 + roughness * rough) - np.sqrt((offset**2).sum(0))
    return np.asarray(level - _falx(brain, plan), dtype=np.float32)


def _falx(brain: Brain, plan: Plan) -> Flat:
    """Distance in mm subtracted beyond the midline, so that a lesion crosses only through the corpus callosum."""
    beyond = -brain.atlas_points[0] * np.sign(plan.centre[0])
    callosum = brain.blurred(brain.share["white"], sigma=2.0) * _edge(12 - beyond, 1.0)
    return 20 * _edge(beyond, 1.0) * (1 - callosum)


def _infiltrate(rng: np.random.Generator, brain: Brain, level: Flat) -> Flat:
    """Oedema that follows white matter and fades at its edge."""
    white = brain.blurred(brain.share["white"], sigma=1.5)
    return _edge(level + 9 * (white - 0.55) + 1.5 * brain.field(rng, length=5.0), rng.uniform(1.0, 2.2))


def _edge(level: Flat, width: float) -> Flat:
    return np.asarray(1 / (1 + np.exp(-np.clip(level / width, -30, 30))), dtype=np.float32)


def _replace(brain: Brain, parts: Mapping[str, Flat]) -> None:
    """Replace tissue by the parts of the lesion, after displacing some of the CSF within."""
    whole = np.asarray(sum(parts.values()), dtype=np.float32)
    _efface(brain, whole)
    spared = np.asarray(sum(brain.share[name] for name in SPARED), dtype=np.float32)
    for name in brain.share.keys() - set(SPARED):
        brain.share[name] = brain.share[name] * (1 - whole)
    brain.share.update({name: np.asarray(part * (1 - spared), dtype=np.float32) for name, part in parts.items()})


def _efface(brain: Brain, whole: Flat) -> None:
    pressed = EFFACED * whole * brain.share["csf"]
    soft = 1 - np.asarray(sum(brain.share[name] for name in SPARED), dtype=np.float32)
    brain.share["csf"] = brain.share["csf"] - pressed
    for name in brain.share.keys() - set(SPARED):
        growth = 1 + pressed / np.maximum(soft, np.float32(1e-6))
        brain.share[name] = np.asarray(brain.share[name] * growth, dtype=np.float32)


VOLUMES: Mapping[str, tuple[float, float]] = {  # median mm^3 and log-normal spread
    "glioblastoma": (190_000, 0.5),
    "lower-grade": (140_000, 0.6),
    "mismatch": (100_000, 0.7),
    "infiltrating": (160_000, 0.7),
    "plaques": (250, 0.6),
    "none": (1, 0.0),
}
PUSHING = ("glioblastoma", "lower-grade", "mismatch")
KINDS: Mapping[str, Callable[[np.random.Generator, Brain, Plan], None]] = {
    "glioblastoma": _glioblastoma,
    "lower-grade": _lower_grade,
    "mismatch": _mismatch,
    "infiltrating": _infiltrating,
    "plaques": _plaques,
    "none": _none,
}
