"""A claim of determinism is checked by a second run."""

import pytest

from tests.tiny_bench import TinyBench
from uad_bench.benchmark.determinism import check_determinism
from uad_bench.errors import VerificationError

CHANCE = "import os, torch; return batch.image[:, 0] + os.urandom(1)[0] + torch.rand(batch.image[:, 0].shape)"


def check(quick: TinyBench, name: str, **parts: str) -> str:
    entry = quick.write(name, **parts)
    quick.run(entry)
    return check_determinism(quick.runner, quick.plan(entry))


def test_a_method_that_draws_unseeded_noise_is_caught(quick: TinyBench):
    with pytest.raises(VerificationError, match="gave different results for P"):
        check(quick, "chance", score=CHANCE)


def test_a_method_that_draws_from_the_global_generators_is_deterministic(quick: TinyBench):
    assert "identical results" in check(
        quick, "careless", score="import torch; return torch.rand(batch.image[:, 0].shape)"
    )


def test_a_method_that_says_that_it_is_not_deterministic_is_believed(quick: TinyBench):
    added = "import torch\n\ndef mark(cls): cls.deterministic = False; return cls"
    entry = quick.write("honest", top=added, score=CHANCE)
    assert entry.file
    entry.file.write_text(entry.file.read_text() + "mark(Written)\n")
    record = quick.run(entry)
    assert record["method"]["deterministic"] is False
    assert "does not claim determinism" in check_determinism(quick.runner, quick.plan(entry))


def test_the_second_run_leaves_nothing_behind(quick: TinyBench):
    check(quick, "tidy")
    assert [path.name for path in quick.runner.root.iterdir()] == ["tiny"]
