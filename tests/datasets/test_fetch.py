"""Downloads: a file comes whole and with its checksum, or an error says what came instead."""

from __future__ import annotations

import hashlib
import socket

import loopback
import pytest

from sslbook import datasets
from sslbook.datasets import fetch, planetoid
from sslbook.datasets.known import PLANETOID
from sslbook.errors import DataError

CONTENT = b"what was expected" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILES = {part: f"content of {part}".encode() for part in PLANETOID["cora"]}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "sent 0 bytes"),
        (CONTENT[:-1], "not those expected"),
        (loopback.cut(CONTENT), "IncompleteRead"),
        (loopback.status(404), "404"),
        (loopback.status(503), "503"),
        (loopback.redirect("/nowhere"), "404"),
        (loopback.redirect("file:///etc/hostname"), "302"),
        (loopback.slow(CONTENT, 30), "timed out"),
    ],
)
def test_what_is_not_the_file_is_an_error_and_leaves_nothing(tmp_path, monkeypatch, answer, says):
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    path = tmp_path / "there" / "file"
    with loopback.Server({"/a": answer}) as server, pytest.raises(DataError) as caught:
        fetch.fetch("cora", f"{server.url}/a", path, SHA256)
    assert says in str(caught.value)
    assert "sslbook data get cora" in str(caught.value)
    assert not list(tmp_path.rglob("*file*"))


def test_the_right_file_comes_by_a_redirect_and_late(tmp_path):
    answers = {"/a": loopback.redirect("/b"), "/b": loopback.slow(CONTENT, 0.1)}
    with loopback.Server(answers) as server:
        fetch.fetch("cora", f"{server.url}/a", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_no_network_is_an_error(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(DataError, match="could not be downloaded"):
            fetch.fetch("cora", url, tmp_path / "file", SHA256)


@pytest.fixture
def cora(monkeypatch):
    """A server with all files of a "Cora" whose checksums are those expected."""
    monkeypatch.delenv("SSLBOOK_DATA", raising=False)
    monkeypatch.delenv("SSLBOOK_OFFLINE", raising=False)
    sums = {part: hashlib.sha256(content).hexdigest() for part, content in FILES.items()}
    monkeypatch.setitem(PLANETOID, "cora", sums)
    with loopback.Server({f"/ind.cora.{part}": content for part, content in FILES.items()}) as one:
        monkeypatch.setattr(planetoid, "_SOURCE", one.url)
        yield one


def test_cora_is_fetched_once_and_what_is_damaged_again(cora, monkeypatch):
    folder = datasets.get("cora")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"ind.cora.{part}": content for part, content in FILES.items()}
    assert len(cora.asked) == len(FILES)
    assert datasets.get("pyg:Planetoid/Cora") == folder
    assert len(cora.asked) == len(FILES)
    (folder / "ind.cora.tx").write_bytes(b"")
    (folder / "ind.cora.ally").unlink()
    datasets.get("cora")
    assert cora.asked[len(FILES) :] == ["/ind.cora.ally", "/ind.cora.tx"]
    (folder / "ind.cora.tx").write_bytes(b"")
    monkeypatch.setenv("SSLBOOK_OFFLINE", "1")
    with pytest.raises(DataError, match=r"damaged: .*ind\.cora\.tx"):
        datasets.get("cora")


def test_a_file_that_cannot_be_had_leaves_the_others(cora):
    cora.files["/ind.cora.graph"] = b""
    with pytest.raises(DataError, match="not those expected"):
        datasets.get("cora")
    assert not datasets.present("cora")
    cora.files["/ind.cora.graph"] = FILES["graph"]
    datasets.get("cora")
    assert cora.asked.count("/ind.cora.allx") == 1
