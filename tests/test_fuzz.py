"""Damaged and hostile files: three lines that say what is wrong, or a documented None.

Never a library's traceback, and never does code from a file run: a pickled canary would sing.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import string
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from samples import encoded, record

from sslbook import datasets, nets, records
from sslbook.book.parameters import Parameter
from sslbook.datasets import packs, tables
from sslbook.errors import UserError
from sslbook.headless import plan
from sslbook.records import ledger, report
from sslbook.records import tables as csv_tables
from sslbook.run import encoders
from sslbook.run import presets as rules
from sslbook.training.checkpoints import Store, load_weights, read_checkpoint
from sslbook.training.history import History

# The same examples in every run, nothing kept on disk.
fuzz = settings(max_examples=40, derandomize=True, deadline=None, database=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
many = settings(fuzz, max_examples=80)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, -1, 0, 1e308, "NaN", "../x", "\ud800", "<b>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3), max_leaves=5)


@st.composite
def damages(draw):
    """A function that damages bytes in one place: cut, lose, insert, overwrite or flip."""
    where = draw(st.floats(0, 1))
    kind = draw(st.sampled_from(["cut", "lose", "insert", "overwrite", "flip"]))
    noise = draw(st.binary(min_size=1, max_size=12))

    def damage(raw: bytes) -> bytes:
        at = min(len(raw) - 1, int(where * len(raw)))
        if kind == "cut":
            return raw[:at]
        if kind == "flip":
            return raw[:at] + bytes([raw[at] ^ (1 << noise[0] % 8)]) + raw[at + 1 :]
        middle = b"" if kind == "lose" else noise
        return raw[:at] + middle + raw[at if kind == "insert" else at + len(noise) :]

    return damage


def explained(call, *arguments, **named):
    """What a call returns, or None where it raises a UserError of three lines."""
    try:
        return call(*arguments, **named)
    except UserError as error:
        lines = str(error).splitlines()
        assert len(lines) == 3, lines
        assert all(map(str.strip, lines)), lines
        return None


class Canary:
    """Unpickling it writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def canary(tmp_path):
    """A canary; after the test it must not have sung. That it can is tried first."""
    path = tmp_path / "sung"
    pickle.loads(pickle.dumps(Canary(path)))
    assert path.exists()
    path.unlink()
    yield Canary(path)
    assert not path.exists(), "code from a file was executed"


# -- parameters ------------------------------------------------------------------------------

KNOWN = {name: Parameter(name, kind, 0, "what it means") for name, kind in
         (("SEED", "int"), ("MINUTES", "float"), ("FLAG", "bool"), ("DATASET", "str"),
          ("TAU", "float"), ("ODD", "None"))}
ODD = ["1", "-1", "1e999", "0x10", "1_0", "9" * 400, "9" * 5000, "nan", "inf",
       "True", "{[]: 1}", "{**1}", "(" * 300, "'", "\\", "\0", "\ud800", "1if 0",
       "b'", "f'{1}'", "()", "1j", "...", "[1]*9", "-", " ", "\n", "lambda: 0",
       "__import__('os').system('touch sung')", "open('sung', 'w')"]
