"""Variants for DCL: who is left in the denominator, and the coupling on another fixture."""

from __future__ import annotations

import random

from sslbook.course import variants
from sslbook.course.variants import Assignment, Question, Task

_KNOBS = {"negatives": ("all", "own", "other"), "margin": ("0", "0.1", "0.2"),
          "weight": ("1", "2", "0.5")}
_BOOK = {"negatives": "all", "margin": "0", "weight": "1"}
_NEGATIVES = {
    "all": ("the $2(N-1)$ views of all other images", "image == image.T"),
    "own": ("the $N-1$ views of other images that come from the *same* side (first views for a "
            "first view, second for a second)", "(image == image.T) | (side != side.T)"),
    "other": ("the $N-1$ views of other images that come from the *other* side (second views for "
              "a first view, and the other way round)", "(image == image.T) | (side == side.T)"),
}
_CELL = """\
def similarities(z1, z2):
    z = torch.cat([z1, z2])  # (2N, D): the views of z1, then those of z2
    z = z / z.norm(dim=1, keepdim=True)
    return z @ z.T  # (2N, 2N) cosines


def my_loss(z1, z2, tau):
    # (N, D), (N, D), temperature -> scalar, in nats
    # blank: return 0.0 * similarities(z1, z2).sum()
    ### BEGIN SOLUTION
    s, n = similarities(z1, z2), len(z1)
    image = torch.arange(n).repeat(2)[:, None]  # (2N, 1)
    side = torch.arange(2).repeat_interleave(n)[:, None]  # (2N, 1)
    out = {out}
    sibling = s.diagonal(n).repeat(2) - {margin}
    others = (s / tau).masked_fill(out, -torch.inf).logsumexp(dim=1)
    return ({weight} * others - sibling / tau).mean()
    ### END SOLUTION"""


def _loss(draw: random.Random) -> Task:
    knobs = variants.choose(draw, _KNOBS, _BOOK)
    who, out = _NEGATIVES[knobs["negatives"]]
    margin, weight = knobs["margin"], knobs["weight"]
    less = "" if margin == "0" else f"\\,(s_{{ij}}-{margin})"
    sibling = f"-{less or 's_{ij}'}/\\tau"
    factor = "" if weight == "1" else f"{weight}\\,"
    text = ("### Another denominator\n\nWrite `my_loss(z1, z2, tau)`, the mean over the $2N$ views "
            f"of\n\n$${sibling}+{factor}\\log\\sum_{{k}}e^{{s_{{ik}}/\\tau}}$$\n\n$s$ are cosines, "
            f"$j$ is the sibling of $i$, and $k$ runs over the negatives: {who}.")
    cell = _CELL.format(out=out, margin=margin, weight=weight)
    one, two, three, four = variants.seeds(draw, 4)
    cases = (f"[(drawn(5, 3, seed={one}), drawn(5, 3, seed={two}), 0.5),\n"
             f"         (drawn(3, 6, seed={three}), drawn(3, 6, seed={four}), 0.2)]")
    case = "(torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 1], [1, 0]]), 0.5)"
    return variants.compared("my_loss", text, cell, case=case, cases=cases,
                             note=f"Drawn: {knobs}. The book's own is {_BOOK}.")


def _coupling(draw: random.Random) -> Task:
    sibling, negative = draw.choice(("0.9", "0.8", "0.6")), draw.choice(("0.1", "0.2", "-0.1"))
    text = ("### The coupling on another fixture\n\nNT-Xent's gradient of a view is $q$ times that "
            f"of DCL. Here every sibling has the cosine {sibling}, and every negative {negative}. "
            "Write `my_coupling(n, tau)`: $q$ for a batch of `n` images, as a number.")
    cell = ("import math\n\n\ndef my_coupling(n, tau):\n    # images, temperature -> number\n"
            "    # blank: return 0.0 * n\n    ### BEGIN SOLUTION\n"
            f"    negatives = 2 * (n - 1) * math.exp({negative} / tau)\n"
            f"    return negatives / (negatives + math.exp({sibling} / tau))\n"
            "    ### END SOLUTION")
    sizes = [draw.randrange(3, 400) for _ in range(3)]
    cases = f"[({sizes[0]}, 0.1), ({sizes[1]}, 0.5), ({sizes[2]}, 1.0)]"
    return variants.compared("my_coupling", text, cell, case="(2, 1.0)", cases=cases,
                             points=(1, 1),
                             note=f"Drawn: sibling {sibling}, negatives {negative}.")


_QUESTIONS = (
    Question(
        "when",
        "Two groups compare DCL with NT-Xent. One trains with 32 images and temperature 0.1, the "
        "other with 4096 and 0.5. Who should see a difference, and why? Which comparison would be "
        "unfair? At most 120 words.",
        ((2, "the first: q is small where temperature and batch are small, so gradients are lost"),
         (1, "in the second q is near 1, and both losses have nearly the same gradient"),
         (1, "unfair: a different temperature or budget for each loss")),
        "NT-Xent's gradient is q times DCL's. With 32 images and temperature 0.1 solved pairs have "
        "q near 0, with 4096 and 0.5 near 1, so only the first can differ much. Both losses need "
        "one temperature, one budget and equal tuning."),
)


def assignment(draw: random.Random) -> Assignment:
    """The drawn loss, the coupling on a drawn fixture, a question."""
    return Assignment("dcl", (_loss(draw), _coupling(draw)), (draw.choice(_QUESTIONS),))
