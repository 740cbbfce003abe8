"""What the masked autoencoder's nets share: patches, positions, the ViT of patches."""

from __future__ import annotations

import math

import pytest
import torch

from sslbook import nets
from sslbook.core.streams import Streams
from sslbook.errors import UsageError
from sslbook.nets import patchify, sincos_positions, take, unpatchify


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_patches_are_row_by_row_with_the_channel_last() -> None:
    """The card's value, from the official function's order of values."""
    x = torch.randn(4, 3, 32, 32, generator=generator())
    patches = patchify(x, 4)
    assert patches.shape == (4, 64, 48)
    assert float(patches[0, 9, 7]) == pytest.approx(-0.907159, abs=1e-6)
    # place 9 is row 1, column 1 of the grid; value 7 is pixel (0, 2), green
    assert float(patches[0, 9, 7]) == float(x[0, 1, 4, 6])
    assert torch.equal(unpatchify(patches, 4), x)


def test_whole_patches_only() -> None:
    with pytest.raises(UsageError, match="no whole patches"):
        patchify(torch.zeros(1, 3, 30, 32), 4)


def test_positions_have_the_official_values() -> None:
    place = sincos_positions(8, 192)
    assert place.shape == (64, 192)
    assert float(place.double().sum()) == pytest.approx(5979.796474, abs=1e-3)
    assert float(place.norm()) == pytest.approx(78.383672, abs=1e-4)
    assert torch.allclose(place.square().sum(dim=1), torch.tensor(96.0))
    row = place[9]  # the card's row 10 counts a class token in front
    assert row[:3].tolist() == pytest.approx([0.841471, 0.734822, 0.629797], abs=1e-6)
    assert torch.equal(row[96:99], row[:3])
    assert torch.equal(place[1, 96:], place[0, 96:])  # the second half tells the row alone
    assert not torch.equal(place[1, :96], place[0, :96])
    with pytest.raises(UsageError, match="4 divides"):
        sincos_positions(8, 90)


def test_short_waves_turn_by_pi_down_to_pi_over_two_sides() -> None:
    place = sincos_positions(4, 32, "short").double()
    by_place = [math.pi * 8.0 ** (-k / 7) for k in range(8)]  # angles of the second column
    assert place[1, :8].tolist() == pytest.approx([math.sin(a) for a in by_place], abs=1e-6)
    assert place[2, 8:16].tolist() == pytest.approx([math.cos(2 * a) for a in by_place], abs=1e-6)
    assert by_place[-1] == pytest.approx(math.pi / 8)
    assert torch.equal(place[1, 16:], place[0, 16:])  # the halves are as for the long ones
    assert torch.equal(place[4, 16:], place[1, :16])
    with pytest.raises(UsageError, match="long"):
        sincos_positions(4, 32, "middle")


def test_short_waves_tell_the_places_of_a_small_grid_apart() -> None:
    def nearest(waves: str) -> float:
        place = sincos_positions(4, 64, waves)
        return float(torch.cdist(place, place).fill_diagonal_(math.inf).min())

    assert nearest("short") > 1.5 * nearest("long")


def test_encoder_and_decoder_take_their_waves() -> None:
    for waves in ("long", "short"):
        encoder = nets.build("vit_patches", size=16, patch=4, width=16, depth=1, heads=2,
                             waves=waves)
        decoder = nets.PatchDecoder(16, 48, 16, 8, 1, 2, waves)
        assert torch.equal(encoder.place, sincos_positions(4, 16, waves))
        assert torch.equal(decoder.place, sincos_positions(4, 8, waves))
        assert nets.build(**encoder.spec).place.equal(encoder.place)
    assert nets.PatchDecoder(16, 48, 16, 8, 1, 2).place.equal(sincos_positions(4, 8))


def test_vit_tiny_for_patches_has_the_blocks_parameters() -> None:
    encoder = nets.build("vit_patches")
    # 12 blocks of 12 D^2 + 13 D, the patches' 9,408 and the last norm: no class token's 192
    assert nets.parameter_count(encoder) == 5_348_352 - 192
    assert encoder.spec == {"net": "vit_patches"}
    assert "place" not in encoder.state_dict()  # it is fixed, so it is made again


def test_taking_rows() -> None:
    tokens = torch.arange(24.0).reshape(2, 4, 3)
    index = torch.tensor([[2, 0], [3, 3]])
    assert torch.equal(take(tokens, index), torch.stack([tokens[0, [2, 0]], tokens[1, [3, 3]]]))


def test_all_patches_in_any_order_give_the_same_features() -> None:
    with Streams(0, "test").seeded("init"):
        encoder = nets.build("vit_patches", size=16, patch=4, width=16, depth=2, heads=2).double()
    x = torch.randn(2, 3, 16, 16, generator=generator(), dtype=torch.float64)
    order = torch.rand(2, 16, generator=generator()).argsort(dim=1)
    mixed = encoder.tokens(x, order)
    assert torch.allclose(take(encoder.tokens(x), order), mixed, atol=1e-12)
    assert torch.allclose(encoder(x), mixed.mean(dim=1), atol=1e-12)
