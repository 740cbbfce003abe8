"""Variants for the masked autoencoder: what counts and how, and another transformer's cost."""

from __future__ import annotations

import random

from sslbook.course import variants
from sslbook.course.variants import Assignment, Question, Task

_KNOBS = {"counted": ("hidden", "visible"), "error": ("square", "abs"),
          "average": ("batch", "image"), "divide": ("P - 1", "P")}
_BOOK = {"counted": "hidden", "error": "square", "average": "batch", "divide": "P - 1"}
_AVERAGE = {
    "batch": ("Every such patch of the batch has the same weight.",
              "(error * weight).sum() / weight.sum()"),
    "image": ("Average over the patches of each image first, then over the images, so that every "
              "image has the same weight.", "((error * weight).sum(1) / weight.sum(1)).mean()"),
}
_ERRORS = {"square": "squared", "abs": "absolute"}
_CELL = """\
def my_loss(prediction, patches, mask):
    # (B, L, P), (B, L, P), (B, L) with 1 where hidden -> scalar
    # blank: return (prediction - patches).abs().mean()
    ### BEGIN SOLUTION
    mean = patches.mean(dim=2, keepdim=True)
    variance = patches.var(dim=2, keepdim=True, correction={correction})
    target = (patches - mean) / (variance + 1e-6).sqrt()
    error = (prediction - target).{error}().mean(dim=2)  # (B, L)
    weight = {weight}
    return {average}
    ### END SOLUTION"""


def _loss(draw: random.Random) -> Task:
    knobs = variants.choose(draw, _KNOBS, _BOOK)
    about, average = _AVERAGE[knobs["average"]]
    text = (f"### What counts\n\nWrite `my_loss(prediction, patches, mask)`: the mean "
            f"{_ERRORS[knobs['error']]} error over the *{knobs['counted']}* patches alone. {about} "
            "The target is each patch with mean 0 and variance 1 over its $P$ values; the variance "
            f"divides by ${knobs['divide']}$, and $10^{{-6}}$ is added to it before the root.")
    cell = _CELL.format(correction=int(knobs["divide"] == "P - 1"), error=knobs["error"],
                        weight="mask" if knobs["counted"] == "hidden" else "1 - mask",
                        average=average)
    one, two, three, four = variants.seeds(draw, 4)
    cases = (f"[(drawn(3, 5, 12, seed={one}), drawn(3, 5, 12, seed={two}),\n"
             "          torch.tensor([[1.0, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 0, 1]])),\n"
             f"         (drawn(2, 3, 6, seed={three}), drawn(2, 3, 6, seed={four}),\n"
             "          torch.tensor([[1.0, 0, 0], [0, 1, 1]]))]")
    case = ("(torch.tensor([[[0.0, 1, 0, 1], [1, 1, 0, 2]], [[0.0, 3, 0, 0], [0, 1, 2, 1]]]),\n"
            "        torch.tensor([[[1.0, 2, 3, 4], [0, 1, 0, 3]], [[2.0, 2, 4, 0], [1, 0, 0, 1]]]"
            "),\n        torch.tensor([[1.0, 0], [0, 1]]))")
    return variants.compared("my_loss", text, cell, case=case, cases=cases,
                             note=f"Drawn: {knobs}. The book's own is {_BOOK}.")


def _cost(draw: random.Random) -> Task:
    wide, extra = draw.choice((2, 3, 6)), draw.choice((1, 4))
    text = (f"### Another transformer\n\nWrite `my_cost(tokens, width, depth)`: the "
            "multiplications of one forward pass through `depth` blocks, counted as in the chapter "
            "(queries, keys, values, output map, both products of attention, the two-layer net). "
            f"This one's inner layer is {wide} times as wide as a token, and {extra} extra "
            f"token{'s' if extra > 1 else ''} of its own run{'' if extra > 1 else 's'} along with "
            "the `tokens` patches.")
    cell = ("def my_cost(tokens, width, depth):\n    # whole numbers -> whole number\n"
            "    # blank: return tokens * width * depth\n    ### BEGIN SOLUTION\n"
            f"    t = tokens + {extra}\n    maps = {4 + 2 * wide} * t * width**2\n"
            "    return depth * (maps + 2 * t**2 * width)\n    ### END SOLUTION")
    sizes = [(draw.randrange(20, 400), 64 * draw.randrange(1, 16), draw.randrange(2, 25))
             for _ in range(3)]
    return variants.compared("my_cost", text, cell, case="(4, 8, 2)", cases=f"{sizes}",
                             points=(1, 1), note=f"Drawn: inner width {wide}, extra {extra}.")


_QUESTIONS = (
    Question(
        "ratio",
        "Hiding 25 % of the patches gives sharper drawings than hiding 75 %, and poorer features. "
        "How can both be true, and which number would you look at to choose the ratio? At most 120 "
        "words.",
        ((2, "with many visible neighbours copying and smoothing suffice; little must be known"),
         (1, "the losses of two ratios are those of two tasks, and cannot be compared"),
         (1, "a probe of the features on a part of the training set kept for choosing")),
        "A patch with visible neighbours is filled by continuing edges and colours. With few "
        "neighbours the network must know what is in the image. Losses at two ratios belong to "
        "tasks of two difficulties; a probe on held-out training data compares the features."),
    Question(
        "leak",
        "A colleague feeds the encoder all patches, with hidden ones set to 0, and places a mask "
        "token only in the decoder. Name two consequences. At most 120 words.",
        ((2, "the cost: the encoder computes on all tokens, so the saving is lost"),
         (2, "a shift: in pretraining most inputs are zero patches, later none are")),
        "The encoder pays for all tokens, and attention for their square. It also learns on "
        "inputs that are mostly zero patches, which never occur when it is used."),
)


def assignment(draw: random.Random) -> Assignment:
    """The drawn loss, a drawn transformer's cost, a drawn question."""
    return Assignment("mae", (_loss(draw), _cost(draw)), (draw.choice(_QUESTIONS),))
