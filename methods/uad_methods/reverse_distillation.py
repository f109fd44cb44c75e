"""Reverse distillation (RD): a student rebuilds a teacher's features. Deng and Li (2022), arXiv 2201.10703.

It does so through a bottleneck and has learned it on healthy slices only, so that what is unlike them gets lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uad_bench.method import Budget, Compute, SliceBatch, SliceDataset
from uad_methods.features import FeatureMethod, Features, resize
from uad_methods.networks import Size
from uad_methods.nn.distillation import Student


class TeacherAndStudent(nn.Module):
    """Slices (N, 1, H, W) in, the sum over levels of 1 - cosine of both's features out, (N, 1, h, w)."""

    def __init__(self, teacher: Features, width: int) -> None:
        super().__init__()
        self.teacher = teacher
        self.student = Student(teacher.channels, width=width)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.teacher.maps(x)
        apart = [_apart(one, answer) for one, answer in zip(maps, self.student(maps), strict=True)]
        return torch.stack([resize(one, maps[0]) for one in apart]).sum(dim=0)


@dataclass(kw_only=True)
class ReverseDistillation(FeatureMethod):
    """score = sum over levels of 1 - cosine of the teacher's and the student's features.

    Attributes:
        width: channels of the bottleneck.
    """

    levels: tuple[int, ...] = (4, 8, 16)
    width: int = 128

    def build(self, size: Size) -> dict[str, nn.Module]:  # noqa: ARG002 - convolutions fit any size
        return {"student": TeacherAndStudent(Features(self.levels, self.enlarge), self.width)}

    def fit(self, train: SliceDataset, *, budget: Budget, compute: Compute) -> Self:
        self.start(train, compute)
        self.learn("student", self._loss, train, budget)
        return self

    def score(self, batch: SliceBatch) -> Tensor:
        x = self.ready(batch).image
        return resize(self.predict("student", x), x)[:, 0]

    def _loss(self, batch: SliceBatch, _: torch.Generator) -> Tensor:
        loss: Tensor = self.networks_["student"](batch.image).mean()
        return loss


def _apart(teacher: Tensor, student: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(teacher.float(), student.float(), dim=1)[:, None]