VALUES = st.text(max_size=8) | st.lists(st.sampled_from(ODD), max_size=3).map("".join)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_odd_values_are_typed_or_refused_and_never_executed(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    for name in KNOWN:
        found = explained(plan.parse, [f"{name}={value}"], KNOWN)
        explained(rules.check_standard, found or {})
    assert list(tmp_path.iterdir()) == []


@fuzz
@given(st.lists(st.tuples(st.sampled_from([*KNOWN, "", "X", " SEED "]), VALUES), max_size=2))
def test_parameters_are_typed_or_refused(pairs):
    found = explained(plan.parse, [f"{name}={value}" for name, value in pairs], KNOWN)
    for name, value in (found or {}).items():
        kind = KNOWN[name].kind
        assert type(value).__name__ == (kind if kind in ("int", "float", "bool") else "str")
    explained(rules.check_standard, found or {})


@fuzz
@given(st.text())
def test_what_is_no_assignment_is_refused(text):
    explained(plan.parse, [text], KNOWN)


# -- packs -----------------------------------------------------------------------------------


def npz(columns: dict[str, bytes]) -> bytes:
    """A whole zip file, its checksums right, of members as they are given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in columns.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def npy(array: np.ndarray, **named) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **named)
    return out.getvalue()


COLUMNS = {key: npy(column) for key, column in encoded(6).items()}


def load_pack(path: Path, content: bytes):
    path.write_bytes(content)
    found = explained(packs.read_pack, path)
    if found is not None:
        explained(datasets.load, f"pack:{path}", size=8)
    return found


@fuzz
@given(st.sampled_from(sorted(COLUMNS)), damages())
def test_a_damaged_column_of_a_pack_is_explained(tmp_path, name, damage):
    load_pack(tmp_path / "p.npz", npz({**COLUMNS, name: damage(COLUMNS[name])}))


ARRAYS = st.sampled_from([
    np.array(3), np.zeros((2, 0)), np.zeros(7, "M8[s]"), np.zeros(7, "c16"), np.zeros(6, "U0"),
    np.frombuffer(b"\xff" * 24, "<U1"), np.array(["\ud800"] * 6), np.zeros(6, "i4,f4"),
    np.zeros(6, "V3"), np.zeros(6, bool), np.full(6, 2**63, np.uint64), np.arange(6.0) * np.nan,
    np.arange(7)[::-1], np.arange(6)[:, None],
])


@fuzz
@given(st.dictionaries(st.sampled_from([*sorted(COLUMNS), "more", "../x"]), ARRAYS, min_size=1))
def test_a_pack_of_other_columns_is_explained(tmp_path, columns):
    load_pack(tmp_path / "p.npz", npz({**COLUMNS, **{k: npy(v) for k, v in columns.items()}}))


@pytest.mark.parametrize("name", [*sorted(COLUMNS), "more"])
def test_a_pickle_in_a_pack_stays_asleep(tmp_path, canary, name):
    column = npy(np.array([canary] * 6, dtype=object), allow_pickle=True)
    assert load_pack(tmp_path / "p.npz", npz({**COLUMNS, name: column})) is None
    for content in (pickle.dumps(canary), npz({**COLUMNS, name: pickle.dumps(canary)})):
        assert load_pack(tmp_path / "p.npz", content) is None


# -- records -----------------------------------------------------------------------------------

WHOLE = record(0, scores={"mine": {"knn20": 0.5}}, trainings={"a": {"rows": [{"step": 1}]}})
PLACES = [(), *((key,) for key in WHOLE), ("claims", "a"), ("claims", "a", "claim"),
          *(("claims", "a", "claim", key) for key in WHOLE["claims"]["a"]["claim"]),
          ("claims", "a", "claim", "rule", "bound"), ("claims", "a", "value"),
          ("scores", "mine"), ("scores", "mine", "knn20"), ("data", "train"),
          ("data", "train", "name"), ("data", "train", "count"), ("data", "train", "sha256"),
          ("device", "kind"), ("seconds", "wall"), ("code", "version"), ("parameters", "net"),
          ("parameters", "epochs"), ("trainings", "a")]


def replaced(place: tuple[str, ...], value: object) -> object:
    """A record in which one place holds another value, or one more key."""
    made = json.loads(json.dumps(WHOLE))
    if not place:
        return value
    inside = made
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return made


def read_record(folder: Path, content: bytes):
    """The record in a file; what can be read, every report can show."""
    path = folder / "record.json"
    path.write_bytes(content)
    found, why = records.examine(path)
    assert (found is None) == bool(why)
    assert "\n" not in why
    if found is not None:
        both = [WHOLE, found]
        report.text(both).encode()
        json.dumps(report.plain(both), allow_nan=False)
        csv_tables.write(folder / "out", both)
        ledger.append(folder / ledger.NAME, ledger.rows(both))
    return found


@many
@given(st.sampled_from(PLACES), JSON)
def test_a_record_with_one_other_value_is_none_or_can_be_shown(tmp_path, place, value):
    read_record(tmp_path, json.dumps(replaced(place, value)).encode())


@fuzz
@given(damages(), st.binary(max_size=30))
def test_a_damaged_ledger_gives_its_whole_lines(tmp_path, damage, noise):
    path = tmp_path / ledger.NAME
    path.unlink(missing_ok=True)
    for value in (0.1, 0.2, 0.3):
        ledger.append(path, ledger.rows([record(0, value)]))
    path.write_bytes(damage(path.read_bytes()) + noise)
    lines, _ = ledger.read(path)
    json.dumps(lines, allow_nan=False)
    assert ledger.append(path, ledger.rows([record(0, 0.4)])) == 1
    assert ledger.read(path)[0][-1]["mean"] == 0.4


# -- checkpoints and weights -------------------------------------------------------------------


def net() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a checkpoint of a net and its optimiser."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.save(parts(), History("a", rows=[{"step": 1, "loss": 0.5}]), step=3)
    return (store.folder / "checkpoint.pt").read_bytes()


def parts() -> dict[str, object]:
    module = net()
    return {"module": module, "optimizer": torch.optim.AdamW(module.parameters())}


def resumed(folder: Path, content: bytes):
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint.pt").write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()):
        explained(read_checkpoint, folder / "checkpoint.pt")
        return explained(Store(folder).resume, parts())


def test_the_checkpoint_itself_is_good(tmp_path, checkpoint):
    history, values = resumed(tmp_path / "a", checkpoint)
    assert (history.rows, values) == ([{"step": 1, "loss": 0.5}], {"step": 3})


@pytest.mark.parametrize("change", [
    lambda state: [], lambda state: {}, lambda state: torch.zeros(3), lambda state: None,
    lambda state: {**state, "made": 3},
    lambda state: {**state, "parts": {}}, lambda state: {**state, "parts": {"module": {}}},
    lambda state: {**state, "parts": {**state["parts"], "module": {"weight": torch.zeros(1)}}},
    lambda state: {**state, "parts": {**state["parts"], "optimizer": {"state": 1}}},
    lambda state: {**state, "history": {"nothing": 1}}, lambda state: {**state, "history": "a"},
    lambda state: {**state, "snapshots": {"a": [3]}}, lambda state: {**state, "snapshots": 3},
    lambda state: {k: v for k, v in state.items() if k != "values"},
])
def test_a_checkpoint_of_something_else_is_explained(tmp_path, checkpoint, change):
    content = io.BytesIO()
    torch.save(change(torch.load(io.BytesIO(checkpoint), weights_only=True)), content)
    assert resumed(tmp_path / "a", content.getvalue()) is None


def test_a_pickle_in_a_checkpoint_stays_asleep(tmp_path, canary, checkpoint):
    state = torch.load(io.BytesIO(checkpoint), weights_only=True)
    contents = [pickle.dumps(canary)]
    for zipped in (True, False):
        content = io.BytesIO()
        torch.save({**state, "values": canary}, content, _use_new_zipfile_serialization=zipped)
        contents.append(content.getvalue())
    for content in contents:
        assert resumed(tmp_path / "a", content) is None


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file({k: v.contiguous() for k, v in net().state_dict().items()}, path)
    return path.read_bytes()


def load(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    explained(load_weights, path, net())


@fuzz
@given(JSON, st.binary(max_size=24))
@example({"weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}, b"0" * 24)
@example({"__metadata__": {"a": "b"}}, b"")
def test_weights_with_another_header_are_explained(tmp_path, header, data):
    with contextlib.suppress(UnicodeEncodeError):
        text = json.dumps(header, ensure_ascii=False).encode()
        load(tmp_path / "w.safetensors", len(text).to_bytes(8, "little") + text + data)


def test_a_pickle_as_weights_stays_asleep(tmp_path, canary):
    load(tmp_path / "w.safetensors", pickle.dumps(canary))


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The files of a finished training: name -> bytes."""
    store = Store(tmp_path_factory.mktemp("ended"))
    history = History("a", rows=[{"step": 1, "loss": 0.5}])
    history.add({"step": 2}, {"picture": np.zeros((2, 2), np.float32)})
    store.finish(net(), history)
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def load_ended(folder: Path, files: dict[str, bytes]):
    """What a store makes of these files."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return explained(Store(folder).load, net())


@pytest.mark.parametrize("content", [b"[]", b"3", b'{"name": "a", "more": 1}', b"[" * 5000])
def test_a_foreign_history_is_explained(tmp_path, ended, content):
    assert load_ended(tmp_path / "whole", ended).name == "a"
    assert load_ended(tmp_path / "a", {**ended, "history.json": content}) is None
    rest = {name: content for name, content in ended.items() if name != "snapshots.npz"}
    assert load_ended(tmp_path / "b", rest) is None


def test_a_pickle_in_a_history_stays_asleep(tmp_path, ended, canary):
    column = npy(np.array([canary], dtype=object), allow_pickle=True)
    for content in (npz({"picture": column}), pickle.dumps(canary)):
        assert load_ended(tmp_path / "a", {**ended, "snapshots.npz": content}) is None


# -- encoders ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of a small encoder, and its description."""
    folder = tmp_path_factory.mktemp("encoder")
    images = datasets.load("shapes", "train", limit=2)
    encoders.save_encoder(folder, nets.build("resnet8", width=2), images, "one")
    return folder, json.loads((folder / "encoder.json").read_text(encoding="utf-8"))


def load_encoder(folder: Path, content: bytes) -> None:
    """Load it and, where that can be done, use it."""
    (folder / "encoder.json").write_bytes(content)
    found = explained(encoders.load_encoder, folder)
    if found:
        net, ready = found
        with contextlib.suppress(UserError):
            net(ready(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)))


