"""Data sets: what is loaded is what lies there, and what cannot be had is said clearly."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import pickle
import sys
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from samples import encoded, idx_files, photos, picture

from sslbook import datasets
from sslbook.core import files, paths
from sslbook.datasets import images, packs, pixels, types
from sslbook.datasets.known import KNOWN
from sslbook.errors import DataError, UsageError, UserError

REAL = os.environ.get("SSLBOOK_DATA", "")
needs_data = pytest.mark.skipif(not REAL, reason="SSLBOOK_DATA is not set")


@pytest.fixture(autouse=True)
def _no_shared_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSLBOOK_DATA", raising=False)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that SSLBOOK_DATA names."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv("SSLBOOK_DATA", str(folder))
    return folder


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def no_leftovers() -> bool:
    return not list(paths.data().rglob("*.tmp"))


# -- names and arguments -----------------------------------------------------------------------


def test_names_are_described_and_the_bundled_ones_load():
    known = datasets.names()
    assert {"shapes", "digits", "cifar10", "stl10", "iris", "pack:FILE.npz"} <= set(known)
    assert all("\n" not in line and len(line) > 20 for line in known.values())
    for name in ("shapes", "digits", "breast_cancer", "wine", "iris"):
        train, test = datasets.load(name, limit=40), datasets.load(name, "test", limit=20)
        assert (len(train), len(test)) == (40, 20)
        assert train.shape == test.shape
        assert train.labels.dtype == torch.int64
        assert max(train.labels) < len(train.classes)
        assert "CC" in train.licence
        assert train.mean == test.mean if hasattr(train, "images") else True
        assert train.sha256 != test.sha256


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cifr10"}, "There is no data set 'cifr10'"),
        ({"name": "shapes:x"}, "There is no data set 'shapes:x'"),
        ({"name": 3}, "There is no data set 3"),
        ({"name": ""}, "Known: shapes, creatures"),
        ({"name": "mnist:x"}, "There is no data set 'mnist:x'"),
        ({"name": "shapes", "split": "val"}, "shapes does not know split='val'"),
        ({"name": "shapes", "split": "all"}, "shapes does not know split='all'"),
        ({"name": "emblems", "split": "all"}, "emblems does not know split='all'"),
        ({"name": "shapes", "limit": -1}, "limit=-1 is no whole number"),
        ({"name": "shapes", "size": 3.5}, "size=3.5 is no whole number"),
        ({"name": "folder:"}, "folder: names no path"),
        ({"name": "folder:/nowhere?skip=1"}, "folder does not know option='skip'"),
        ({"name": "folder:/nowhere?skip_broken=yes"}, "folder does not know skip_broken='yes'"),
        ({"name": "pack:/nowhere?size=1"}, "pack does not know option='size'"),
        ({"name": "csv:/nowhere?labl=1"}, "csv does not know option='labl'"),
        ({"name": "csv:/nowhere?missing=mean"}, "csv does not know missing='mean'"),
    ],
)
def test_wrong_names_and_values_are_usage_errors(arguments, message):
    with pytest.raises(UsageError) as error:
        datasets.load(**arguments)
    assert message in str(error.value)
    assert error.value.exit_code == 2
    assert len(str(error.value).splitlines()) == 3


def test_limit_is_a_prefix_of_one_order_and_take_agrees():
    few, more = datasets.load("digits", limit=30), datasets.load("digits", limit=90)
    assert torch.equal(few.images, more.images[:30])
    assert torch.equal(few.labels, more.take(30).labels)
    ordered = datasets.load("iris", limit=30)  # its file is sorted by class, the order is not
    assert torch.bincount(ordered.labels, minlength=3).min() >= 5
    every = datasets.load("digits", limit=10**6)
    assert torch.equal(every.images, datasets.load("digits").images)
    odd = every.take(torch.tensor([5, 1]))
    assert torch.equal(odd.labels, every.labels[[5, 1]])
    assert torch.equal(every.take(every.labels == 3).labels.unique(), torch.tensor([3]))


def test_the_fixed_order_is_the_same_everywhere():
    # Frozen: a changed order would change every result with a limit.
    assert types.permutation(8).tolist() == [5, 3, 6, 2, 7, 1, 4, 0]


def test_digits_are_split_and_resized():
    train, test = datasets.load("digits"), datasets.load("digits", "test")
    assert (len(train), len(test)) == (1438, 359)
    assert train.shape == (3, 8, 8)
    assert torch.equal(train.images[:, 0], train.images[:, 2])
    assert train.images.max() == 255
    large = datasets.load("digits", size=32)
    assert large.shape == (3, 32, 32)
    assert abs(large.images.float().mean() - train.images.float().mean()) < 2
    rows = {bytes(image.numpy()) for image in train.images}
    assert sum(bytes(image.numpy()) in rows for image in test.images) == 0


def test_split_off_cuts_a_set_in_two():
    data = datasets.load("iris")
    rest, held_out = datasets.split_off(data, 0.25, seed=1)
    assert (len(rest), len(held_out)) == (90, 30)
    assert held_out.split == "validation"
    both = torch.cat([rest.values, held_out.values])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, data.values.tolist()))
    assert held_out.sha256 == datasets.split_off(data, 0.25, seed=1)[1].sha256
    assert held_out.sha256 != datasets.split_off(data, 0.25, seed=2)[1].sha256
    for fraction in (0, 1, 0.001):
        with pytest.raises(UsageError, match="one part would be empty"):
            datasets.split_off(data, fraction, seed=0)


def test_statistics_are_those_of_the_pixels():
    batch = datasets.load("shapes", limit=50).images
    mean, std = types.channel_statistics(batch)
    values = batch.double() / 255
    assert mean == pytest.approx(values.mean(dim=(0, 2, 3)).tolist())
    assert std == pytest.approx(values.std(dim=(0, 2, 3), correction=0).tolist())
    assert types.channel_statistics(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))[1] == (1, 1, 1)


# -- published sets ----------------------------------------------------------------------------


@pytest.fixture
def tiny_mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """MNIST's four files with a few images, and their checksums in place of the real ones."""
    content = idx_files()
    sums = tuple(hashlib.sha256(raw).hexdigest() for raw in content.values())
    monkeypatch.setitem(KNOWN, "mnist", dataclasses.replace(KNOWN["mnist"], sha256=sums))
    return content


