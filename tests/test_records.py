"""Records: what is written is read again, what is no record is passed over, nothing tells who."""

from __future__ import annotations

import getpass
import json
import platform
import socket
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import tiny_book
import torch
from PIL import Image
from test_claims import record
from typer.testing import CliRunner

import sslbook
from sslbook import cli, paths
from sslbook.judging import control_records, records


def put(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "record.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_record_survives_its_file(tmp_path):
    records.write(tmp_path, record(3))
    assert records.read(tmp_path / "record.json") == record(3)
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_what_is_not_finite_is_refused_and_the_old_record_stays(tmp_path):
    records.write(tmp_path, record(3))
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write(tmp_path, record(3, float("nan")))
    assert records.read(tmp_path / "record.json") == record(3)
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


NOT_RECORDS = {
    "empty": b"",
    "cut": json.dumps(record())[:200].encode(),
    "no text": b"\xff\xfe\x00{",
    "list": b"[]",
    "number": b"3",
    "null": b"null",
    "other schema": json.dumps({**record(), "schema": records.SCHEMA + 1}).encode(),
    "no schema": json.dumps({k: v for k, v in record().items() if k != "schema"}).encode(),
    "foreign": b'{"schema": 1, "name": "something else"}',
    "wrong kind": json.dumps({**record(), "claims": []}).encode(),
    "no scores": json.dumps({k: v for k, v in record().items() if k != "scores"}).encode(),
    "no JSON": json.dumps(record()).replace("0.05", "NaN").encode(),
    "not finite": json.dumps(record()).replace("0.05", "1e999").encode(),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", NOT_RECORDS)
def test_what_is_no_record_is_none(tmp_path, name):
    assert records.read(put(tmp_path, NOT_RECORDS[name])) is None


def test_a_missing_file_and_a_folder_are_none(tmp_path):
    (tmp_path / "record.json").mkdir()
    assert records.read(tmp_path / "record.json") is None
    assert records.read(tmp_path / "nothing.json") is None


def test_damaged_records_are_counted_by_runs_and_skipped_by_report():
    base = paths.runs() / "one"
    for number, content in enumerate(NOT_RECORDS.values()):
        put(base / f"bad{number:02}", content)
    records_ = {"good1": record(1), "good2": record(2, status="running")}
    for name, content in records_.items():
        put(base / name, json.dumps(content))
    listed = json.loads(CliRunner().invoke(cli.app, ["runs", "--json"]).stdout)
    words = [row["status"] for row in listed]
    assert words == ["damaged record"] * len(NOT_RECORDS) + ["finished", "crashed"]
    assert len(list(records.of_runs(paths.runs()))) == len(words)
    shown = CliRunner().invoke(cli.app, ["report", "--json"])
    assert shown.exit_code == 0
    seeds = [row["n"] for row in json.loads(shown.stdout)["ledger"] if row["chapter"] == "one"]
    assert seeds == [1]


# -- the published schema --------------------------------------------------------------------

SCHEMA = Path(records.__file__).with_name("record.schema.json")
VALIDATOR = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
SHIPPED = sorted((Path(__file__).parent.parent / "data" / "records").glob("*.json"))


def test_the_schema_is_one_and_says_what_each_key_is():
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["properties"]["schema"]["const"] == records.SCHEMA
    for key, about in VALIDATOR.schema["properties"].items():
        kinds = about.get("properties") or about.get("additionalProperties")
        assert about.get("description") or kinds, key


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_records_keep_the_schema(path):
    VALIDATOR.validate(json.loads(path.read_text(encoding="utf-8")))
    assert records.examine(path)[1] == ""


def test_a_fresh_record_keeps_the_schema_and_names_no_other_keys(book):
    run = tiny_book.here(PRESET="check")["run"]
    found = json.loads((run.folder / "record.json").read_text(encoding="utf-8"))
    VALIDATOR.validate(found)
    assert set(found) <= set(VALIDATOR.schema["properties"])


WRONG = {
    "chapter": "../up", "status": "a\nb", "preset": "", "seed": "0", "started": 3, "tried": 1.5,
    "trained_with": "magic", "parameters": [], "code": {}, "code__version": 1, "data": {"train": 3},
    "device": {"name": "x"}, "device__kind": "../up", "seconds": {"wall": "1"},
    "seconds__wall": 1e200, "scores": {"a": 3}, "scores__a": {"knn20": "high"},
    "claims": {"a": 3}, "claims__b": {}, "claims__a__value": True,
    "claims__a__claim__more": 1, "claims__a__claim__rule": ">= 0",
    "claims__a__claim__rule__op": "==", "claims__a__claim__precondition": {"op": ">="},
    "claims__a__claim__presets": "smoke",
}


@pytest.mark.parametrize("key", WRONG)
def test_what_breaks_the_schema_is_refused_and_named(tmp_path, key):
    broken = record()
    *parents, last = key.split("__")
    place = broken
    for parent in parents:
        place = place[parent]
    place[last] = WRONG[key]
    assert not VALIDATOR.is_valid(broken)
    found, why = records.examine(put(tmp_path, json.dumps(broken)))
    assert found is None
    assert key.split("__")[0] in why
    assert "\n" not in why


def test_keys_of_a_later_version_are_allowed(tmp_path):
    later = {**record(), "mood": "good"}
    assert records.read(put(tmp_path, json.dumps(later))) == later


def test_runs_come_oldest_first_over_all_chapters(tmp_path):
    for chapter, name in (("b", "2026-1"), ("a", "2026-2"), ("b", "2026-3")):
        put(tmp_path / chapter / name, json.dumps(record()))
    assert [f.name for f, _ in records.of_runs(tmp_path)] == ["2026-1", "2026-2", "2026-3"]


@pytest.mark.parametrize(
    ("dataset", "kept"),
    [
        ("cifar10", "cifar10"),
        ("folder:/one/two/photos", "folder:photos"),
        ("folder:/one/two/photos/", "folder:photos"),
        ("pack:C:\\one\\two\\cats.npz", "pack:cats.npz"),
        ("csv:cats.csv?label=kind", "csv:cats.csv?label=kind"),
        ("cifar10:/one/two", "cifar10:two"),
    ],
)
def test_of_the_readers_data_only_the_name_is_kept(dataset, kept):
    assert records.plain({"dataset": dataset, "b": (1, 2)}) == {"b": [1, 2], "dataset": kept}


def test_a_record_holds_no_path_user_or_host(book, tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    for kind in ("cat", "dog"):
        (photos / kind).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (40, 36), (20 * i, 0, 200)).save(photos / kind / f"{i}.png")
    space = tiny_book.here(PRESET="check", DATASET=f"folder:{photos}", OUT_DIR=str(tmp_path / "o"))
    text = (space["run"].folder / "record.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    assert stored["data"]["train"]["name"] == stored["parameters"]["dataset"] == "folder:photos"
    names = [str(tmp_path), tmp_path.name, str(Path.home()), str(paths.PACKAGE.parent),
             getpass.getuser(), socket.gethostname(), platform.node()]
    words = set(text.replace('"', " ").replace("/", " ").replace(",", " ").split())
    for name in filter(None, names):
        found = name in text if len(name) > 6 else name in words
        assert not found, f"the record holds {name!r}"
    encoder = (space["run"].folder / "encoder.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in encoder


def test_a_record_says_what_it_must(book):
    run = tiny_book.here(PRESET="check", SEED=5)["run"]
    stored = records.read(run.folder / "record.json")
    assert (stored["status"], stored["preset"], stored["seed"]) == ("finished", "check", 5)
    assert stored["parameters"]["crop"] == [0.4, 1.0]
    assert "out_dir" not in stored["parameters"]
    assert stored["data"]["train"]["sha256"] == run.load().sha256
    assert stored["trained_with"] == "notebook"
    assert stored["trainings"]["pretrain"]["steps"] == 2
    assert stored["device"] == {"kind": "cpu", "name": platform.machine(), "ranks": 1,
                                "threads": torch.get_num_threads(), "precision": "float32"}
    assert stored["versions"]["torch"]
    assert stored["code"]["version"] == sslbook.__version__
    assert set(stored["seconds"]) >= {"wall"}
    assert stored["claims"]["a"]["value"] == 2


def test_reference_records_are_read_from_the_book(book, tmp_path):
    shipped = book / "data" / "records"
    shipped.mkdir(parents=True)
    made = {"a": record(0, preset="lesson", started="2026-01-01"),
            "b": record(0, preset="lesson", started="2026-02-01"),
            "c": record(0, preset="smoke", started="2026-03-01")}
    for name, content in made.items():
        content["seconds"]["wall"] = 300.0
        (shipped / f"{name}.json").write_text(json.dumps(content))
    (shipped / "d.json").write_text("{")
    assert len(records.shipped()) == 3
    assert records.reference("one")["started"] == "2026-02-01"
    assert records.reference("two") is None
    assert records.expected_minutes("one", "lesson", "cpu") == "about 5 minutes"
    assert "not measured" in records.expected_minutes("one", "lesson", "cuda")


# -- controls --------------------------------------------------------------------------------

PARTS = {"train": "d1", "net": {"net": "resnet8", "width": 4}, "crop": (0.4, 1.0), "seed": 0}
SCORES = {"chance": {"knn20": 0.125}, "raw": {"knn20": 0.3}}


def counted(scores=SCORES):
    """A function that computes controls, and how often it did."""
    calls = SimpleNamespace(n=0)

    def compute():
        calls.n += 1
        return scores

    return compute, calls


def cache(parts=PARTS):
    return paths.data() / "cache" / "controls" / f"{control_records.key_of(parts)}.json"


def test_controls_are_computed_once():
    compute, calls = counted()
    assert control_records.cached(PARTS, compute) == SCORES
    assert control_records.cached(PARTS, compute) == SCORES
    assert calls.n == 1
    assert cache().is_file()


@pytest.mark.parametrize("part", list(PARTS))
def test_controls_of_other_parts_are_not_mixed(part):
    control_records.cached(PARTS, counted()[0])
    other = {**PARTS, part: "another"}
    compute, calls = counted({"chance": {"knn20": 0.5}})
    assert control_records.cached(other, compute) == {"chance": {"knn20": 0.5}}
    assert calls.n == 1


def test_a_file_of_other_parts_under_this_key_is_not_taken():
    cache().parent.mkdir(parents=True)
    stored = {"parts": {**PARTS, "seed": 1}, "scores": {"chance": {"knn20": 9.0}}}
    cache().write_text(json.dumps(stored))
    assert control_records.cached(PARTS, counted()[0]) == SCORES


@pytest.mark.parametrize("content", [
    "", "{", "[]", "3", '{"scores": {}}', '{"parts": 3}', "\x00\xff",
    json.dumps({"parts": PARTS, "scores": 3}), json.dumps({"parts": PARTS, "scores": {"raw": 3}}),
])
def test_a_damaged_control_is_computed_again(content):
    cache().parent.mkdir(parents=True)
    cache().write_text(content, encoding="latin-1")
    compute, calls = counted()
    assert control_records.cached(PARTS, compute) == SCORES
    assert calls.n == 1
    assert control_records.cached(PARTS, compute) == SCORES
    assert calls.n == 1


def test_shipped_controls_come_first(book):
    control_records.cached(PARTS, counted()[0])
    shipped = book / "data" / "records" / "controls" / cache().name
    shipped.parent.mkdir(parents=True)
    shipped.write_text(json.dumps({"parts": PARTS, "scores": {"chance": {"knn20": 0.7}}}))
    compute, calls = counted()
    assert control_records.cached(PARTS, compute) == {"chance": {"knn20": 0.7}}
    assert calls.n == 0
    shipped.write_text("{")
    assert control_records.cached(PARTS, compute) == SCORES
    assert calls.n == 0  # the cache of before


def test_where_no_cache_can_be_written_the_controls_are_used_all_the_same():
    paths.data().parent.mkdir(parents=True)
    paths.data().write_text("a file where the folder should be")
    assert control_records.cached(PARTS, counted()[0]) == SCORES


def test_the_code_is_known_by_its_content():
    code = records.code()
    assert set(code) == {"version", "digest", "commit"}
    assert len(code["digest"]) == 12
