"""One of two processes that train together: `two_ranks.py RANK PORT`. Rank 0 prints how far each result is from alone.

Not a test itself; tests/test_distributed.py starts it.
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "methods")]

import torch  # noqa: E402 - the checkout need not be installed
import torch.distributed as dist  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from uad_bench.distributed import current_group, divided  # noqa: E402
from uad_bench.method import Budget, Compute, SliceBatch, SliceKey  # noqa: E402
from uad_bench.training import Optimisation, train  # noqa: E402
from uad_methods.ae import AE  # noqa: E402
from uad_methods.dae import DAE  # noqa: E402
from uad_methods.ddpm import DDPM  # noqa: E402
from uad_methods.mmccd import MMCCD  # noqa: E402
from uad_methods.nn.unet import UNetShape  # noqa: E402
from uad_methods.vae import VAE  # noqa: E402

SHAPE = UNetShape(width=8, multipliers=(1, 2), blocks=1, groups=4)
BUDGET = Budget(4, 5)  # five slices on two ranks: unequal parts
METHODS = {
    "ae": AE(latent=8, dropout=0.0),
    "vae": VAE(latent=8, dropout=0.2),
    "dae": DAE(unet=SHAPE),
    "ddpm": DDPM(unet=SHAPE),
    "mmccd": MMCCD(unet=SHAPE, stripe_per_batch=True),
}


class Slices:
    """Twelve slices of 16 x 16 whose second channel is three times the first."""

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
        return SliceBatch(image, brain, tuple(SliceKey("p", i) for i in indices))


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
        side = network.back(network.front(x[:2]))  # not the whole batch: every rank computes it
        error = (y + network.bias - batch.image[:, 1:]).square() * batch.brain_mask
        return error.sum() / batch.brain_mask.sum() + level.square().mean() + side.square().mean()

    optimisation = Optimisation(learning_rate=0.01, warm_up=1)
    data = Slices(dtype=torch.float64)
    train(network, loss, data, name="all", budget=Budget(6, 5), compute=Compute(), optimisation=optimisation)
    return network.state_dict()


def gradients_of_one_step() -> dict[str, Tensor]:
    """Gradients before any update, with a network of plain convolutions."""
    torch.manual_seed(2)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 1, 3, padding=1))
    batch = Slices().take([0, 1, 2])
    with divided(network, n=3) as group:
        (F.mse_loss(network(batch.image[:, :1]), batch.image[:, 1:]) / group.size).backward()
    return {name: group.add_up(weight.grad.clone()) for name, weight in network.named_parameters()}


def scores_of(name: str) -> dict[str, Tensor]:
    """Score maps of a method after a short training."""
    method = METHODS[name]
    data = Slices(channels=len(method.modalities.fit))
    method.fit(data, budget=BUDGET, compute=Compute(seed=3))
    batch = Slices(channels=len(method.modalities.score)).take(range(4))
    return {"scores": method.score(batch)}


def results() -> Iterator[tuple[str, dict[str, Tensor]]]:
    jobs: dict[str, Callable[[], dict[str, Tensor]]] = {"everything": everything, "gradients": gradients_of_one_step}
    for name, job in jobs.items():
        yield name, job()
    for name in METHODS:
        yield name, scores_of(name)


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Largest difference, relative to the largest value of each tensor."""
    return max(float((a[k] - b[k]).abs().max() / a[k].abs().max().clamp(min=1e-12)) for k in a)


def main(rank: int, port: int) -> None:
    torch.set_num_threads(1)
    alone = dict(results())
    store = dist.TCPStore("127.0.0.1", port, 2, is_master=rank == 0, timeout=timedelta(seconds=120))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    together = dict(results())
    said = {name: difference(alone[name], together[name]) for name in alone}
    mine = torch.cat([value.flatten().double() for result in together.values() for value in result.values()])
    both = [torch.zeros_like(mine), torch.zeros_like(mine)]
    dist.all_gather(both, mine)
    said |= {"between ranks": float((both[0] - both[1]).abs().max()), "size": current_group().size}
    if rank == 0:
        print(json.dumps(said))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
