"""T-JEPA: the loss by hand and what the predictor reads."""

from __future__ import annotations

import pytest
import torch
from changes import generator, normal
from harness import checks
from specs import Spec
from torch import nn

from sslbook.lesson.checks import compare
from sslbook.masks.columns import column_masks
from sslbook.methods.t_jepa import MOMENTUM, jepa_loss, predictor_input, residual
from sslbook.nets import heads

CONTEXT, TARGET = (0.136, 0.368), (0.156, 0.622)  # shares of the official launch script


def case(seed: int, blocks: int = 2, rows: int = 3, columns: int = 8, width: int = 4):
    _, wanted = column_masks(rows, columns, CONTEXT, TARGET, blocks, generator(seed))
    predicted, codes = normal(seed, blocks + 1, rows, columns, width).split((blocks, 1))
    return predicted, codes[0], wanted


def loops(predicted, codes, wanted):
    total = []
    for row, of_row in zip(predicted.flatten(0, 1), wanted.flatten(0, 1), strict=True):
        code = codes[len(total) % len(codes)]
        chosen = of_row.nonzero().flatten().tolist()
        total.append(sum(float((row[j] - code[j]).square().mean()) for j in chosen) / len(chosen))
    return sum(total) / len(total)


def squares(predicted, codes, wanted):
    return (predicted - codes.detach()).square().mean(dim=-1) * wanted


def right(predicted, codes, wanted):
    return (squares(predicted, codes, wanted).sum(dim=-1) / wanted.sum(dim=-1)).mean()


def pooled(predicted, codes, wanted):
    return squares(predicted, codes, wanted).sum() / wanted.sum()


def unwanted_moved(inputs: tuple, by: torch.Generator) -> tuple:
    return torch.where(inputs[2][..., None], inputs[0], 9.0), *inputs[1:]


def rows_reordered(inputs: tuple, by: torch.Generator) -> tuple:
    return inputs[0].flip(1), inputs[1].flip(0), inputs[2].flip(1)


def an_empty_block(inputs: tuple, by: torch.Generator) -> tuple:
    return *inputs[:2], inputs[2].index_fill(0, torch.tensor(0), False)


PREDICTED, CODES, WANTED = case(0)
BLOCKS = torch.zeros(2, 3, 8, dtype=torch.bool)  # of different size
BLOCKS[0, :, :2] = BLOCKS[1, :, :5] = True
test_spec = checks(Spec(
    function=jepa_loss, inputs=case, shapes=[(2, 3), (1, 1), (3, 2, 12, 5)], gradient=(0,),
    stopped=(1,), loops=loops, unchanged_by=[unwanted_moved, rows_reordered], descent=1.0,
    finite=[an_empty_block],
    values=[((torch.zeros(1, 1, 3, 2), torch.tensor([[[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]]]),
              torch.tensor([[[True, True, False]]])), 3.0),  # (1 + 5) / 2
            ((torch.full((2, 3, 8, 4), 0.3), torch.full((3, 8, 4), 0.3), WANTED), 0)],  # collapse
    refused=[(bad, "jepa_loss takes predictions") for bad in (
        (PREDICTED[0], CODES, WANTED), (PREDICTED, CODES[:1], WANTED),
        (PREDICTED, CODES, WANTED[:1]), (PREDICTED, CODES, WANTED.float()))],
    cases=[case(1), case(2, blocks=3), (PREDICTED, CODES, BLOCKS)], right={"by sums": right},
    mutants={
        "no stop-gradient": lambda p, c, w: right(p - c, 0 * c, w),
        "columns of all blocks are pooled": pooled,
        "what is not wanted counts": lambda p, c, w: right(p, c, ~w),
        "the last column is never wanted": lambda p, c, w: right(p, c, w & (torch.arange(8) < 7)),
        "for sixteen columns or more": lambda p, c, w: right(p, c, w) * (1 / (w.shape[-1] // 16)),
        "every column counts": lambda p, c, w: squares(p, c, w | True).mean(),
        "divided by all columns": lambda p, c, w: squares(p, c, w).mean()},
))


# -- what is special to T-JEPA --------------------------------------------------------------------


def test_pooling_all_columns_is_another_loss_where_blocks_differ_in_size_alone():
    predicted, codes, _ = case(1)
    assert not compare(pooled, jepa_loss, [(predicted, codes, BLOCKS)])[0]
    assert compare(pooled, jepa_loss, [(predicted, codes, BLOCKS[:1].expand(2, -1, -1))])[0]


def test_what_is_not_wanted_gets_no_gradient():
    predicted, codes, wanted = case(3)
    jepa_loss(predicted.requires_grad_(), codes, wanted).backward()
    assert float(predicted.grad[~wanted].abs().max()) == 0.0
    assert float(predicted.grad[wanted].abs().min()) > 0.0


def test_predictor_input_and_the_share_of_the_start_that_a_teacher_keeps():
    codes, token = torch.ones(1, 3, 2), torch.tensor([5.0, 6.0])
    made = predictor_input(codes, torch.tensor([[True, False, True]]), token,
                           torch.arange(6.0).view(3, 2))
    assert made.tolist() == [[[1.0, 2.0], [7.0, 9.0], [5.0, 6.0]]]
    teacher, student = heads.Teacher(nn.Linear(1, 1, bias=False)), nn.Linear(1, 1, bias=False)
    nn.init.ones_(teacher.net.weight), nn.init.zeros_(student.weight)
    for _ in range(100):
        teacher.update(student, MOMENTUM)
    assert float(teacher.net.weight) == pytest.approx(0.996**100, rel=1e-4)
    assert residual(100) == pytest.approx(0.996**100)
