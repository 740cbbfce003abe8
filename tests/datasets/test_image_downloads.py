"""Published image sets fetched from a server: only what is whole counts as there."""

from __future__ import annotations

import _thread
import dataclasses
import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from loopback import Server, cut, redirect, slow, status
from samples import idx_files

from sslbook import datasets
from sslbook.core import paths
from sslbook.datasets import images
from sslbook.datasets.known import KNOWN
from sslbook.errors import DataError


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def archive(folder: str, content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, raw in content.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(raw)
            tar.addfile(entry, io.BytesIO(raw))
    return buffer.getvalue()


def members(name: str, kind: type) -> dict[str, bytes]:
    """The files of CIFAR and STL-10, with two images each."""
    if name == "stl10":
        sizes = {"X": 2 * 3 * 96 * 96, "y": 2}
        return {file: b"kind\n" * 10 if file.endswith(".txt") else b"\1" * sizes[file[-5]]
                for file, _ in (*kind.train_list, *kind.test_list, ("class_names.txt", ""))}
    fine = "fine_" if name == "cifar100" else ""
    batch = {"data": np.ones((2, 3072), np.uint8), f"{fine}labels": [0, 1]}
    content = {file: pickle.dumps(batch) for file, _ in (*kind.train_list, *kind.test_list)}
    return content | {kind.meta["filename"]: pickle.dumps({kind.meta["key"]: ["a"] * 10})}


@pytest.fixture
def served(monkeypatch):
    """A function: a server that has a small set of this name, and which torchvision is sent to."""
    monkeypatch.delenv("SSLBOOK_DATA", raising=False)
    monkeypatch.setenv("SSLBOOK_OFFLINE", "0")
    with Server({}) as server:

        def serve(name: str) -> Server:
            kind = getattr(torchvision.datasets, KNOWN[name].torchvision)
            if KNOWN[name].sha256:
                content = idx_files()
                sums = tuple(hashlib.sha256(raw).hexdigest() for raw in content.values())
                monkeypatch.setitem(KNOWN, name, dataclasses.replace(KNOWN[name], sha256=sums))
                server.files = {f"/{file}.gz": gzip.compress(raw) for file, raw in content.items()}
                monkeypatch.setattr(kind, "mirrors", [f"{server.url}/"])
                monkeypatch.setattr(kind, "resources", [(path[1:], md5(raw))
                                                        for path, raw in server.files.items()])
                return server
            content = members(name, kind)
            packed = archive(kind.base_folder, content)
            for part in ("train_list", "test_list"):
                listed = [[file, md5(content[file])] for file, _ in getattr(kind, part)]
                monkeypatch.setattr(kind, part, listed)
            if name != "stl10":
                meta = kind.meta | {"md5": md5(content[kind.meta["filename"]])}
                monkeypatch.setattr(kind, "meta", meta)
            monkeypatch.setattr(kind, "url", f"{server.url}/{kind.filename}")
            monkeypatch.setattr(kind, "tgz_md5", md5(packed))
            server.files = {f"/{kind.filename}": packed}
            return server

        yield serve


def left() -> list[Path]:
    """The files of data/ at home."""
    return [path for path in paths.data().rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", [*KNOWN])
def test_every_set_can_be_fetched_by_the_command(served, sslbook_, name):
    server = served(name)
    assert not datasets.present(name)
    first = sslbook_("data", "get", name)
    assert first.code == 0, first.err
    assert datasets.present(name)
    assert len(datasets.load(name, "test")) in (2, 10)
    asked = len(server.asked)
    assert datasets.get(name) == paths.data() / name
    assert len(server.asked) == asked  # a whole set is not asked for again
    assert {path.relative_to(paths.data()).parts[0] for path in left()} == {name}


def another(content: bytes) -> bytes:
    return content[:-1] + b"?"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (cut, ""), (lambda content: b"", ""), (another, ""),
        (lambda content: status(404), "HTTP Error 404"),
        (lambda content: status(503), "HTTP Error 503"),
        (lambda content: slow(content, 5), "timed out"),
        (lambda content: redirect("/"), ""),
    ],
)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_failed_download_leaves_nothing_and_is_explained(
    served, sslbook_, monkeypatch, name, answer, reason
):
    server = served(name)
    monkeypatch.setattr(images, "_PATIENCE", 0.2)
    path = [*server.files][-1]
    whole = server.files[path]
    server.files |= {path: answer(whole), "/": redirect("/")}
    ended = sslbook_("data", "get", name)
    assert ended.code == 3
    assert f"{name} could not be downloaded: " in ended.err
    assert f"sslbook data get {name}" in ended.err
    assert reason in ended.err
    assert not datasets.present(name)
    assert left() == []
    server.files[path] = whole
    assert len(datasets.load(name, "test")) in (2, 10)


def test_a_redirect_is_followed_and_without_network_an_error_says_so(served, monkeypatch):
    server = served("cifar10")
    (path,) = server.files
    server.files = {path: redirect("/elsewhere"), "/elsewhere": server.files[path]}
    datasets.get("cifar10")
    assert "/elsewhere" in server.asked
    served("mnist")
    with Server({}) as gone:
        pass
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{gone.url}/"])
    with pytest.raises(DataError, match="mnist could not be downloaded: .*refused"):
        datasets.load("mnist")
    monkeypatch.setenv("SSLBOOK_OFFLINE", "1")
    with pytest.raises(DataError, match="download is off"):
        datasets.get("mnist")


def test_a_damaged_set_at_home_is_fetched_again(served, monkeypatch):
    server = served("mnist")
    datasets.get("mnist")
    damaged = paths.data() / "mnist/MNIST/raw/t10k-images-idx3-ubyte"
    damaged.write_bytes(b"broken off")
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is missing or fails"):
        datasets.load("mnist", "test")
    monkeypatch.setenv("SSLBOOK_OFFLINE", "1")
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is missing or fails"):
        datasets.get("mnist")
    monkeypatch.setenv("SSLBOOK_OFFLINE", "0")
    path = [*server.files][-1]
    whole = server.files[path]
    server.files[path] = status(404)
    with pytest.raises(DataError, match="could not be downloaded"):
        datasets.get("mnist")
    assert damaged.read_bytes() == b"broken off"  # the labels that are there are still of use
    server.files[path] = whole
    datasets.get("mnist")
    assert len(datasets.load("mnist", "test")) == 10


def test_an_interrupted_download_counts_for_nothing(served):
    server = served("mnist")
    path = [*server.files][-1]
    whole = server.files[path]

    def interrupt(handler) -> None:
        handler.send(whole[:50], announced=len(whole))
        _thread.interrupt_main()
        handler.wfile.write(whole[50:])

    server.files[path] = interrupt
    with pytest.raises(KeyboardInterrupt):
        datasets.get("mnist")
    assert left() == []
    killed = paths.data() / ".mnist.killed/MNIST/raw/train-images-idx3-ubyte"  # by no exception
    killed.parent.mkdir(parents=True)
    killed.write_bytes(b"half")
    assert not datasets.present("mnist")
    server.files[path] = whole
    assert len(datasets.load("mnist")) == 20
