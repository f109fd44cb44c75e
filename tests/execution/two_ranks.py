"""One of the ranks that torch's launcher starts: `two_ranks.py FILE`. Rank 0 writes how far each result is from alone.

Not a test itself; tests/execution/test_distributed.py starts it.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "methods")]

import torch  # noqa: E402 - the checkout need not be installed
import torch.distributed as dist  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from uad_bench.distributed import current_group  # noqa: E402
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey  # noqa: E402
from uad_bench.plugins.registry import methods  # noqa: E402
from uad_bench.training import Optimisation, train  # noqa: E402
from uad_methods.nn.unet import UNetShape  # noqa: E402

SMALL = {"unet": UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4, dropout=0.1)}
TINY = {
    "ae": {"latent": 8},
    "vae": {"latent": 8},
    "fae": {"widths": (8, 8)},
    "rd": {"width": 8},
    "patch2loc": {"patches": 40, "width": 4, "latent": 8},
    "mmccd": {"stripe_per_batch": True, **SMALL},
}
"""Hyperparameters of small networks; the other methods have a U-Net."""
BUDGET = Budget(10, 5)  # five slices on two ranks: unequal parts


class Slices:
    """Twelve slices of 16 x 16 from four patients whose second channel is three times the first."""

    modalities = ("flair", "t2")

    def __init__(self, *, channels: int = 2, dtype: torch.dtype = torch.float32) -> None:
        x = torch.randn(12, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=dtype)
        self.images = torch.cat([x, 3 * x], dim=1)[:, :channels]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([index])

    def take(self, indices: list[int]) -> SliceBatch:
        image = self.images[list(indices)]
        brain = (
            torch.arange(16).expand(len(image), 1, 16, 16) < torch.tensor([4 + i for i in indices])[:, None, None, None]
        )
        return SliceBatch(image, brain, tuple(SliceKey(f"p{i % 4}", i) for i in indices))


class Everything(nn.Module):
    """What slices share in a batch: dropout's draws and the statistics of batch normalisation, in every place."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(0.3))
        self.back = nn.Sequential(nn.Dropout2d(0.2), nn.GroupNorm(2, 4), nn.Conv2d(4, 1, 3, padding=1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, *, scale: Tensor) -> tuple[Tensor, Tensor]:
        h = self.front(x)
        return self.back(h) * scale[:, None, None, None], h.mean(dim=(1, 2, 3))


def everything() -> dict[str, Tensor]:
    """Train in float64, in which another order of sums shows in the last digits alone."""
    torch.manual_seed(1)
    network = Everything().double()

    def loss(batch: SliceBatch, generator: torch.Generator) -> Tensor:
        x = batch.image[:, :1] + 0.1 * torch.randn(len(batch), 1, 16, 16, generator=generator)
        y, level = network(x, scale=torch.rand(len(x), generator=generator))
        side = network.back(network.front(x[:2]))  # not a call of the network: every rank computes it
        error = (y + network.bias - batch.image[:, 1:]).square() * batch.brain_mask
        return error.sum() / batch.brain_mask.sum() + level.square().mean() + side.square().mean()

    optimisation = Optimisation(learning_rate=0.01, warm_up=1)
    data = Slices(dtype=torch.float64)
    train(network, loss, data, name="all", budget=Budget(10, 5), compute=Compute(), optimisation=optimisation)
    return network.state_dict()


def trained(name: str) -> dict[str, Tensor]:
    """What a method scores after a short training."""
    method = methods()[name].load()(**TINY.get(name, SMALL))
    data = Slices(channels=len(method.modalities.fit))
    method.fit(data, budget=BUDGET, compute=Compute(seed=3))
    return {"scores": method.score(Slices(channels=len(method.modalities.score)).take(range(4)))}


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Largest difference, relative to the largest value of each tensor."""
    return max(float((a[k] - b[k]).abs().max() / a[k].abs().max().clamp(min=1e-12)) for k in a)


def main(file: str, *names: str) -> None:
    torch.set_num_threads(1)
    jobs: dict[str, Callable[[], dict[str, Tensor]]] = {name: partial(trained, name) for name in names}
    jobs["everything"] = everything
    alone = {name: job() for name, job in jobs.items()} if os.environ["RANK"] == "0" else {}
    dist.init_process_group("gloo")
    together = {name: job() for name, job in jobs.items()}
    said = {name: difference(alone[name], together[name]) for name in alone}
    mine = torch.cat([value.flatten().double() for result in together.values() for value in result.values()])
    both = [torch.zeros_like(mine), torch.zeros_like(mine)]
    dist.all_gather(both, mine)
    said |= {"between ranks": float((both[0] - both[1]).abs().max()), "size": current_group().size}
    if current_group().rank == 0:
        Path(file).write_text(json.dumps(said))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
