"""The campaign on a GPU, in miniature: what travels, what is cut off, what comes home."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_book
from PIL import Image

from campaign import packing, plan, travel
from sslbook.errors import UsageError
from sslbook.judging import records
from sslbook.nbtools import toc

ROOT = Path(__file__).resolve().parent.parent
# What a machine that only trains does not have.
ABSENT = ("IPython", "ipywidgets", "nbformat", "papermill", "nbclient", "fastjsonschema", "dask",
          "distributed", "jinja2", "psutil", "traitlets", "lightly")
BLOCK = f"""
from importlib.machinery import PathFinder
look = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.partition(".")[0] in {ABSENT} else look(name, path, target))
"""


# -- the list ----------------------------------------------------------------------------------


def test_every_run_names_a_chapter_a_preset_and_data_of_the_book():
    entries = plan.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.data in plan.stored()["data"]
        assert entry.minutes > 0
        if entry.kind == "chapter":
            chapter = toc.find(entry.chapter, ROOT / "notebooks")
            cells = travel.cells(entry.chapter)
            sections = [cell["section"] for cell in cells]
            assert chapter.path.is_file()
            assert entry.until in ("", *sections)
            (parameters,) = (c["source"] for c in cells if c["section"] == "parameters")
            assert all(f"{name}:" in parameters for name in entry.parameters)


def test_no_two_runs_are_kept_under_one_name():
    kept = [(e.chapter, e.preset, e.label, e.seed) for e in plan.entries() if e.kind == "chapter"]
    assert len(set(kept)) == len(kept)


def test_runs_are_chosen_by_name():
    assert [e.name for e in plan.entries("graphmae-s3,simclr")] == ["simclr", "graphmae-s3"]
    assert len(plan.entries("graphmae")) == 20
    with pytest.raises(UsageError, match="nothing_such"):
        plan.entries("simclr,nothing_such")


def test_what_must_travel_is_small_enough():
    """The repository without notebooks, the largest data set, and the code of all chapters."""
    pack = plan.stored()["data"]["cifar10-jpeg"]["files"]
    code = sum(len(json.dumps(travel.cells(entry.chapter)))
               for entry in {e.chapter: e for e in plan.entries() if e.chapter}.values())
    assert travel.repository() + sum(pack.values()) + code <= travel.LIMIT_MB * 2**20


@pytest.mark.skipif("SSLBOOK_DATA" not in os.environ, reason="needs the published data sets")
def test_the_data_sets_are_as_large_as_the_list_says():
    for name, size in travel.files(plan.entries()).items():
        assert (Path(os.environ["SSLBOOK_DATA"]) / name).stat().st_size == size


def record(entry: plan.Entry, **parameters) -> dict:
    """A finished record of one run of the list, as if it came from a GPU."""
    told = {key.lower(): value for key, value in entry.parameters.items()}
    return {
        "schema": 1, "chapter": entry.chapter, "status": "finished", "preset": entry.preset,
        "seed": entry.seed, "started": "2026-01-01T00:00:00+00:00", "tried": 1,
        "trained_with": "notebook", "code": {"version": "0.1", "commit": "1"}, "data": {},
        "parameters": records.plain({**told, **parameters}), "device": {"kind": "cuda"},
        "seconds": {"wall": 120.0}, "scores": {}, "claims": {},
        "campaign": {"run": entry.name, "executed": "whole"}}


def test_a_kept_record_is_done_and_stands_for_no_other_run(tmp_path, monkeypatch):
    """The short run of SimCLR has the preset, data and seed of the long one."""
    short, long = plan.entries("simclr_short,simclr")[::-1]
    monkeypatch.setattr(records, "shipped", lambda: [record(short)])
    monkeypatch.setattr(plan, "BASELINES", tmp_path)
    assert (plan.done(short), plan.done(long)) == (True, False)
    assert (plan.minutes(short), plan.minutes(long)) == (2.0, long.minutes)
    one, two = plan.entries("graphmae-s0,graphmae-s1")
    monkeypatch.setattr(records, "shipped", lambda: [record(one)])
    assert (plan.done(two), plan.minutes(two)) == (False, 2.0)


# -- archives ----------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """(items, folder with their archives of at most 1 MiB)."""
    monkeypatch.setattr(packing, "ARCHIVE_MB", 1)
    monkeypatch.setattr(packing, "TOTAL_MB", 4)
    rng, items = np.random.default_rng(0), []
    for name, size in (("results/a.json", 900), ("encoders/a/encoder.safetensors", 2_500_000),
                       ("encoders/b/encoder.safetensors", 3_000_000), ("figures/a.png", 70_000)):
        path = tmp_path / name.replace("/", "-")
        path.write_bytes(rng.bytes(size))
        items.append((name, path))
    assert packing.pack(items, tmp_path / "out") == ["encoders/b/encoder.safetensors"]
    return items, tmp_path / "out"


def test_archives_are_bounded_and_hold_what_was_put_in(packed):
    items, out = packed
    assert sorted(path.name for path in out.iterdir()) == [f"results-{n}.zip" for n in (1, 2, 3)]
    assert all(path.stat().st_size <= 2**20 for path in out.iterdir())
    found, said = packing.unpack(out)
    assert found == {name: path.read_bytes() for name, path in items if "/b/" not in name}
    assert said == []
    packing.pack(items[:1], out)
    assert [path.name for path in out.iterdir()] == ["results-1.zip"], "no older ones stay"


def test_what_is_damaged_costs_nothing_else(packed):
    items, out = packed
    second = out / "results-2.zip"
    second.write_bytes(second.read_bytes()[:-100])
    found, said = packing.unpack(out)
    assert found["results/a.json"] == items[0][1].read_bytes()
    assert "encoders/a/encoder.safetensors" not in found
    assert any("results-2.zip is damaged" in line for line in said)
    assert any("2 of 3 parts are there" in line for line in said)
    first = bytearray((out / "results-1.zip").read_bytes())
    first[60:70] = bytes(10)  # inside the first item
    (out / "results-1.zip").write_bytes(first)
    found, said = packing.unpack(out)
    assert "results/a.json" not in found
    assert any("results/a.json" in line and "damaged" in line for line in said)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "a/../../b", "a\\b", ".hidden"])
def test_a_name_that_leaves_its_folder_is_left_out(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "results-1.zip", "w") as archive:
        archive.writestr(name, "x")
    assert packing.unpack(tmp_path)[0] == {}


# -- a machine without the notebooks -----------------------------------------------------------


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A copy of the repository without notebooks, with prepared code and a small pack.

    In place of SimCLR's chapter stands tiny_book's, which trains slowly while a file is there.
    """
    root = tmp_path_factory.mktemp("machine") / "book"
    listed = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", "--", ":!notebooks", ":!tests"],
        cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    folder = root / "build" / "campaign" / "travel"
    (folder / "chapters").mkdir(parents=True)
    for chapter, cells in (("barlow_twins", travel.cells("barlow_twins")), ("simclr", _slow())):
        (folder / "chapters" / f"{chapter}.json").write_text(json.dumps(cells))
    (folder / "commit").write_text("0123456789ab")
    _pack(folder / "data" / "cifar10" / "cifar10_jpeg.npz")
    (root / "absent").mkdir()
    (root / "absent" / "sitecustomize.py").write_text(BLOCK)
    return root