def write_mnist(folder: Path, content: dict[str, bytes], packed: bool = True) -> Path:
    folder.mkdir(parents=True)
    for name, raw in content.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inside", ["mnist/MNIST/raw", "MNIST/raw"])
def test_idx_files_are_read_where_they_lie(shared, tiny_mnist, packed, inside):
    write_mnist(shared / inside, tiny_mnist, packed)
    before = listing(shared)
    train, test = datasets.load("mnist"), datasets.load("mnist", "test", limit=4, size=32)
    assert (len(train), train.shape, len(test), test.shape) == (20, (3, 28, 28), 4, (3, 32, 32))
    assert train.labels.tolist() == [i % 10 for i in range(20)]
    assert train.classes == tuple("0123456789")
    raw = np.frombuffer(tiny_mnist["train-images-idx3-ubyte"], np.uint8, offset=16)
    assert np.array_equal(train.images[:, 1].numpy().ravel(), raw)
    assert datasets.get("mnist") in (shared, shared / "mnist")
    assert listing(shared) == before


def test_a_set_is_looked_for_in_order(shared, tiny_mnist):
    assert not datasets.present("mnist")
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    text = str(error.value)
    assert "mnist was not found" in text
    assert str(shared / "mnist") in text
    assert str(paths.data() / "mnist") in text
    assert "download is off" in text
    assert "sslbook data get mnist" in text
    assert error.value.exit_code == 3
    write_mnist(paths.data() / "mnist/MNIST/raw", tiny_mnist)
    assert images.find("mnist") == paths.data() / "mnist"
    write_mnist(shared / "mnist/MNIST/raw", tiny_mnist)
    assert images.find("mnist") == shared / "mnist"
    assert datasets.present("mnist")


def test_what_is_present_needs_no_download(tmp_path):
    assert all(datasets.present(name) for name in ("shapes", "creatures", "digits", "wine"))
    assert not datasets.present("cifar100")
    root = photos(tmp_path / "pets", each=1)
    assert datasets.present(f"folder:{root}?skip_broken=1")
    assert datasets.present(f"pack:{root / 'cat' / '0.png'}")  # nothing is opened
    assert not datasets.present(f"folder:{tmp_path / 'nowhere'}")
    assert not datasets.present("csv:nowhere.csv")
    with pytest.raises(UsageError, match="There is no data set 'nowhere'"):
        datasets.present("nowhere")
    assert not paths.data().exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:500] + bytes([raw[500] ^ 255]) + raw[501:],
        lambda raw: raw[:-100],
        lambda raw: gzip.compress(gzip.decompress(raw)[:-1] + b"x"),  # sound, not the published one
        lambda raw: None,
    ],
)
def test_a_damaged_idx_file_is_named(shared, tiny_mnist, damage):
    path = write_mnist(shared / "mnist/MNIST/raw", tiny_mnist) / "train-images-idx3-ubyte.gz"
    raw = damage(path.read_bytes())
    path.unlink() if raw is None else path.write_bytes(raw)
    for act in (datasets.load, datasets.get):
        with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is missing or fails its"):
            act("mnist")


@pytest.mark.parametrize("place", ["shared", "home"])
def test_another_layout_is_named_not_replaced(shared, place, monkeypatch):
    monkeypatch.setenv("SSLBOOK_OFFLINE", "0")
    monkeypatch.setattr(images, "_download", lambda *_: pytest.fail("went online"))
    folder = (shared if place == "shared" else paths.data()) / "cifar10"
    folder.mkdir(parents=True)
    (folder / "cifar10_jpeg.npz").write_bytes(b"")
    assert not datasets.present("cifar10")
    with pytest.raises(DataError) as error:
        datasets.load("cifar10")
    text = str(error.value)
    assert "in another layout: cifar10_jpeg.npz instead of cifar-10-batches-py" in text
    assert f"pack:{folder / 'cifar10_jpeg.npz'}" in text
    assert "sslbook data get cifar10" in text


