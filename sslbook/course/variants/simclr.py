"""Variants for SimCLR: who competes, how similarity is measured, and claims about NT-Xent."""

from __future__ import annotations

import random

from sslbook.course import variants
from sslbook.course.variants import Assignment, Question, Task

_KNOBS = {"rivals": ("all", "second", "both"), "likeness": ("cosine", "dot", "distance"),
          "reduce": ("mean", "sum")}
_BOOK = {"rivals": "all", "likeness": "cosine", "reduce": "mean"}
_LIKENESS = {
    "cosine": ("the cosine", "a = a / a.norm(dim=1, keepdim=True)\n"
               "    b = b / b.norm(dim=1, keepdim=True)\n    return a @ b.T"),
    "dot": ("the inner product, nothing normalised", "return a @ b.T"),
    "distance": ("minus the squared Euclidean distance, nothing normalised",
                 "return -(a[:, None] - b[None]).square().sum(dim=2)"),
}
# who asks, code for the rows of logits and the place of each row's sibling
_RIVALS = {
    "all": ("Each of the $2N$ views looks for its sibling among the $2N-1$ other views.",
            "z, n = torch.cat([z1, z2]), len(z1)\n    s = likeness(z, z) / tau\n"
            "    s = s.masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)\n"
            "    right = (torch.arange(2 * n) + n) % (2 * n)"),
    "second": ("Each of the $N$ *first* views looks for its sibling among the $N$ second views; "
               "second views do not ask.",
               "s = likeness(z1, z2) / tau\n    right = torch.arange(len(z1))"),
    "both": ("Each first view looks for its sibling among the $N$ second views, and each second "
             "view among the $N$ first views: $2N$ rows in all.",
             "s = likeness(z1, z2) / tau\n    s = torch.cat([s, s.T])\n"
             "    right = torch.arange(len(z1)).repeat(2)"),
}
_CELL = """\
def likeness(a, b):
    # (A, D), (B, D) -> (A, B)
    {likeness}


def my_loss(z1, z2, tau):
    # (N, D), (N, D), temperature -> scalar, in nats
    # blank: return 0.0 * likeness(z1, z2).sum()
    ### BEGIN SOLUTION
    {rivals}
    rows = s.logsumexp(dim=1) - s[torch.arange(len(s)), right]
    return rows.{reduce}()
    ### END SOLUTION"""


def _loss(draw: random.Random) -> Task:
    knobs = variants.choose(draw, _KNOBS, _BOOK)
    who, rows = _RIVALS[knobs["rivals"]]
    what, code = _LIKENESS[knobs["likeness"]]
    text = (f"### Another contest\n\nWrite `my_loss(z1, z2, tau)`. {who} A row's loss is "
            "$-s_{j}/\\tau+\\log\\sum_k e^{s_k/\\tau}$, with $k$ over its candidates, the sibling "
            f"$j$ among them. Similarity $s$ is {what}; `likeness` computes it. The loss is the "
            f"{knobs['reduce']} of the rows.")
    cell = _CELL.format(likeness=code, rivals=rows, reduce=knobs["reduce"])
    one, two, three, four = variants.seeds(draw, 4)
    cases = (f"[(drawn(5, 3, seed={one}), drawn(5, 3, seed={two}), 0.5),\n"
             f"         (drawn(2, 6, seed={three}), drawn(2, 6, seed={four}), 0.2)]")
    case = ("(torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 1], [1, 0]]), 1.0)")
    return variants.compared("my_loss", text, cell, case=case, cases=cases,
                             note=f"Drawn: {knobs}. The book's own is {_BOOK}.")


_LOSS = """\
def nt_xent(z1, z2, tau=0.5):
    z = torch.nn.functional.normalize(torch.cat([z1, z2]))
    s = (z @ z.T / tau).fill_diagonal_(-torch.inf)
    return s.logsumexp(1).mean() - s.diagonal(len(z1)).mean()
"""
_PAIR = "z = torch.tensor([[1.0, 0], [0, 1]])"
_CLAIMS = (
    ("Adding the same vector to every embedding leaves NT-Xent as it is.",
     "`z1, z2` of shape (N, D), and the vector, shape (D,)",
     "return z, z, torch.zeros(2)", "return z, z, torch.tensor([3.0, 3.0])",
     "def refutes(z1, z2, v):\n    return abs(nt_xent(z1 + v, z2 + v) - nt_xent(z1, z2)) > 0.01"),
    ("A smaller temperature always makes NT-Xent smaller.",
     "`z1, z2` of shape (N, D), a smaller and a larger temperature",
     "return z, z, 0.1, 1.0", "return z, z.flip(0), 0.1, 1.0",
     "def refutes(z1, z2, small, large):\n    ordered = 0 < small < large\n"
     "    return ordered and nt_xent(z1, z2, small) > nt_xent(z1, z2, large) + 0.01"),
    ("NT-Xent is never above $\\log(2N-1)$, its value when all views are equal.",
     "`z1, z2` of shape (N, D)",
     "return torch.ones(2, 2), torch.ones(2, 2)", "return z, z.flip(0)",
     "def refutes(z1, z2):\n"
     "    return nt_xent(z1, z2) > torch.tensor(2.0 * len(z1) - 1).log() + 0.01"),
    ("Scaling one feature of all embeddings leaves NT-Xent as it is, for it normalises.",
     "`z1, z2` of shape (N, D), and a positive factor for each feature, shape (D,)",
     "return z, z + 1, torch.ones(2)", "return z, z + 1, torch.tensor([5.0, 1.0])",
     "def refutes(z1, z2, scale):\n    fine = scale.min() > 0\n"
     "    return fine and abs(nt_xent(z1 * scale, z2 * scale) - nt_xent(z1, z2)) > 0.01"),
)


def _claim(draw: random.Random) -> Task:
    claim, gives, blank, solution, judge = draw.choice(_CLAIMS)
    cell = (f"def counterexample():\n    {_PAIR}\n    # blank: {blank}\n"
            f"    ### BEGIN SOLUTION\n    {solution}\n    ### END SOLUTION")
    return variants.refuted("counterexample", claim, gives, cell, f"{_LOSS}\n\n{judge}",
                            "Any example that passes the shown test is right.")


_QUESTIONS = (
    Question(
        "colour",
        "A training with crops alone reaches a low loss within minutes, and its features are poor. "
        "What has the network learned to compare, how would you show it, and what do you change? "
        "At most 120 words.",
        ((2, "the colours: two crops of one image share their histogram"),
         (1, "a test: read the mean colour from the features, or grey images at the input"),
         (1, "views that change the colours")),
        "Crops of one image share their colours, so comparing colours finds the sibling. A linear "
        "map from the features to the mean colour shows it. Colour jitter and grey views make the "
        "short cut useless."),
    Question(
        "head",
        "We keep the features before the head and throw the head away. Why may the layer before "
        "it be the better one, and for which task would you expect the opposite? At most 120 "
        "words.",
        ((2, "the loss makes the head drop what the views change; before it some of that is left"),
         (1, "the task may need it, such as colour or place"),
         (1, "the opposite: a task that asks only whether two views show one image")),
        "The loss rewards embeddings that ignore what views change. The head can do that dropping, "
        "and the features before it keep more. If the task is to recognise the same image under "
        "these very views, the embeddings are at their best."),
)


def assignment(draw: random.Random) -> Assignment:
    """The drawn loss, a drawn claim, a drawn question."""
    return Assignment("simclr", (_loss(draw), _claim(draw)), (draw.choice(_QUESTIONS),))
