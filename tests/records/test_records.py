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
from samples import record
from typer.testing import CliRunner

import sslbook
from sslbook import cli, records
from sslbook.core import paths
from sslbook.records import controls, schema, store


def put(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "record.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
    assert len(list(records.iter_runs(paths.runs()))) == len(words)
    shown = CliRunner().invoke(cli.app, ["report", "--json"])
    assert shown.exit_code == 0
    seeds = [row["n"] for row in json.loads(shown.stdout)["ledger"] if row["chapter"] == "one"]
    assert seeds == [1]


# -- the published schema --------------------------------------------------------------------

SCHEMA = Path(records.__file__).with_name("record.schema.json")
VALIDATOR = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
BOOK = Path(__file__).resolve().parents[2] / "data" / "records"
SHIPPED = records.shipped_files()


def test_the_schema_is_one_and_says_what_each_key_is():
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["properties"]["schema"]["const"] == records.SCHEMA
    for key, about in VALIDATOR.schema["properties"].items():
        kinds = about.get("properties") or about.get("additionalProperties")
        assert about.get("description") or kinds, key


def test_the_types_name_the_keys_of_the_schema():
    """What a type says and what the published schema says are one list, for records and parts."""
    def agree(kind, about):
        assert set(kind.__annotations__) == set(about["properties"]), kind
        assert kind.__required_keys__ == set(about["required"]), kind

    parts, named = VALIDATOR.schema["properties"], VALIDATOR.schema["definitions"]
    agree(schema.Record, VALIDATOR.schema)
    agree(schema.Device, parts["device"])
    agree(schema.Measured, parts["claims"]["additionalProperties"])
    agree(schema.StoredClaim, named["claim"])
    agree(schema.StoredRule, named["rule"])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_records_keep_the_schema_and_lie_where_they_belong(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    VALIDATOR.validate(found)
    assert records.examine(path)[1] == ""
    assert found["chapter"] == path.parent.name
    assert path.name.startswith(f"{found['preset']}-")
    assert path.name.endswith(f"-{found['device']['kind']}-s{found['seed']}.json")


def test_what_lies_among_the_records_is_a_record_or_known_not_to_be():
    """A record under a wrong name would be passed over in silence."""
    left = {path.relative_to(BOOK) for path in BOOK.rglob("*.json") if path not in SHIPPED}
    assert {path for path in left if path.name != "encoder.json"
            and path.parts[0] not in ("controls", "bench")} == set()


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
    assert [f.name for f, _ in records.iter_runs(tmp_path)] == ["2026-1", "2026-2", "2026-3"]


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
    assert records.to_json({"dataset": dataset, "b": (1, 2)}) == {"b": [1, 2], "dataset": kept}


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


@pytest.fixture
def shelf(book):
    """A book's records: name of a file -> content, written by calling it."""
    def put_(name, content):
        path = book / "data" / "records" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    made = {"a": ("lesson", "2026-01-01"), "b": ("lesson", "2026-02-01"),
            "c": ("smoke", "2026-03-01")}
    for name, (preset, started) in made.items():
        put_(f"one/{preset}-{name}-cpu-s0.json", record(
            0, preset=preset, started=started, seconds__wall=300.0, parameters__dataset="shapes"))
    put_("one/smoke-d-cpu-s0.json", "{")
    put_("two/check-cuda-s12.json", record(12, chapter="two", preset="check"))
    for name in ("one/encoder.json", "controls/0c97.json", "bench/cuda.json", "flat-cpu-s0.json"):
        put_(name, record(9))
    return put_


def test_reference_records_are_read_from_the_book(shelf):
    assert len(records.shipped()) == 4
    assert [len(records.shipped(name)) for name in ("one", "two", "three", "/")] == [3, 1, 0, 0]
    assert records.reference("one", "shapes")["started"] == "2026-02-01"
    assert records.reference("one", "cifar10") is None, "scores on other data are no reference"
    assert records.reference("two", "shapes") is None


@pytest.mark.parametrize(("told", "says"), [
    (("one", "lesson", "cpu", "shapes"), "about 5 minutes"),
    (("one", "lesson", "cpu", ""), "about 5 minutes"),
    (("one", "lesson", "cuda", "shapes"), "time not measured yet"),
    (("one", "lesson", "cpu", "cifar10"), "the time is told when the data are loaded"),
    (("one", "check", "cpu", "shapes"), "time not measured yet"),
    (("two", "lesson", "cpu", "shapes"), "time not measured yet"),
])
def test_a_time_is_that_of_runs_on_the_same_data(shelf, told, says):
    chapter, preset, device, dataset = told
    settings = {"preset": preset, "dataset": dataset}
    assert records.expected_minutes(chapter, settings, device) == says


def test_the_latest_record_of_the_same_data_is_own_or_shipped(shelf):
    def latest(dataset):
        found = records.latest_record("one", "smoke", "cpu", dataset)
        return found and found["started"]

    mine = {"shapes": "2026-04-01", "pack:a.npz": "2026-05-01", "cifar10": "2026-02-01"}
    for dataset, started in mine.items():
        assert latest(dataset) == ("2026-03-01" if dataset == "shapes" else None)
        put(paths.runs() / "one" / started, json.dumps(record(
            preset="smoke", started=started, parameters__dataset=dataset)))
    put(paths.runs() / "two" / "id", json.dumps(record(preset="smoke", started="2027")))
    assert {name: latest(name) for name in mine} == mine
    assert latest("pack:/anywhere/a.npz") == "2026-05-01", "a record holds the name alone"


def test_a_file_is_read_again_only_when_it_changed(shelf, monkeypatch):
    read, seen = records.read, []
    monkeypatch.setattr(store, "read", lambda path: (seen.append(path.name), read(path))[1])
    for _ in range(3):
        assert len(records.shipped("one")) == 3
    assert sorted(seen) == [path.name for path in records.shipped_files("one")]
    shelf("one/lesson-a-cpu-s0.json", record(7, preset="lesson", parameters__more=1))
    assert [one["seed"] for one in records.shipped("one")] == [7, 0, 0]
    assert len(seen) == 5


def test_a_run_reads_the_records_of_its_chapter_once(shelf, monkeypatch):
    read, seen = records.read, []
    monkeypatch.setattr(store, "read", lambda path: (seen.append(path), read(path))[1])
    shelf("tiny/check-cpu-s1.json", record(1, chapter="tiny", preset="check"))
    put(paths.runs() / "one" / "id", json.dumps(record()))
    run = tiny_book.here(PRESET="check")["run"]
    run.scores.show("tiny")
    run.show_verdicts()
    names = [path.name for path in seen if path.parent != run.folder]
    assert names == ["check-cpu-s1.json"]


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
    return paths.data() / "cache" / "controls" / f"{controls.key_of(parts)}.json"


@pytest.mark.parametrize("part", list(PARTS))
def test_controls_of_other_parts_are_not_mixed(part):
    controls.cached(PARTS, counted()[0])
    other = {**PARTS, part: "another"}
    compute, calls = counted({"chance": {"knn20": 0.5}})
    assert controls.cached(other, compute) == {"chance": {"knn20": 0.5}}
    assert calls.n == 1


@pytest.mark.parametrize("content", [
    "", "{", "[]", "3", '{"scores": {}}', '{"parts": 3}', "\x00\xff",
    json.dumps({"parts": PARTS, "scores": 3}), json.dumps({"parts": PARTS, "scores": {"raw": 3}}),
    json.dumps({"parts": {**PARTS, "seed": 1}, "scores": {"chance": {"knn20": 9.0}}}),
])
def test_a_damaged_control_is_computed_again(content):
    cache().parent.mkdir(parents=True)
    cache().write_text(content, encoding="latin-1")
    compute, calls = counted()
    assert controls.cached(PARTS, compute) == SCORES
    assert calls.n == 1
    assert controls.cached(PARTS, compute) == SCORES
    assert calls.n == 1


def test_shipped_controls_come_first(book):
    controls.cached(PARTS, counted()[0])
    shipped = book / "data" / "records" / "controls" / cache().name
    shipped.parent.mkdir(parents=True)
    shipped.write_text(json.dumps({"parts": PARTS, "scores": {"chance": {"knn20": 0.7}}}))
    compute, calls = counted()
    assert controls.cached(PARTS, compute) == {"chance": {"knn20": 0.7}}
    assert calls.n == 0
    shipped.write_text("{")
    assert controls.cached(PARTS, compute) == SCORES
    assert calls.n == 0  # the cache of before


def test_where_no_cache_can_be_written_the_controls_are_used_all_the_same():
    paths.data().parent.mkdir(parents=True)
    paths.data().write_text("a file where the folder should be")
    assert controls.cached(PARTS, counted()[0]) == SCORES


def test_the_code_is_known_by_its_content():
    code = records.code()
    assert set(code) == {"version", "digest", "commit"}
    assert len(code["digest"]) == 12