class Payload:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture
def tiny_cifar(shared, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 with four images per batch, and their md5 in place of the published ones."""
    from torchvision.datasets import CIFAR10

    folder = shared / "cifar10" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def write(name: str, value: object) -> str:
        raw = pickle.dumps(value)
        (folder / name).write_bytes(raw)
        return hashlib.md5(raw).hexdigest()

    for part in ("train_list", "test_list"):
        sums = []
        for name, _ in getattr(CIFAR10, part):
            data = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
            sums.append([name, write(name, {"data": data, "labels": [0, 1, 2, 9]})])
        monkeypatch.setattr(CIFAR10, part, sums)
    names = {"label_names": [f"kind{i}" for i in range(10)]}
    md5 = write("batches.meta", names)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5})
    return folder


def test_cifar_is_read_through_torchvision(tiny_cifar):
    before = listing(tiny_cifar)
    train, test = datasets.load("cifar10"), datasets.load("cifar10", "test")
    assert (len(train), len(test), train.shape) == (20, 4, (3, 32, 32))
    assert test.labels.tolist() == [0, 1, 2, 9]
    assert train.classes[9] == "kind9"
    entry = pickle.loads((tiny_cifar / "data_batch_1").read_bytes())
    assert np.array_equal(train.images[:4].numpy().reshape(4, -1), entry["data"])
    assert train.images.is_contiguous()
    assert datasets.get("cifar10") == tiny_cifar.parent
    assert listing(tiny_cifar) == before


def test_a_tampered_pickle_is_never_read(tiny_cifar, tmp_path):
    trap = tmp_path / "trap"
    (tiny_cifar / "data_batch_3").write_bytes(pickle.dumps(Payload(trap)))
    for act in (datasets.load, datasets.get):
        with pytest.raises(DataError, match="cifar-10-batches-py is missing or fails its checksum"):
            act("cifar10")
    assert not trap.exists()
    (tiny_cifar / "data_batch_3").unlink()
    with pytest.raises(DataError, match="cifar10 is damaged"):
        datasets.load("cifar10", "test")


# -- folders -----------------------------------------------------------------------------------


def test_a_folder_has_classes_and_a_fixed_split(tmp_path):
    root = photos(tmp_path / "pets", each=30)
    (root / "cat" / "notes.txt").write_text("no image")
    (root / "cat" / ".hidden.png").write_bytes(b"no image either")
    train, test = datasets.load(f"folder:{root}"), datasets.load(f"folder:{root}", "test")
    assert train.name == "folder:pets"
    assert train.classes == ("cat", "dog")
    assert train.shape == (3, 40, 40)  # square, equal, small: their own size
    assert len(train) + len(test) == 60
    assert len(test) == 12
    assert train.mean == test.mean
    assert f"{len(train)} + {len(test)} images" in train.description
    rows = {bytes(image.numpy()) for image in train.images}
    assert not any(bytes(image.numpy()) in rows for image in test.images)
    assert len(datasets.load(f"folder:{root}", "all")) == 60
    few = datasets.load(f"folder:{root}", limit=5)
    assert torch.equal(few.images[:3], datasets.load(f"folder:{root}", limit=3).images)


def test_split_folders_and_unlabelled_folders(tmp_path):
    root = tmp_path / "set"
    photos(root / "train", each=6)
    photos(root / "val", each=2)
    assert len(datasets.load(f"folder:{root}")) == 12
    assert len(datasets.load(f"folder:{root}", "test")) == 4
    photos(root / "test", each=1)
    photos(root / "more", each=1)
    test = datasets.load(f"folder:{root}", "test")  # test/ wins over val/
    assert len(test) == 2
    assert test.classes == ("cat", "dog")
    assert test.notes == ("splits: train, test; left out: 6 images (more, val) beside them",)
    flat = photos(tmp_path / "flat", classes=("",))
    data = datasets.load(f"folder:{flat}")
    assert data.labels is None
    assert data.classes == ()
    assert data.take(2).labels is None
    assert len(data.sha256) == 64
    vehicles = photos(tmp_path / "vehicles", classes=("train", "plane"))
    assert datasets.load(f"folder:{vehicles}").classes == ("plane", "train")


def test_mixed_sizes_are_cropped_to_one(tmp_path):
    root = tmp_path / "mixed"
    root.mkdir()
    picture(0, (120, 80)).save(root / "a.jpg", quality=95)
    picture(1, (70, 300)).save(root / "b.png")
    picture(2, (64, 64)).save(root / "c.png")
    assert datasets.load(f"folder:{root}", "all").shape == (3, 64, 64)  # at most 64
    small = photos(tmp_path / "small", classes=("",), each=6)
    picture(3, (3, 90)).save(small / "strip.png")
    assert datasets.load(f"folder:{small}", "all").shape == (3, 40, 40)  # the median
    data = datasets.load(f"folder:{root}", "all", size=48)
    assert data.shape == (3, 48, 48)
    width = 120 * 48 // 80
    expected = picture(0, (120, 80)).resize((width, 48), Image.Resampling.BILINEAR)
    left = (width - 48) // 2
    crop = np.asarray(expected.crop((left, 0, left + 48, 48))).transpose(2, 0, 1)
    assert np.abs(data.images[0].numpy().astype(int) - crop).mean() < 3  # JPEG


def test_orientation_grey_alpha_and_depth(tmp_path):
    def decoded(image: Image.Image, ending: str = "png", size: int = 0, **options) -> np.ndarray:
        buffer = io.BytesIO()
        image.save(buffer, ending, **options)
        return pixels.decode(buffer.getvalue(), size)

    halves = np.zeros((20, 40, 3), dtype=np.uint8)
    halves[:, :20, 0], halves[:, 20:, 2] = 255, 255  # left red, right blue
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn a quarter clockwise to see it": what is left comes to the top
    turned = decoded(Image.fromarray(halves), exif=exif)
    assert turned.shape == (3, 40, 20)
    assert turned[:, 0, 0].tolist() == [255, 0, 0]
    assert turned[:, -1, 0].tolist() == [0, 0, 255]
    large = Image.fromarray(halves.repeat(10, 0).repeat(10, 1))
    small = decoded(large, "jpeg", size=20, exif=exif, quality=95)  # by draft mode
    assert small.shape == (3, 20, 20)
    assert small[0, :8].min() > 200
    assert small[2, 12:].min() > 200
    grey = decoded(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)))
    assert np.array_equal(grey[0], grey[2])
    assert grey[0].ravel().tolist() == list(range(256))
    deep = decoded(Image.fromarray((np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)))
    assert np.array_equal(deep, grey)
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    clear[:2] = (10, 20, 30, 255)
    laid = decoded(Image.fromarray(clear))
    assert laid[:, 0, 0].tolist() == [10, 20, 30]
    assert laid[:, 3, 3].tolist() == [255, 255, 255]
    assert decoded(picture(0).convert("P"), transparency=0).shape == (3, 40, 40)
    assert decoded(picture(0).convert("CMYK"), "jpeg").shape == (3, 40, 40)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root.mkdir(), "holds 0 images to train on and 0 to test on"),
        (lambda root: photos(root, ("notes",), 0).joinpath("notes", "a.txt").write_text("no image"),
         "holds 0 images to train on and 0 to test on"),
        (lambda root: photos(root, ("cat",)), "holds one class only: cat"),
        (lambda root: photos(root, ("",), 1), "holds 0 images to train on and 1 to test on"),
        (lambda root: picture(0).save(photos(root) / "stray.png"),
         "holds 1 images beside class folders such as cat"),
        (lambda root: (photos(root / "train"), (root / "test").mkdir()),
         "holds one class only: train"),
        (lambda root: (photos(root / "train"), photos(root / "test", ("",))),
         "images beside class folders such as cat"),
        (lambda root: root.write_text("a file"), "is not a folder"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, make, message):
    make(tmp_path / "bad")
    with pytest.raises(DataError) as error:
        datasets.load(f"folder:{tmp_path / 'bad'}")
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 3
    with pytest.raises(DataError):
        packs.write_pack(tmp_path / "bad", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_broken_image_is_named_and_skipped_only_on_request(tmp_path, ending):
    root = photos(tmp_path / "pets")
    buffer = io.BytesIO()
    picture(5).save(buffer, "png" if ending == "png" else "jpeg")
    (root / "dog" / f"torn.{ending}").write_bytes(buffer.getvalue()[:-60])
    (root / "dog" / "empty.png").write_bytes(b"")
    for size in (0, 16):
        with pytest.raises(DataError, match=r"dog/(torn|empty)\.\w+ in .* cannot be decoded") as e:
            datasets.load(f"folder:{root}", "all", size=size)
        assert f"folder:{root}?skip_broken=1" in str(e.value)
        data = datasets.load(f"folder:{root}?skip_broken=1", "all", size=size)
        assert len(data) == 20
        assert data.labels.tolist() == [0] * 10 + [1] * 10
        named = f"left out: 2 unreadable images (dog/empty.png, dog/torn.{ending})"
        assert data.notes[0] == named
    with pytest.raises(DataError, match="cannot be decoded"):
        packs.write_pack(root, tmp_path / "out.npz")
    for path in root.rglob("*.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds 0 images"):
        datasets.load(f"folder:{root}?skip_broken=1", size=16)


def test_relative_paths_are_looked_for_in_all_places(shared, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        datasets.load("folder:pets")
    for place in (tmp_path, shared, paths.data()):
        assert str(place / "pets") in str(error.value)
    photos(shared / "pets")
    assert datasets.load("folder:pets").name == "folder:pets"
    assert datasets.get("folder:pets") == (shared / "pets").resolve()


# -- packs -------------------------------------------------------------------------------------


def write_npz(path: Path, **columns: object) -> Path:
    with open(path, "wb") as file:
        np.savez(file, **columns)
    return path


@pytest.mark.parametrize("size", [0, 24])
@pytest.mark.parametrize("classes", [("cat", "dog"), ("",)])
def test_a_pack_gives_what_its_folder_gives(tmp_path, size, classes):
    root = photos(tmp_path / "pets", classes)
    out = packs.write_pack(root, tmp_path / "pets.npz", size=size)
    assert out == tmp_path / "pets.npz"
    first = out.read_bytes()
    assert packs.write_pack(root, out, size=size).read_bytes() == first  # no date in it
    for split in ("train", "test"):
        folder = datasets.load(f"folder:{root}", split, size=size)
        for _ in range(2):  # decoded, then from the cache
            pack = datasets.load(f"pack:{out}", split, size=size)
            assert torch.equal(pack.images, folder.images)
            assert pack.classes == folder.classes
            assert (pack.labels is None) == (folder.labels is None)
            if pack.labels is not None:
                assert torch.equal(pack.labels, folder.labels)
    assert packs.read_pack(out).columns["source_path"][0].endswith(".png")
    assert no_leftovers()


def test_splits_of_a_pack(tmp_path):
    columns = encoded(20)
    path = write_npz(tmp_path / "p.npz", **columns)
    assert (len(datasets.load(f"pack:{path}")), len(datasets.load(f"pack:{path}", "test"))) == (
        15,
        5,
    )
    columns["split"] = np.array([0] * 10 + [1] * 6 + [2] * 4)  # 1 is then validation
    path = write_npz(tmp_path / "q.npz", **columns, captions=np.array(["one"] * 20))
    test = datasets.load(f"pack:{path}", "test")
    assert torch.equal(test.labels, torch.from_numpy(columns["labels"][-4:].astype(np.int64)))
    assert len(datasets.load(f"pack:{path}")) == 10
    assert len(datasets.load(f"pack:{path}", "all")) == 20
    assert packs.read_pack(path).columns["captions"][0] == "one"
    del columns["split"], columns["classes"]
    path = write_npz(tmp_path / "r.npz", **columns)
    assert len(datasets.load(f"pack:{path}", "test")) == 4  # a fixed fifth
    assert datasets.load(f"pack:{path}").classes == ("0", "1", "2")
    del columns["labels"]
    path = write_npz(tmp_path / "s.npz", **columns)
    assert datasets.load(f"pack:{path}").labels is None
    assert datasets.get(f"pack:{path}") == path


def test_the_cache_is_a_map_that_cannot_change_the_file(tmp_path):
    path = write_npz(tmp_path / "p.npz", **encoded(12) | {"split": np.repeat([0, 1], 6)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = datasets.load(f"pack:{path}", size=16)
    place = packs.place(path, 16)
    assert place.name == f"{files.sha256(path)}-16.npy"
    assert place.parent == paths.data() / "cache"
    before = place.read_bytes()
    first = data.images.clone()
    data.images.zero_()
    assert place.read_bytes() == before
    assert torch.equal(datasets.load(f"pack:{path}", size=16).images, first)
    assert datasets.load(f"pack:{path}", size=8).shape == (3, 8, 8)


def test_the_cache_is_used_and_mended(tmp_path, monkeypatch):
    path = write_npz(tmp_path / "p.npz", **encoded(12))
    expected = datasets.load(f"pack:{path}").images.clone()
    place = packs.place(path, 0)
    whole = place.read_bytes()
    wrong = io.BytesIO()
    np.save(wrong, np.zeros((11, 3, 16, 16), dtype=np.uint8))
    floats = io.BytesIO()
    np.save(floats, np.zeros((12, 3, 16, 16), dtype=np.float32))
    for damaged in (b"", whole[:-7], b"x" + whole, wrong, floats):
        place.write_bytes(damaged if isinstance(damaged, bytes) else damaged.getvalue())
        assert torch.equal(datasets.load(f"pack:{path}").images, expected)
        assert place.read_bytes() == whole
    monkeypatch.setattr(pixels, "decode", lambda *_: pytest.fail("decoded twice"))
    assert torch.equal(datasets.load(f"pack:{path}").images, expected)
    assert no_leftovers()


def test_many_may_decode_at_once(tmp_path):
    path = write_npz(tmp_path / "p.npz", **encoded(40))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: datasets.load(f"pack:{path}").sha256, range(12)))
    assert len(set(found)) == 1
    assert [p.name for p in (paths.data() / "cache").iterdir()] == [f"{files.sha256(path)}-0.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_leaves_no_half_cache(tmp_path):
    import resource

    path = write_npz(tmp_path / "p.npz", **encoded(60))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match="No space left"):
            datasets.load(f"pack:{path}")
        with pytest.raises(UserError, match="No space left"):
            packs.write_pack(photos(tmp_path / "pets"), tmp_path / "out.npz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((paths.data() / "cache").iterdir())
    assert not (tmp_path / "out.npz").exists()
    assert len(datasets.load(f"pack:{path}")) == 45


WHOLE = "are not one whole number from 0 for each image"
CHANGES = [  # of a pack's columns, what is said
    (lambda c: {"offsets": np.append(c["offsets"][:-1], c["offsets"][-1] + 1)}, "do not increase"),
    (lambda c: {"offsets": np.append(-1, c["offsets"][1:])}, f"offsets {WHOLE}"),
    (lambda c: {"offsets": c["offsets"][[0, 2, 1, *range(3, 13)]]}, "do not increase within"),
    (lambda c: {"offsets": c["offsets"].astype(np.float64)}, f"offsets {WHOLE}"),
    (lambda c: {"offsets": c["offsets"].astype(np.uint64) + np.uint64(2**63)}, f"offsets {WHOLE}"),
    (lambda c: {"offsets": c["offsets"][:1]}, f"labels {WHOLE}"),
    (lambda c: {"offsets": c["offsets"][:0]}, "offsets do not increase within"),
    (lambda c: {"offsets": c["offsets"][:2], "labels": None, "split": None},
     "holds 0 images to train on and 1 to test on"),
    (lambda c: {"data": c["data"].astype(np.int16)}, "data are int16"),
    (lambda c: {"data": c["data"][None]}, "not a row of uint8"),
    (lambda c: {"data": zeroed(c["data"], *c["offsets"][7:9])}, "image 7 in "),
    (lambda c: {"data": None}, "no columns data and offsets"),
    (lambda c: {"offsets": None}, "no columns data and offsets"),
    (lambda c: {"labels": c["labels"][:-1]}, f"labels {WHOLE}"),
    (lambda c: {"labels": c["labels"].astype(np.float32)}, f"labels {WHOLE}"),
    (lambda c: {"labels": c["labels"].astype(np.int64) - 1}, f"labels {WHOLE}"),
    (lambda c: {"labels": c["labels"] + 1}, "label 3 has no name in classes"),
    (lambda c: {"labels": c["labels"].astype(np.int64) * 10**12, "classes": None}, "has no name"),
    (lambda c: {"labels": c["labels"] * 0}, "holds one class only"),
    (lambda c: {"split": c["split"] * 3}, "split must be 0, 1 or 2"),
    (lambda c: {"split": c["split"] * 0 + 1}, "holds 0 images to train on and 12 to test on"),
    (lambda c: {"classes": np.array([{}, 1, "c"], dtype=object)}, "allow_pickle=False"),
]


def zeroed(data: np.ndarray, start: int, end: int) -> np.ndarray:
    return np.concatenate([data[:start], np.zeros(end - start, np.uint8), data[end:]])


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_tampered_pack_is_refused(tmp_path, change, message):
    columns = encoded(12)
    columns = {key: v for key, v in (columns | change(columns)).items() if v is not None}
    path = write_npz(tmp_path / "p.npz", **columns)
    for size in (0, 8):
        with pytest.raises(DataError) as error:
            datasets.load(f"pack:{path}", size=size)
        assert message in str(error.value)
        assert "p.npz" in str(error.value)
        assert len(str(error.value).splitlines()) == 3
    assert not list(paths.data().rglob("*.npy"))


def damaged(raw: bytes, seed: int) -> bytes:
    """One damage of a kind that a seed chooses."""
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(raw)))
    if seed % 2:  # half of them near the end, where the zip file's directory lies
        at = max(0, len(raw) - 1 - int(rng.integers(1200)))
    span = int(rng.integers(1, 40))
    noise, flipped = rng.bytes(span), bytes([raw[at] ^ 1 << int(rng.integers(8))])
    middle, rest = [
        (b"", b""), (b"", raw[at + span :]), (noise, raw[at:]), (noise, raw[at + span :]),
        (bytes(span), raw[at + span :]), (flipped, raw[at + 1 :]), (flipped, raw[at + 1 :]),
    ][seed % 7]  # fmt: skip
    return raw[:at] + middle + rest


@pytest.mark.parametrize("compressed", [False, True])
def test_no_damage_gets_through(tmp_path, compressed):
    path = tmp_path / "p.npz"
    with open(path, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **encoded(6, "jpeg"))
    raw = path.read_bytes()
    intact = packs.read_pack(path)
    sound = datasets.load(f"pack:{path}", size=8)
    refused = 0
    for seed in range(150):
        path.write_bytes(damaged(raw, seed))
        try:
            found = packs.read_pack(path)
            loaded = datasets.load(f"pack:{path}", size=8)
        except DataError:
            refused += 1
            continue
        assert all(map(np.array_equal, found.encoded, intact.encoded)), seed
        assert np.array_equal(found.labels, intact.labels), seed
        assert np.array_equal(found.parts, intact.parts), seed
        assert (len(found), found.classes) == (len(intact), intact.classes), seed
        assert loaded.sha256 == sound.sha256, seed
    assert refused > 100


def test_a_directory_that_swallows_an_entry_is_noticed(tmp_path):
    """One wrong comment length hides the entry behind it from zipfile, labels for one."""
    path = write_npz(tmp_path / "p.npz", **encoded(6))
    raw = bytearray(path.read_bytes())
    entries = [i for i in range(len(raw)) if raw[i : i + 4] == b"PK\1\2"]
    length = raw.rfind(b"PK\5\6") - entries[-1]
    raw[entries[-2] + 32 : entries[-2] + 34] = length.to_bytes(2, "little")
    path.write_bytes(raw)
    with zipfile.ZipFile(path) as archive:
        assert "classes.npy" not in archive.namelist()  # and no complaint
    with pytest.raises(DataError, match="its directory does not list"):
        packs.read_pack(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file", b"\x93NUMPY", None])
def test_what_is_no_pack_is_said(tmp_path, content):
    path = tmp_path / "p.npz"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or no pack"):
        datasets.load(f"pack:{path}")


# -- tables ------------------------------------------------------------------------------------


def table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HEADER = "n,half,colour,label"
ROWS = [f"{i},{i * 0.5},{'red' if i % 3 else 'blue'},{'yes' if i % 2 else 'no'}" for i in range(20)]
PLAIN = "\n".join([HEADER, *ROWS])
COMMAS = PLAIN.replace(",", ";").replace(".", ",")  # numbers with a decimal comma


def test_bundled_tables_are_standardised_by_their_training_split():
    train, test = datasets.load("wine"), datasets.load("wine", "test")
    assert (len(train), len(test), train.shape) == (142, 36, (13,))
    assert torch.equal(train.mean, test.mean)
    standard = train.standardise().values
    assert standard.mean(0).abs().max() < 1e-5
    assert (standard.std(0, correction=0) - 1).abs().max() < 1e-5
    expected = (test.values - train.mean) / train.std
    assert torch.equal(test.standardise().values, expected)
    assert torch.equal(test.standardise().standardise().values, expected)
    assert torch.equal(datasets.load("wine", limit=5).mean, train.mean)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (PLAIN, "utf-8-sig"),
        (PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace(",", "\t").replace("\n", "\r\n"), "utf-8"),
        (PLAIN.replace(",", ", ").replace("red", '"red"'), "utf-8"),
        (COMMAS, "utf-8"),
        (COMMAS.replace(";", "\t"), "utf-8"),
        (f"sep=;\n{COMMAS}", "utf-8"),  # as Excel writes it
        (f"\n\n{PLAIN}\n\n,,,\n", "utf-8"),
        (PLAIN.replace("\n", ",\n"), "utf-8"),  # a separator at the end of each line
    ],
)
def test_csv_reads_numbers_categories_and_header(tmp_path, text, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    train, test = datasets.load(f"csv:{path}"), datasets.load(f"csv:{path}", "test")
    assert (len(train), len(test)) == (16, 4)
    assert train.columns == ("n", "half", "colour=blue", "colour=red")
    assert train.classes == ("no", "yes")
    rows = train.values[:, 0].long()
    assert torch.equal(train.labels, rows % 2)
    assert torch.equal(train.values[:, 1], rows / 2)
    assert torch.equal(train.values[:, 3], (rows % 3 > 0).float())
    assert train.name == "csv:t.csv"


@pytest.mark.parametrize(
    ("lines", "query", "columns", "classes"),
    [
        ([HEADER, *ROWS], "?label=colour", ("n", "half", "label=no", "label=yes"), ("blue", "red")),
        (ROWS, "?label=c2", ("c0", "c1", "c3=no", "c3=yes"), ("blue", "red")),
        (COMMAS.splitlines()[1:], "", ("c0", "c1", "c2=blue", "c2=red"), ("no", "yes")),
        (["L,1,2", *(f"{'TI'[i % 2]},{i},{i}" for i in range(10))], "?header=1&label=L",
         ("1", "2"), ("I", "T")),
        (["x,z,y", *(f"{i},{'ab'[i % 2]},{10 - i % 2}" for i in range(10))], "",
         ("x", "z=a", "z=b"), ("9", "10")),
        (['a;"b;c";y', *(f'{i};"{i % 2};";{i % 2}' for i in range(9)), '9;"1";1'], "",
         ("a", "b;c=0;", "b;c=1", "b;c=1;"), ("0", "1")),
        (["x,y", *(f'"{i % 2},5",{i % 2}' for i in range(9))], "", ("x",), ("0", "1")),
        (["x;y", *(f"{i};{i % 2},5" for i in range(9))], "", ("x",), ("0,5", "1,5")),
        (["x,y", *(f"{['inf', '1e39', '1'][i % 3]},{i % 2}" for i in range(9))], "",
         ("x=1", "x=1e39", "x=inf"), ("0", "1")),
    ],
)
def test_csv_columns_and_classes(tmp_path, lines, query, columns, classes):
    found = datasets.load(f"csv:{table(tmp_path / 't.csv', lines)}{query}")
    assert (found.columns, found.classes) == (columns, classes)


def test_csv_in_latin_1(tmp_path):
    (tmp_path / "t.csv").write_bytes(PLAIN.replace("red", "grün").encode("latin-1"))
    assert datasets.load(f"csv:{tmp_path / 't.csv'}").columns[-1] == "colour=grün"


@pytest.mark.parametrize(
    ("lines", "query", "message"),
    [
        ([HEADER, *ROWS, "1,?,red,yes"], "",
         "column half has no value in line 22 (1 such lines)"),
        (["sep=,", "", HEADER, *ROWS, "1,,red,yes"], "", "column half has no value in line 24"),
        ([HEADER, *ROWS, "1,2,red"], "", "column label has no value in line 22"),
        ([HEADER, *ROWS, "1,2,red,yes,5"], "", "Expected 4 fields in line 22, saw 5"),
        ([HEADER, *ROWS], "?label=n", "the label column n holds 20 values in 20 lines"),
        ([HEADER, *ROWS], "?label=size", "t.csv does not know label='size'"),
        (["n,half,label,label", *ROWS], "", "2 columns are called label"),
        ([f"{i},{i},red,same" for i in range(9)], "", "holds 1 values"),
        ([HEADER, *ROWS[:3]], "", "it has 4 lines"),
        ([], "", "it cannot be read"),
        ([HEADER, '"open,1,red,yes', *ROWS], "", "it cannot be read"),
        ([HEADER, "\0,1,red,yes", *ROWS], "", "it cannot be read: it is no text"),
        ([f"person{i},{i % 2}" for i in range(600)], "", "column c0 holds 600 different texts"),
        ([f"{i}" for i in range(9)], "", "it has 9 lines of 1 cells"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, lines, query, message):
    path = table(tmp_path / "t.csv", lines)
    with pytest.raises((DataError, UsageError)) as error:
        datasets.load(f"csv:{path}{query}")
    assert message in str(error.value)
    assert "t.csv" in str(error.value)


def test_lines_with_gaps_are_left_out_on_request(tmp_path):
    gaps = table(tmp_path / "gaps.csv", [HEADER, *ROWS, "1,?,red,yes", "1,2,NULL,no"])
    assert len(datasets.load(f"csv:{gaps}?missing=skip")) == 16
    for nowhere in ("csv:nowhere.csv", f"csv:{tmp_path}"):
        with pytest.raises(DataError, match="was not found|cannot be read"):
            datasets.load(nowhere)


# -- the real sets, where they are -------------------------------------------------------------


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch):
    """SSLBOOK_DATA as the tests were started with; it must be the same afterwards."""
    monkeypatch.setenv("SSLBOOK_DATA", REAL)
    before = listing(Path(REAL))
    yield Path(REAL)
    assert listing(Path(REAL)) == before


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_real_idx_sets(real, name):
    train, test = datasets.load(name), datasets.load(name, "test")
    assert (len(train), len(test), train.shape) == (60_000, 10_000, (3, 28, 28))
    assert torch.bincount(test.labels).min() > 800
    mean, std = types.channel_statistics(train.images)
    assert train.mean == pytest.approx(mean, abs=1e-4)
    assert train.std == pytest.approx(std, abs=1e-4)
    assert datasets.present(name)
    assert datasets.get(name) == (real / name).resolve()


@needs_data
def test_real_cifar_in_another_layout(real):
    with pytest.raises(DataError, match=r"pack:.*cifar10_jpeg\.npz"):
        datasets.load("cifar10")


@needs_data
def test_real_packs(real):
    signs = datasets.load("pack:sign_digits/sign_digits_64.npz")
    assert (len(signs), signs.shape, len(signs.classes)) == (1650, (3, 64, 64), 10)
    emoji = datasets.load("pack:noto_emoji_captions/noto_emoji_72.npz", size=32)
    assert emoji.labels is None
    assert emoji.shape == (3, 32, 32)
    assert emoji.images[:, :, 0, 0].float().mean() > 250  # transparent corners are white


@needs_data
def test_real_tables(real):
    magic = datasets.load("csv:tabular/magic/magic04.data")
    assert (magic.shape, magic.classes) == ((10,), ("g", "h"))
    with pytest.raises(DataError, match=r"no value in line 15 \(2399 such lines\)"):
        datasets.load("csv:tabular/adult/adult.data")
    adult = datasets.load("csv:tabular/adult/adult.data?missing=skip", "all")
    assert (len(adult), adult.classes) == (32561 - 2399, ("<=50K", ">50K"))
    letters = datasets.load("csv:tabular/letter/letter-recognition.data?header=1&label=Letter")
    assert len(letters.classes) == 26


@needs_data
@pytest.mark.slow
def test_real_cifar_pack(real):
    train = datasets.load("pack:cifar10/cifar10_jpeg.npz", size=32)
    assert (len(train), train.shape, len(train.classes)) == (50_000, (3, 32, 32), 10)
    assert train.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=0.015)
    test = datasets.load("pack:cifar10/cifar10_jpeg.npz", "test", size=32)
    assert torch.bincount(test.labels).tolist() == [1000] * 10
