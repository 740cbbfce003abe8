"""What sits on a backbone while it pretrains: projector, predictor, EMA teacher, joint modules."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def projector(*sizes: int, bias: bool = False) -> nn.Sequential:
    """Linear, BatchNorm, ReLU between the given widths; the last layer is linear alone.

    (B, sizes[0]) -> (B, sizes[-1]). Source: facebookresearch/barlowtwins (no biases before a
    BatchNorm, none in the last layer); `bias` gives the last layer one, as in SimCLR.
    """
    layers: list[nn.Module] = []
    for before, after in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1], bias=bias))


def predictor(width: int, hidden: int) -> nn.Sequential:
    """The two-layer predictor of BYOL and SimSiam: (B, width) -> (B, width)."""
    return projector(width, hidden, width, bias=True)


class Siamese(nn.Module):
    """One encoder and one projector that see every view.

    Call with batch = (v1, v2), each (B, C, S, S), and a loss of two embeddings (B, D). Both views
    go through the encoder as one batch of 2B, so BatchNorm sees them together.
    Returns {"loss": scalar, "z": first view's embeddings without gradient}.
    """

    def __init__(self, encoder: nn.Module, projector: nn.Module):
        super().__init__()
        self.encoder, self.projector = encoder, projector

    def encode(self, x: Tensor) -> Tensor:
        """Features h: (B, C, S, S) -> (B, out_dim). What is kept after pretraining."""
        return self.encoder(x)

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings z: (B, C, S, S) -> (B, D). What the loss sees."""
        return self.projector(self.encoder(x))

    def forward(self, batch: tuple[Tensor, Tensor], loss: Callable[..., Tensor]) -> dict[str, Any]:
        z1, z2 = self.embed(torch.cat(batch)).chunk(2)
        return {"loss": loss(z1, z2), "z": z1.detach()}


class Teacher(nn.Module):
    """A copy of the student that follows it as an exponential moving average.

    `update(student, momentum)`: weights become momentum * teacher + (1 - momentum) * student;
    buffers (BatchNorm statistics) are copied. Source: He et al. 2020, Grill et al. 2020.
    """

    def __init__(self, student: nn.Module):
        super().__init__()
        self.net = copy.deepcopy(student).requires_grad_(False)

    def forward(self, *args: Any) -> Any:
        with torch.no_grad():
            return self.net(*args)

    @torch.no_grad()
    def update(self, student: nn.Module, momentum: float) -> None:
        mine = list(self.net.parameters())
        theirs = [p.detach() for p in student.parameters()]
        torch._foreach_lerp_(mine, theirs, 1.0 - momentum)
        for own, other in zip(self.net.buffers(), student.buffers(), strict=True):
            own.copy_(other)


class StudentTeacher(nn.Module):
    """A student that predicts, from one view, the embedding that a target gives the other view.

    encoder, projector: the student. predictor: (B, D) -> (B, D); None predicts nothing.
    teacher: True for a moving average of the student, which a hook such as `follow("teacher",
    "student")` moves; False where the student itself gives the targets, with their gradient:
    stopping it is then up to the loss.

    Call with batch = (v1, v2), each (B, C, S, S), and a loss of (p1, p2, z1, z2), each (B, D):
    predictions from views 1 and 2, targets of views 1 and 2. All views go through a network as one
    batch of 2B. Returns {"loss": scalar, "z": the student's embeddings of the first view}.
    """

    def __init__(self, encoder: nn.Module, projector: nn.Module,
                 predictor: nn.Module | None = None, *, teacher: bool = True):
        super().__init__()
        self.student = nn.Sequential(encoder, projector)
        self.predictor = nn.Identity() if predictor is None else predictor
        self.teacher = Teacher(self.student) if teacher else None

    @property
    def encoder(self) -> nn.Module:
        """The student's encoder: what is kept after pretraining."""
        return self.student[0]

    def encode(self, x: Tensor) -> Tensor:
        """Features h of the student: (B, C, S, S) -> (B, out_dim)."""
        return self.encoder(x)

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings z of the student: (B, C, S, S) -> (B, D)."""
        return self.student(x)

    def forward(self, batch: tuple[Tensor, Tensor], loss: Callable[..., Tensor]) -> dict[str, Any]:
        both = torch.cat(batch)
        z = self.embed(both)
        targets = z if self.teacher is None else self.teacher(both)
        value = loss(*self.predictor(z).chunk(2), *targets.chunk(2))
        return {"loss": value, "z": z.chunk(2)[0].detach()}


def follow(
    teacher: str, student: str, start: float = 0.996, end: float = 1.0
) -> Callable[[nn.Module, int, int], None]:
    """An `after_step` hook: the module's `teacher` follows its `student`, momentum from start
    to end along a half cosine (Grill et al. 2020, section 3)."""

    def hook(module: nn.Module, step: int, steps: int) -> None:
        momentum = end - (end - start) * (math.cos(math.pi * step / max(1, steps)) + 1) / 2
        module.get_submodule(teacher).update(module.get_submodule(student), momentum)

    return hook
