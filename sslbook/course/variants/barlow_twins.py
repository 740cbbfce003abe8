"""Variants for Barlow Twins: which matrix shall become what, and how its rest is punished."""

from __future__ import annotations

import random

from sslbook.course import variants
from sslbook.course.variants import Assignment, Question, Task

_KNOBS = {"axis": ("features", "samples"), "goal": ("1", "-1"), "rest": ("square", "abs"),
          "reduce": ("sum", "mean")}
_BOOK = {"axis": "features", "goal": "1", "rest": "square", "reduce": "sum"}
_AXIS = {
    "features": ("Standardise each *column* over the batch, mean 0 and standard deviation 1 "
                 "(divide by $N$). $M$ is the $(D, D)$ matrix of mean products of columns of "
                 "`z1` (rows of $M$) with columns of `z2`.", "0", "x.T @ y / len(x)"),
    "samples": ("Standardise each *row* over its features, mean 0 and standard deviation 1 "
                "(divide by $D$). $M$ is the $(N, N)$ matrix of mean products of rows of `z1` "
                "(rows of $M$) with rows of `z2`.", "1", "x @ y.T / x.shape[1]"),
}
_REST = {"square": "square", "abs": "absolute value"}
_CELL = """\
def standardise(z):
    centred = z - z.mean(dim={dim}, keepdim=True)
    return centred / centred.square().mean(dim={dim}, keepdim=True).sqrt()


def my_loss(z1, z2, lambd):
    # (N, D), (N, D), weight of the rest -> scalar
    # blank: return 0.0 * (z1.sum() + z2.sum())
    ### BEGIN SOLUTION
    x, y = standardise(z1), standardise(z2)
    m = {product}
    diagonal = m.diagonal()
    rest = (m - torch.diag(diagonal)).{rest}()
    on = (({goal}) - diagonal).square().sum()
    return on + lambd * rest.sum(){scale}
    ### END SOLUTION"""


def _loss(draw: random.Random) -> Task:
    knobs = variants.choose(draw, _KNOBS, _BOOK)
    about, dim, product = _AXIS[knobs["axis"]]
    mean = knobs["reduce"] == "mean"
    over = "mean over all entries off the diagonal" if mean else "sum"
    text = (f"### Another matrix\n\nWrite `my_loss(z1, z2, lambd)`. {about} The loss is the sum "
            f"of $({knobs['goal']}-M_{{ii}})^2$ over the diagonal, plus `lambd` times the {over} "
            f"of the {_REST[knobs['rest']]} of the entries off it.")
    cell = _CELL.format(dim=dim, product=product, rest=knobs["rest"], goal=knobs["goal"],
                        scale=" / (len(m) * (len(m) - 1))" if mean else "")
    one, two, three, four = variants.seeds(draw, 4)
    cases = (f"[(drawn(7, 4, seed={one}), drawn(7, 4, seed={two}), 0.3),\n"
             f"         (drawn(3, 5, seed={three}), drawn(3, 5, seed={four}), 2.0)]")
    case = ("(torch.tensor([[1.0, 3, 0], [2, -1, 1], [0, 1, 5]]),\n"
            "        torch.tensor([[2.0, 0, 1], [1, 1, -3], [4, 0, 2]]), 0.5)")
    return variants.compared("my_loss", text, cell, case=case, cases=cases,
                             note=f"Drawn: {knobs}. The book's own is {_BOOK}.")


