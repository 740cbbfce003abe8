"""Masked autoencoder: tokens come to their places, and nothing hidden leaks into predictions."""

from __future__ import annotations

import math

import pytest
import torch
from changes import generator, normal
from harness import checks
from specs import Spec
from torch import Tensor, nn

from sslbook import nets
from sslbook.core.streams import Streams
from sslbook.methods.mae import baseline, mae_loss, normalise_patches, place_tokens
from sslbook.nets import PatchDecoder, patchify, take, unpatchify


def official(tokens: Tensor, visible: Tensor, mask_token: Tensor, count: int, *, undone: int = 1):
    """The other way to write it: append mask tokens, then undo the shuffle by two argsorts."""
    b, k, width = tokens.shape
    rest = torch.ones(b, count).scatter(1, visible, 0.0).argsort(1, descending=True)[:, : count - k]
    back = torch.cat((visible, rest), 1)
    full = torch.cat((tokens, mask_token.expand(b, count - k, width)), 1)
    return full if undone == 0 else take(full, back.argsort(dim=1) if undone == 1 else back)


def places(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, int]:
    visible = torch.rand(2, 7, generator=generator(seed)).argsort(dim=1)[:, :3]
    return normal(seed, 2, 3, 4), visible, normal(seed + 1, 4), 7


TOKENS, VISIBLE, TOKEN, COUNT = places()
test_spec = checks(Spec(
    function=place_tokens, inputs=places, shapes=[()], half=False, right={"official": official},
    cases=[places(0), places(1)],
    refused=[((TOKENS, VISIBLE[:, :2], TOKEN, COUNT), "one place per token"),
             ((TOKENS, VISIBLE, TOKEN, 2), "one place per token")],
    mutants={
        "the shuffle is not undone": lambda *given: official(*given, undone=0),
        "the shuffle is done twice": lambda *given: official(*given, undone=2),
        "zeros instead of the mask token": lambda t, v, m, n: place_tokens(t, v, 0 * m, n),
        "the mask token gets no gradient": lambda t, v, m, n: place_tokens(t, v, m.detach(), n)}))


def test_tokens_come_to_their_places() -> None:
    full = place_tokens(TOKENS, VISIBLE, TOKEN, COUNT)
    assert torch.equal(take(full, VISIBLE), TOKENS)
    for b in range(2):
        others = [i for i in range(COUNT) if i not in VISIBLE[b].tolist()]
        assert torch.equal(full[b, others], TOKEN.expand(4, -1))


def test_a_patch_of_one_colour_becomes_zero_and_predicting_nothing_costs_p_minus_one_over_p():
    assert float(normalise_patches(torch.full((1, 2, 48), 0.3)).abs().max()) < 1e-6
    assert baseline(48) == 47 / 48


# -- nothing leaks --------------------------------------------------------------------------------


class Masked(nn.Module):
    """A small encoder of visible patches with the decoder of all of them."""

    def __init__(self) -> None:
        super().__init__()
        with Streams(0, "test").seeded("init"):
            self.encoder = nets.build("vit_patches", size=16, patch=4, width=16, depth=2, heads=2)
            self.decoder = PatchDecoder(16, 48, 16, width=8, depth=1, heads=2)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        tokens = self.decoder.narrow(self.encoder.tokens(x, visible))
        return self.decoder(place_tokens(tokens, visible, self.decoder.mask_token, 16))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Images (6, 3, 16, 16), and the places of 4 visible and 12 hidden patches."""
    order = torch.rand(6, 16, generator=generator()).argsort(dim=1)
    return normal(1, 6, 3, 16, 16).float(), order[:, :4], order[:, 4:]


@pytest.mark.parametrize("fill", [0.0, 1e6, math.nan])
def test_predictions_do_not_depend_on_hidden_pixels_bit_for_bit(batch, fill: float) -> None:
    net, (x, visible, hidden) = Masked().eval(), batch
    changed = patchify(x, 4).scatter(1, hidden[:, :, None].expand(-1, -1, 48), fill)
    other = unpatchify(changed, 4)
    assert torch.equal(net(x, visible), net(other, visible))
    # Statistics of the whole image, taken before patches are hidden, would tell of them.
    scaled = [one / one.std((1, 2, 3), keepdim=True) for one in (x, other)]
    assert not torch.equal(*(net(one, visible) for one in scaled))
    for place in visible[0].tolist():
        patches = patchify(x, 4)
        patches[0, place] += 1
        assert not torch.equal(net(unpatchify(patches, 4), visible)[0], net(x, visible)[0])


def test_no_gradient_reaches_hidden_pixels(batch) -> None:
    net, (x, visible, hidden) = Masked(), batch
    net(x.requires_grad_(), visible).square().sum().backward()
    moved = patchify(x.grad, 4).abs().sum(dim=2) > 0
    assert not bool(moved.gather(1, hidden).any())
    assert bool(moved.gather(1, visible).all())


def test_the_loss_trains_encoder_and_decoder(batch) -> None:
    net, (x, visible, hidden) = Masked(), batch
    mask = torch.zeros(6, 16).scatter(1, hidden, 1.0)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = mae_loss(net(x, visible), patchify(x, 4), mask)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert all(p.grad is not None for p in net.parameters())