@fuzz
@given(st.sampled_from(["", "net", "size", "mean", "std", "sha256"]), JSON)
@example("mean", [0.5])
@example("mean", [0.5] * 4)
@example("std", [0.0, 0.0, 0.0])
@example("size", 0)
@example("size", -3)
@example("size", 1e999)
@example("size", 10**30)
@example("net", {"net": ["resnet8"]})
@example("net", {"net": "resnet8", "width": 10**30})
@example("net", {"net": "resnet8", "width": 0})
@example("net", {"net": "resnet8", "width": True})
@example("net", {"net": "vit_tiny", "depth": -1})
def test_another_description_of_an_encoder_is_explained(encoder, key, value):
    folder, about = encoder
    load_encoder(folder, json.dumps({**about, key: value} if key else value).encode())


# -- tables ------------------------------------------------------------------------------------

LINES = ["a,b,kind", *(f"{i / 3:.3f},{'xyz'[i % 3]},{'uv'[i % 2]}" for i in range(12))]
CELLS = st.sampled_from(["1", "1e300", "-1e39", "nan", "inf", "", "?", "x", "\0", '"', "'", ";",
                         "١", "1_0", "9" * 5000]) | st.text(string.printable, max_size=3)


def load_table(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = explained(tables.load_csv, path, "train", 0)
    if found is not None:
        assert found.values.isfinite().all()
        assert found.mean.isfinite().all()
        assert found.std.isfinite().all()
        assert (found.std > 0).all()


@fuzz
@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=5, max_size=9),
       st.sampled_from(",;\t"))