def _slow() -> list[dict[str, str]]:
    """tiny_book's chapter as a campaign has it, 100 steps long in preset check, two a second."""
    start, work, end = tiny_book.TINY
    start = start.replace('"max_steps": 2', '"max_steps": 100')
    work = work.replace("0.03 if step < 50 else 0.2", "0.5")
    parameters = tiny_book.STANDARD + tiny_book.MORE["tiny"]
    return [{"section": section, "source": source} for section, source in zip(
        ("parameters", "setup", "train", "measure"), (parameters, start, work, end), strict=True)]


def _pack(path: Path, count: int = 240) -> None:
    """Random 32-pixel images of ten classes, a sixth of them for the test."""
    rng, blobs = np.random.default_rng(0), []
    for _ in range(count):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(out, "JPEG")
        blobs.append(out.getvalue())
    path.parent.mkdir(parents=True)
    np.savez(path, data=np.frombuffer(b"".join(blobs), np.uint8), labels=np.arange(count) % 10,
             offsets=np.cumsum([0, *map(len, blobs)]), split=(np.arange(count) % 6 == 5) * 1)


def campaign(root: Path, *arguments: str, blocked: bool = True) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SSLBOOK_")}
    env |= {"PYTHONPATH": str(root / "absent") if blocked else "", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "scripts/gpu_campaign.py", *arguments]
    return subprocess.run(line, cwd=root, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an interrupt is a signal of POSIX systems")
def test_a_run_that_is_cut_off_goes_on_from_its_checkpoint(machine, gate, tmp_path):
    """Slow while the gate is there: half a minute is enough for some of 100 steps."""
    few = ("--miniature", "--only", "simclr", "--out", str(tmp_path / "out"))
    for _ in range(4):  # until the budget lasted to the first step, on a slow machine, too
        first = campaign(machine, *few, "--budget", "0.5", "--lease", "5")
        assert first.returncode == 0, first.stdout + first.stderr
        assert "simclr: cut off after" in first.stdout
        assert "0 of 1 runs done" in first.stdout
        log = machine / "build" / "campaign" / "miniature" / "runs" / "simclr" / "simclr"
        if "it can be resumed" in (log / "output.txt").read_text():
            break
    gate.unlink()
    second = campaign(machine, *few, "--budget", "5")
    assert "simclr: goes on" in second.stdout, second.stdout + second.stderr
    assert "1 of 1 runs done, 0 failed" in second.stdout
    assert "pretrain: resumed at step" in (log / "output.txt").read_text()
    result = json.loads(packing.unpack(tmp_path / "out")[0]["results/simclr.json"])
    assert result["record"]["seconds"]["wall"] == pytest.approx(60 * result["minutes"], abs=1)
    assert result["minutes"] > 0.3, "the first start counts, too"


def test_results_come_home(machine, tmp_path):
    """A chapter, a baseline and one that cannot run; then the same as if it came from a GPU."""
    out = tmp_path / "out"
    few = ("--miniature", "--only", "barlow_twins,supervised,lightly_simclr", "--out", str(out))
    done = campaign(machine, *few, "--budget", "5")
    assert "not installed: pip install" in done.stdout, done.stdout + done.stderr  # lightly
    assert "2 of 3 runs done, 1 failed; lightly_simclr" in done.stdout
    assert done.returncode == 1
    assert "Barlow Twins" in done.stdout
    found, said = packing.unpack(out)
    assert said == []
    result = json.loads(found["results/barlow_twins.json"])
    made = result["record"]
    assert (made["status"], made["trained_with"]) == ("finished", "notebook")
    assert made["code"]["commit"] == "0123456789ab"
    assert made["campaign"] == {"run": "barlow_twins", "executed": "until measure"}
    assert set(made["trainings"]) == {"pretrain"}, "nothing after the section `measure`"
    assert set(made["scores"]) == {"chance", "pixels", "random", "Barlow Twins"}
    pictures = [name for name in found if name.startswith("figures/barlow_twins/")]
    assert 1 <= len(pictures) <= 3
    assert all(found[name].startswith(b"\x89PNG") for name in pictures)
    supervised = json.loads(found["results/supervised.json"])["record"]
    assert set(supervised["scores"]["supervised"]) == {"knn20", "linear"}

    refused = campaign(machine, "--ingest", str(out), blocked=False)
    assert "barlow_twins: not a finished run on a CUDA device" in refused.stdout
    assert "supervised: not a finished run on a CUDA device" in refused.stdout
    before = (machine / "data" / "records" / "ledger.jsonl").read_text()
    _as_if_on_a_gpu({"results/barlow_twins.json": result}, tmp_path / "gpu")
    kept = campaign(machine, "--ingest", str(tmp_path / "gpu"), blocked=False)
    assert "barlow_twins: kept" in kept.stdout, kept.stdout + kept.stderr
    stored = machine / "data" / "records" / "barlow_twins-full-cifar10-jpeg-cuda-s0.json"
    assert json.loads(stored.read_text())["campaign"]["run"] == "barlow_twins"
    assert len((machine / "data" / "records" / "ledger.jsonl").read_text()) > len(before)
    (line,) = (one for one in campaign(machine, "--list").stdout.splitlines()
               if one.startswith("barlow_twins "))
    assert line.endswith("done")
    report = subprocess.run([sys.executable, "-m", "sslbook.cli", "report", "barlow_twins"],
                            cwd=machine, capture_output=True, text=True, timeout=120).stdout
    assert "Runs on a GPU" in report
    assert "A GPU, 20" in report
    assert "Beside published figures" not in report, "a run of 2 steps is none to compare"


def _as_if_on_a_gpu(results: dict[str, dict], folder: Path) -> None:
    """Archives of the same results, as if they were of the real run and from a GPU."""
    folder.mkdir()
    items = []
    for name, result in results.items():
        made = {**result["record"], "preset": "full"}
        made["parameters"] = {**made["parameters"], "preset": "full"}
        made["device"] = {**made["device"], "kind": "cuda", "name": "A GPU"}
        path = folder / Path(name).name
        path.write_text(json.dumps({**result, "record": made}))
        items.append((name, path))
    packing.pack(items, folder)


@pytest.mark.slow
def test_every_run_is_executed_without_jupyter(machine, tmp_path):
    """All chapters and baselines of the list, in miniature, on a machine that only trains."""
    if "SSLBOOK_DATA" not in os.environ:
        pytest.skip("needs the published data sets")
    folder = machine / "build" / "campaign" / "travel"
    for chapter in {entry.chapter for entry in plan.entries()} - {""}:
        (folder / "chapters" / f"{chapter}.json").write_text(json.dumps(travel.cells(chapter)))
    for name in travel.files(plan.entries()):
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(os.environ["SSLBOOK_DATA"]) / name, folder / "data" / name)
    shutil.rmtree(machine / "build" / "campaign" / "miniature", ignore_errors=True)
    entries = plan.entries(miniature=True)
    names = ",".join(entry.name for entry in entries if entry.kind != "lightly")
    env = {**os.environ, "PYTHONPATH": str(machine / "absent"), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "scripts/gpu_campaign.py", "--miniature", "--budget", "55",
            "--only", names, "--out", str(tmp_path / "out")]
    done = subprocess.run(line, cwd=machine, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len(packing.unpack(tmp_path / "out")[0]) > len(entries)