_LOSS = """\
def standard_loss(z1, z2, lambd=0.1):
    a, b = ((z - z.mean(0)) / z.std(0, correction=0) for z in (z1, z2))
    c = a.T @ b / len(a)
    on = (1 - c.diagonal()).square().sum()
    return on + lambd * (c.square().sum() - c.diagonal().square().sum())
"""
_SQUARE = "z = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])"
# claim, what is returned, blank, solution, what refutes it
_CLAIMS = (
    ("Turning both embeddings by the same rotation leaves the loss of Barlow Twins as it is.",
     "`z1, z2` of shape (N, D) and an orthogonal matrix of shape (D, D)",
     "return z, z.flip(1), torch.eye(2)",
     "r = 0.5**0.5 * torch.tensor([[1.0, 1], [-1, 1]])\nreturn z, z.flip(1), r",
     "def refutes(z1, z2, r):\n    turned = torch.allclose(r @ r.T, torch.eye(len(r)), atol=1e-4)\n"
     "    gap = standard_loss(z1 @ r, z2 @ r) - standard_loss(z1, z2)\n"
     "    return turned and abs(gap) > 0.01"),
    ("A matrix $C$ with nothing but ones on its diagonal has the loss 0.",
     "`z1, z2` of shape (N, D)",
     "return z, z",
     "return z[:, [0, 0]], z[:, [0, 0]]",
     "def refutes(z1, z2):\n    ones = standard_loss(z1, z2, lambd=0.0) < 1e-6\n"
     "    return ones and standard_loss(z1, z2) > 0.01"),
    ("The order of the images in the second view does not matter to the loss.",
     "`z1, z2` of shape (N, D), and the new order of the rows of `z2`",
     "return z, z, torch.arange(4)",
     "return z, z, torch.tensor([1, 0, 2, 3])",
     "def refutes(z1, z2, order):\n"
     "    whole = order.sort().values.tolist() == list(range(len(z2)))\n"
     "    gap = standard_loss(z1, z2[order]) - standard_loss(z1, z2)\n"
     "    return whole and abs(gap) > 0.01"),
    ("Since scaling a feature changes nothing, scaling an image's embeddings changes nothing.",
     "`z1, z2` of shape (N, D), and a positive factor for each image, shape (N, 1), which both "
     "views are multiplied with",
     "return z, z.flip(1), torch.ones(4, 1)",
     "return z, z.flip(1), torch.tensor([[9.0], [1], [1], [1]])",
     "def refutes(z1, z2, scale):\n    fine = scale.shape == (len(z1), 1) and scale.min() > 0\n"
     "    gap = standard_loss(scale * z1, scale * z2) - standard_loss(z1, z2)\n"
     "    return fine and abs(gap) > 0.01"),
)


def _claim(draw: random.Random) -> Task:
    claim, gives, blank, solution, judge = draw.choice(_CLAIMS)
    solved = "\n".join(f"    {line}" for line in solution.splitlines())
    cell = (f"def counterexample():\n    {_SQUARE}\n    # blank: {blank}\n"
            f"    ### BEGIN SOLUTION\n{solved}\n    ### END SOLUTION")
    return variants.refuted("counterexample", claim, gives, cell, f"{_LOSS}\n\n{judge}",
                            "Any example that passes the shown test is right.")


_QUESTIONS = (
    Question(
        "collapse",
        "A colleague drops the terms off the diagonal and reports that the diagonal reaches 0.99. "
        "What has most likely happened to the embeddings, which number shows it, and why does the "
        "loss not object? At most 120 words.",
        ((2, "the features repeat each other: few independent directions are left"),
         (1, "names a measure: effective rank, or the entries of C off the diagonal"),
         (1, "the first sum looks at each feature alone, so copies satisfy it")),
        "Features become copies of each other. The effective rank is far below the width, the "
        "entries off the diagonal are near 1 or -1. The invariance term asks each feature only to "
        "agree with itself between views; a copy does."),
    Question(
        "width",
        "A batch has 64 images and the embeddings have 256 features. Can C become the identity? "
        "Say why, and what you would change first. At most 120 words.",
        ((2, "no: the centred columns span at most N - 1 = 63 directions, so C has rank <= 63"),
         (1, "hence with lambda 1 the loss stays at D - N + 1 = 193 or above"),
         (1, "a sensible change with its price: a larger batch, or fewer features")),
        "No. Centred columns of 64 entries span at most 63 directions, so C has rank at most 63 "
        "and at least 193 directions of the identity are missing. A larger batch raises the "
        "bound; a narrower projector removes the need."),
)


def assignment(draw: random.Random) -> Assignment:
    """The drawn loss, a drawn claim, a drawn question."""
    return Assignment("barlow_twins", (_loss(draw), _claim(draw)), (draw.choice(_QUESTIONS),))