def test_any_table_is_explained(tmp_path, rows, separator):
    lines = [*LINES, *(separator.join(row) for row in rows)]
    load_table(tmp_path / "t.csv", "\n".join(lines).encode())


@fuzz
@given(st.lists(CELLS, min_size=12, max_size=12))
def test_any_column_is_explained(tmp_path, cells):
    cells = [cell.translate({ord(c): None for c in ',;\t"\r\n'}) for cell in cells]
    load_column(tmp_path, cells)


@pytest.mark.parametrize("cell", ["1e300", "-1e39", "3.4e38", "nan", "1e-300", "1_0", "9" * 5000])
def test_a_column_of_one_odd_number_is_explained(tmp_path, cell):
    load_column(tmp_path, [cell] * 12)
    load_column(tmp_path, [cell, "0"] * 6)


def load_column(folder: Path, cells: list[str]) -> None:
    """A table with one more column, in front of the label."""
    lines = [f"{cell},{line}" for line, cell in zip(LINES, ["new", *cells], strict=True)]
    load_table(folder / "t.csv", "\n".join(lines).encode())


# -- any of them, damaged ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def loaders(checkpoint, weights, ended, encoder):
    """Kind of file -> (what loads it into a folder, its bytes)."""
    folder, about = encoder
    return {
        "pack": (lambda place, content: load_pack(place / "p.npz", content), npz(COLUMNS)),
        "record": (read_record, json.dumps(WHOLE).encode()),
        "checkpoint": (resumed, checkpoint),
        "weights": (lambda place, content: load(place / "w.safetensors", content), weights),
        "encoder": (lambda _, content: load_encoder(folder, content), json.dumps(about).encode()),
        "table": (lambda place, content: load_table(place / "t.csv", content),
                  "\n".join(LINES).encode()),
        **{name: (lambda place, content, name=name: load_ended(place, {**ended, name: content}),
                  whole) for name, whole in ended.items()},
    }


@pytest.mark.parametrize("kind", ["pack", "record", "checkpoint", "weights", "encoder", "table",
                                  "history.json", "snapshots.npz", "model.safetensors"])
@many
@given(damages())
def test_a_damaged_file_is_explained(tmp_path, loaders, kind, damage):
    load, content = loaders[kind]
    load(tmp_path, damage(content))
