"""Taking a representation home: the encoder that is loaded is the one that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_book
import torch
from safetensors.torch import load_file, save_file
from samples import record

import sslbook
from sslbook import datasets, nets, records
from sslbook.core import paths
from sslbook.core.streams import Streams
from sslbook.errors import UsageError, UserError
from sslbook.run import encoders


@pytest.fixture(scope="module")
def images():
    return datasets.load("shapes", limit=24)


def make(seed=0, net="resnet8", **options):
    with Streams(seed).seeded("make"):
        encoder = nets.build(net, **(options or {"width": 4}))
    for module in encoder.modules():  # statistics that are not those of a fresh BatchNorm
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean += 0.1
            module.running_var *= 1.7
    return encoder.eval()


@pytest.fixture
def saved(tmp_path, images):
    folder = tmp_path / "home" / "runs" / "one" / "20260101-000000-smoke-s0-abcd"
    folder.mkdir(parents=True)
    encoders.save_encoder(folder, make(), images, "one")
    records.write(folder, record())
    return folder


def features(folder, images):
    encoder, prepare = sslbook.load_encoder(folder)
    with torch.no_grad():
        return encoder(prepare(images.images))


def test_features_are_equal_bit_for_bit(saved, images):
    encoder, prepare = sslbook.load_encoder(saved)
    assert not encoder.training
    with torch.no_grad():
        assert torch.equal(encoder(prepare(images.images)), make()(prepare(images.images)))
    assert features(saved, images).shape == (24, make().out_dim)


def test_it_says_what_it_is(saved, images):
    about = json.loads((saved / "encoder.json").read_text())
    assert about["net"] == {"net": "resnet8", "width": 4}
    assert (about["size"], about["width"], about["data"]) == (32, make().out_dim, "shapes")
    assert about["licence"] == images.licence
    assert about["mean"] == list(images.mean)


@pytest.mark.parametrize(
    ("net", "options"),
    [("resnet8", {"width": 8}), ("resnet18", {"width": 8}), ("vit_tiny", {"patch": 8})],
)
def test_every_backbone_comes_back(tmp_path, images, net, options):
    encoders.save_encoder(tmp_path, made := make(net=net, **options), images, "one")
    encoder, prepare = sslbook.load_encoder(tmp_path)
    x = prepare(images.images[:2])
    with torch.no_grad():
        assert torch.equal(encoder(x), made(x))


def test_images_of_any_size_are_prepared(saved):
    encoder, prepare = sslbook.load_encoder(saved)
    for shape in ((2, 3, 90, 40), (1, 3, 17, 17), (3, 3, 32, 32)):
        x = prepare(torch.full(shape, 100, dtype=torch.uint8))
        assert x.shape == (shape[0], 3, 32, 32)
        assert encoder(x).shape == (shape[0], encoder.out_dim)


def test_found_by_folder_id_and_chapter(saved, images):
    expected = features(saved, images)
    for name in (saved, str(saved), saved.name, "one"):
        assert torch.equal(features(name, images), expected)


def test_a_chapter_means_its_newest_finished_run(saved, images):
    later = {"0-20260102-finished": "finished", "20260103-crashed": "crashed"}
    for seed, (name, status) in enumerate(later.items(), start=1):
        folder = saved.with_name(name.removeprefix("0-"))
        folder.mkdir()
        encoders.save_encoder(folder, make(seed), images, "one")
        records.write(folder, record(status=status))
    unsaved = saved.with_name("20260104-without-encoder")
    unsaved.mkdir()
    records.write(unsaved, record())
    assert encoders.find("one").name == "20260102-finished"
    assert encoders.find("20260103-crashed").name == "20260103-crashed"


def test_the_shipped_encoder_serves_where_nothing_was_run(book, images):
    folder = book / "data" / "records" / "one"
    folder.mkdir(parents=True)
    encoders.save_encoder(folder, make(), images, "one")
    assert encoders.find("one") == folder


@pytest.mark.parametrize("name", ["two", "20260101-000000-smoke-s0-ffff", "no/such/folder"])
def test_a_missing_encoder_is_named(saved, name):
    with pytest.raises(UsageError) as caught:
        sslbook.load_encoder(name)
    lines = str(caught.value).splitlines()
    assert repr(name) in lines[0]
    assert lines[1] == "Nothing was loaded."
    assert "sslbook run" in lines[2]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def _other_weights(path: Path) -> None:
    state = load_file(path)
    save_file({key: value + 1 for key, value in state.items()}, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_flip, "not the file"),
        (_other_weights, "not the file"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "not the file"),
        (lambda path: path.write_bytes(b""), "not the file"),
        (Path.unlink, "is missing"),
    ],
)
def test_tampered_weights_are_refused(saved, spoil, says):
    spoil(saved / "encoder.safetensors")
    with pytest.raises(UserError, match=says) as caught:
        sslbook.load_encoder(saved)
    assert len(str(caught.value).splitlines()) == 3


def _change(**changes):
    def change(about):
        about.update(changes)
        return about

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about: [],
        lambda about: {k: v for k, v in about.items() if k != "mean"},
        lambda about: {k: v for k, v in about.items() if k != "sha256"},
        _change(net={"net": "resnet99"}),
        _change(net={"net": "resnet8", "wide": 4}),
        _change(net={"net": "resnet8", "width": -4}),
        _change(net={"net": "resnet8", "width": "four"}),
        _change(net=3),
        _change(std=3),
        _change(size="big"),
        _change(mean=["a", "b", "c"]),
    ],
)
def test_a_damaged_description_is_refused(saved, spoil):
    path = saved / "encoder.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(UserError, match="encoder.json of .* is damaged") as caught:
        sslbook.load_encoder(saved)
    assert caught.value.exit_code == 4
    assert len(str(caught.value).splitlines()) == 3


def test_weights_of_another_net_are_refused(saved, images):
    path = saved / "encoder.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "net": {"net": "resnet8", "width": 8}}))
    with pytest.raises(UserError, match="cannot be loaded"):
        sslbook.load_encoder(saved)


def test_an_encoder_that_cannot_be_built_again_is_not_saved(tmp_path, images):
    with pytest.raises(UsageError, match="nets.build"):
        encoders.save_encoder(tmp_path, torch.nn.Linear(3, 3), images, "one")
    assert list(tmp_path.iterdir()) == []


# -- embedding -------------------------------------------------------------------------------


def test_an_image_set_is_embedded(saved, images):
    found = sslbook.embed(saved, images)
    np.testing.assert_allclose(found["features"], features(saved, images).numpy(), atol=1e-5)
    assert found["features"].dtype == np.float32
    np.testing.assert_array_equal(found["labels"], images.labels.numpy())
    assert tuple(found["classes"]) == images.classes


def test_a_folder_is_embedded_and_written_without_pickle(saved, photos, tmp_path):
    found = sslbook.embed(saved, f"folder:{photos}", "all")
    out = tmp_path / "new" / "features.npz"
    encoders.write_embedding(out, found)
    with np.load(out, allow_pickle=False) as stored:
        assert set(stored.files) == {"features", "ids", "split", "labels", "classes"}
        assert stored["features"].shape == (12, make().out_dim)
        assert list(stored["classes"]) == ["cat", "dog"]
        np.testing.assert_array_equal(stored["labels"], [0] * 6 + [1] * 6)
        assert len(np.unique(stored["features"], axis=0)) == 12
    assert [p.name for p in out.parent.iterdir()] == ["features.npz"]


def test_images_without_classes_have_no_labels(saved, photos):
    for path in photos.rglob("*.png"):
        path.rename(photos / path.name)
    for name in ("cat", "dog"):
        (photos / name).rmdir()
    found = sslbook.embed(saved, f"folder:{photos}", "all")
    assert "labels" not in found
    assert found["classes"].size == 0


def test_a_run_hands_out_its_own_encoder_or_the_newest_of_the_chapter(book):
    first = tiny_book.here(PRESET="check", SEED=0)["run"]
    second = tiny_book.here(PRESET="check", SEED=1)["run"]
    x = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
    outputs = [run.encoder()[0](x) for run in (first, second)]
    assert not torch.equal(*outputs)
    assert torch.equal(second.encoder("tiny")[0](x), outputs[1])
    assert torch.equal(sslbook.load_encoder("tiny")[0](x), outputs[1])
    (first.folder / "encoder.json").unlink()
    assert torch.equal(first.encoder()[0](x), outputs[1])
    assert paths.runs() in first.folder.parents


# -- the encoders that come with the book ------------------------------------------------------

SHIPPED = sorted(path.parent for path in
                 paths.PACKAGE.parent.glob("data/records/*/encoder.json"))


@pytest.mark.parametrize("folder", SHIPPED, ids=[folder.name for folder in SHIPPED])
def test_a_shipped_encoder_loads_and_has_its_record(folder):
    about = json.loads((folder / "encoder.json").read_text())
    assert about["chapter"] == folder.name
    assert (folder / "encoder.safetensors").stat().st_size <= 1_500_000
    encoder, _ = encoders.load_encoder(folder)
    assert encoder.out_dim == about["width"]
    seeds = [one for one in records.shipped(folder.name) if one["seed"] == 0]
    assert any(one["data"]["train"]["name"] == about["data"] for one in seeds)


def test_encoders_come_with_the_book():
    assert len(SHIPPED) >= 10
