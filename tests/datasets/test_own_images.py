"""Folders and packs as readers have them: what is read, what is passed over and said."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image
from samples import encoded, photos, picture

from sslbook import datasets
from sslbook.datasets import packs, pixels
from sslbook.errors import DataError, UsageError


@pytest.mark.parametrize("linked", [("eel",), ("cat", "dog", "eel")])
def test_class_folders_may_be_links(tmp_path, linked):
    root, store = tmp_path / "pets", tmp_path / "store"
    photos(store, linked)
    photos(root, tuple({"cat", "dog", "eel"} - {*linked}))
    root.mkdir(exist_ok=True)
    for name in linked:
        (root / name).symlink_to(store / name)
    data = datasets.load(f"folder:{root}", "all")
    assert (data.classes, data.labels.bincount().tolist()) == (("cat", "dog", "eel"), [10] * 3)
    assert data.notes == ()
    pack = datasets.load(f"pack:{packs.write_pack(root, tmp_path / 'pets.npz')}", "all")
    assert pack.labels.bincount().tolist() == [10] * 3


def test_links_that_lead_back_or_nowhere_are_counted(tmp_path):
    root = photos(tmp_path / "pets", each=4)
    (root / "dog" / "all").symlink_to(root)
    (root / "kitten").symlink_to(root / "cat")
    (root / "gone").symlink_to(tmp_path / "gone")
    (root / "cat" / "gone.png").symlink_to(tmp_path / "gone.png")
    data = datasets.load(f"folder:{root}", "all")
    assert data.labels.bincount().tolist() == [4, 4]
    assert data.notes == (
        "passed over: 2 broken links (gone, gone.png), 2 repeated folders (kitten, dog/all)",)


def test_what_systems_keep_beside_photographs_is_passed_over(tmp_path):
    root = photos(tmp_path / "pets", each=4)
    for name in ("cat/@eaDir/0.png", ".thumbnails", "__MACOSX/cat", "#recycle", "$RECYCLE.BIN"):
        photos(root / name, ("",), 1)
    (root / "lost+found").mkdir()
    picture(0).save(root / "cat" / "._0.png")
    for name in ("Thumbs.db", "0.txt", "1.txt", ".DS_Store"):
        (root / "cat" / name).write_text("")
    data = datasets.load(f"folder:{root}", "all")
    assert data.ids == tuple(f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(4))
    folders = "#recycle, $RECYCLE.BIN, .thumbnails, __MACOSX, lost+found"  # five at most
    assert data.notes == (f"passed over: 6 hidden or system folders ({folders}), "
                          "1 hidden image (._0.png), 3 other files (.txt, .db)",)
    pack = datasets.load(f"pack:{packs.write_pack(root, tmp_path / 'p.npz')}", "all")
    assert pack.notes == data.notes
    assert sorted(pack.ids) == sorted(data.ids)


@pytest.mark.parametrize(
    ("train", "test"),
    [("training_set", "test_set"), ("Training", "Testing"), ("seg_train", "seg_test"),
     ("train", "dev"), ("TRAIN", "Val"), ("train2017", "val2017"), ("trainset", "testset"),
     ("seg_train/seg_train", "seg_test/seg_test")],
)
def test_split_folders_are_recognised(tmp_path, train, test):
    photos(tmp_path / "set" / train, each=3)
    photos(tmp_path / "set" / test, each=1)
    found = [datasets.load(f"folder:{tmp_path / 'set'}", split) for split in ("train", "test")]
    assert [len(data) for data in found] == [6, 2]
    assert found[0].classes == found[1].classes == ("cat", "dog")
    assert found[0].notes == (f"splits: {train.split('/')[0]}, {test.split('/')[0]}",)


@pytest.mark.parametrize("classes", [("bullet_train", "crash_test"), ("train", "plane"),
                                     ("trainer", "protester"), ("strain", "contest")])
def test_classes_that_only_sound_like_splits_stay_classes(tmp_path, classes):
    data = datasets.load(f"folder:{photos(tmp_path / 'set', classes)}")
    assert (data.classes, data.notes) == (tuple(sorted(classes)), ())


def test_of_several_splits_test_is_taken_and_the_rest_said(tmp_path):
    for name, each in (("train", 3), ("dev", 5), ("val", 4), ("test", 1), ("extra", 2)):
        photos(tmp_path / "set" / name, each=each)
    for name in ("train_masks", "test_masks"):  # a smaller pair of its own
        photos(tmp_path / "set" / name, each=1)
    test = datasets.load(f"folder:{tmp_path / 'set'}", "test")
    assert len(test) == 2
    assert test.notes == ("splits: train, test; left out: 26 images "
                          "(dev, extra, test_masks, train_masks, val) beside them",)


def ramp(dtype, low, high):
    return np.linspace(low, high, 256).astype(dtype).reshape(16, 16)


EVEN = np.arange(256)


@pytest.mark.parametrize(
    ("make", "levels", "note"),
    [
        (lambda: ramp(np.float32, 0, 1), EVEN, "images of floats: 0 is black, 1 white"),
        (lambda: ramp(np.float32, 2100, 2200), EVEN, "floats: 2100 is black, 2200 white"),
        (lambda: ramp(np.float32, 0, 255), EVEN, "floats: 0 is black, 256 white"),
        (lambda: ramp(np.uint16, 0, 4095), EVEN, "beyond 8 bits: 0 is black, 4095 white"),
        (lambda: ramp(np.int32, -500, 3000), EVEN, "beyond 8 bits: -500 is black, 3000 white"),
        (lambda: ramp(np.int32, 0, 2**31 - 1), EVEN, "beyond 8 bits: 0 is black, 2.14748e+09 "),
        (lambda: ramp(np.uint16, 0, 65535), ramp(np.uint16, 0, 65535).ravel() >> 8, None),
    ],
)
def test_deep_images_are_read_in_one_range_of_the_set(tmp_path, make, levels, note):
    for name in ("a", "b"):
        (tmp_path / "deep" / name).mkdir(parents=True)
        for i in range(5):  # the darker half of the values is the same in every image
            values = make().copy()
            values[8:] = values[8:] if i < 4 else values[:8]
            Image.fromarray(values).save(tmp_path / "deep" / name / f"{i}.tif")
    data = datasets.load(f"folder:{tmp_path / 'deep'}", "all")
    for i in range(10):
        rows = slice(None) if i % 5 < 4 else slice(128)
        assert np.abs(data.images[i, 0].numpy().ravel()[rows] - levels[rows]).max() <= 1, i
    assert data.images[4, 0, 8:].max() <= 128  # and not stretched by itself
    assert [note in one for one in data.notes] == [True] if note else data.notes == ()
    pack = datasets.load(f"pack:{packs.write_pack(tmp_path / 'deep', tmp_path / 'd.npz')}", "all")
    assert sorted(map(bytes, pack.images.numpy())) == sorted(map(bytes, data.images.numpy()))
    assert pack.notes == data.notes


def test_floats_without_a_value_are_black_and_without_a_range_refused(tmp_path):
    values = ramp(np.float32, 0, 1)
    values[0, :3] = np.nan, np.inf, -3.4e38  # as maps mark their gaps
    Image.fromarray(values).save(tmp_path / "gap.tif")
    header = pixels.header(tmp_path / "gap.tif")
    assert (header.deep, header.low, header.high) == ("F", values[0, 3], 1)
    levels = pixels.decode(tmp_path / "gap.tif", ranges={"F": (0, 1)})
    assert levels[0, 0, :4].tolist() == [0, 255, 0, 3]
    with pytest.raises(ValueError, match="it holds floats"):
        pixels.decode(tmp_path / "gap.tif")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_names_that_are_no_text_can_be_packed_and_printed(tmp_path):
    root = photos(tmp_path / os.fsdecode(b"caf\xe9"), (os.fsdecode(b"\xe9lan"), "dog"), 4)
    (root / "dog" / "0.png").rename(root / "dog" / os.fsdecode(b"z\xfc.png"))
    (root / os.fsdecode(b"no\xfc")).symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"caf\\udce9 is no UTF-8"):
        datasets.load(f"folder:{root}")
    (tmp_path / "pets").symlink_to(root)
    data = datasets.load(f"folder:{tmp_path / 'pets'}", "all")
    pack = datasets.load(f"pack:{packs.write_pack(root, tmp_path / 'p.npz')}", "all")
    for found in (data, pack):
        assert found.classes == ("dog", r"\udce9lan")
        "".join((found.name, found.source, *found.ids, *found.notes, *found.classes)).encode()
    assert data.ids[3] == r"dog/z\udcfc.png"
    (root / "dog" / os.fsdecode(b"\xfc.png")).write_bytes(b"")
    with pytest.raises(DataError) as error:
        datasets.load(f"folder:{tmp_path / 'pets'}")
    assert r"dog/\udcfc.png in " in str(error.value)
    str(error.value).encode()


def test_line_scans_are_cropped_before_they_are_resized(tmp_path, monkeypatch):
    root = photos(tmp_path / "pets", each=4)
    scan = np.zeros((60_000, 2, 3), np.uint8)
    scan[29_990:30_010] = 200
    Image.fromarray(scan).save(root / "cat" / "scan.png")
    Image.fromarray(scan.transpose(1, 0, 2)).save(root / "dog" / "scan.png")
    sizes, resize = [], Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize",
                        lambda self, size, *a: sizes.append(size) or resize(self, size, *a))
    data = datasets.load(f"folder:{root}", "all", size=32)
    assert max(max(size) for size in sizes) == 32
    for row in (4, 9):
        assert data.images[row].unique().tolist() == [200]
    (note,) = data.notes
    assert note.startswith("of images over 10 times as long as wide, such as ")


@pytest.mark.parametrize("sides", [(30, 299), (299, 30), (40, 40), (7, 50)])
def test_the_crop_of_ordinary_images_is_the_old_one(sides):
    image = picture(1, sides)
    width, height = (max(24, int(24 * side / min(sides))) for side in sides)
    whole = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - 24) // 2, (height - 24) // 2
    expected = np.asarray(whole.crop((left, top, left + 24, top + 24))).transpose(2, 0, 1)
    found = pixels.decode(pixels.png(np.asarray(image).transpose(2, 0, 1)), 24)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("make", "messages"),
    [
        (lambda root: photos(root, each=1),
         ["holds 1 images to train on and 1 to test on; at least 2 and 1 are needed"]),
        (lambda root: photos(root, ("cat",), 9), ["holds one class only: cat (9 images)"]),
        (lambda root: (photos(root / "train", ("cat",), 5), photos(root / "test", each=1)),
         ["holds one class only to train on: cat (5 images)", "Add images of another class"]),
        (lambda root: [photos(root, ("cat",), 0).joinpath(f"cat/{i}.HEIC").touch() for i in "ab"],
         ["holds 0 images to train on", "passed over: 2 other files (.heic)"]),
    ],
)
def test_too_few_images_are_counted(tmp_path, make, messages):
    make(tmp_path / "few")
    with pytest.raises(DataError) as error:
        datasets.load(f"folder:{tmp_path / 'few'}")
    for message in messages:
        assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 3


def test_classes_that_a_split_lacks_are_said(tmp_path):
    photos(tmp_path / "set" / "train", ("cat", "dog"), 3)
    photos(tmp_path / "set" / "test", ("cat", "eel"), 2)
    notes = datasets.load(f"folder:{tmp_path / 'set'}").notes
    assert notes[1:] == ("no images to train on of 1 of the classes: eel",
                         "no images to test on of 1 of the classes: dog")


def test_images_of_a_pack_that_no_split_holds_are_said(tmp_path):
    columns = encoded(20) | {"split": np.array([0] * 10 + [1] * 6 + [2] * 4)}
    np.savez(tmp_path / "p.npz", **columns)
    data = datasets.load(f"pack:{tmp_path / 'p.npz'}")
    assert data.notes == ("left out: 6 images to validate on",)
    assert torch.equal(data.labels.bincount(), torch.tensor([4, 3, 3]))


@pytest.fixture
def closed(monkeypatch):
    """A function that takes the rights to a folder away (the tests may run as root)."""

    def close(folder):
        def guarded(function):
            def call(path, *arguments, **options):
                inside = os.fspath(path).startswith(f"{folder}{os.sep}")
                listed = function is os_scandir and os.fspath(path) == str(folder)
                if inside or listed:
                    raise PermissionError(13, "Permission denied", os.fspath(path))
                return function(path, *arguments, **options)

            return call

        os_scandir = os.scandir
        monkeypatch.setattr(os, "scandir", guarded(os.scandir))
        monkeypatch.setattr(os, "stat", guarded(os.stat))

    return close


def test_a_class_folder_that_may_not_be_listed_is_named(tmp_path, closed):
    root = photos(tmp_path / "pets", ("cat", "dog", "eel"), 4)
    closed(root / "eel")
    with pytest.raises(DataError) as error:
        datasets.load(f"folder:{root}")
    assert f"You have no right to list {root / 'eel'} (1 such folders)" in str(error.value)
    data = datasets.load(f"folder:{root}?skip_broken=1", "all")
    assert data.classes == ("cat", "dog")
    assert data.notes == ("passed over: 1 unreadable folder (eel)",)


@pytest.mark.parametrize("name", ["folder:{}/pets", "pack:{}/pets.npz", "csv:{}/t.csv", "mnist"])
def test_data_below_a_folder_without_rights(tmp_path, closed, monkeypatch, name):
    (tmp_path / "vault").mkdir()
    monkeypatch.setenv("SSLBOOK_DATA", str(tmp_path / "vault"))
    closed(tmp_path / "vault")
    name = name.format(tmp_path / "vault")
    with pytest.raises(DataError) as error:
        datasets.load(name)
    assert f"You have no right to look into {tmp_path / 'vault'}, where " in str(error.value)
    assert not datasets.present(name)
