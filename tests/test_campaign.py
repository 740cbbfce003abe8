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
from PIL import Image

from campaign import packing, plan, travel
from sslbook.errors import UsageError
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


# -- archives ----------------------------------------------------------------------------------


def test_archives_are_bounded_and_hold_what_was_put_in(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "ARCHIVE_MB", 1)
    monkeypatch.setattr(packing, "TOTAL_MB", 4)
    rng, items = np.random.default_rng(0), []
    for name, size in (("results/a.json", 900), ("encoders/a/encoder.safetensors", 2_500_000),
                       ("encoders/b/encoder.safetensors", 3_000_000), ("figures/a.png", 70_000)):
        path = tmp_path / name.replace("/", "-")
        path.write_bytes(rng.bytes(size))
        items.append((name, path))
    assert packing.pack(items, tmp_path / "out") == ["encoders/b/encoder.safetensors"]
    archives = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in archives] == [f"results-{n}.zip" for n in (1, 2, 3)]
    assert all(path.stat().st_size <= 2**20 for path in archives)
    found = packing.unpack(tmp_path / "out")
    assert found == {name: path.read_bytes() for name, path in items if "/b/" not in name}
    archives[1].unlink()
    with pytest.raises(ValueError, match="parts are there"):
        packing.unpack(tmp_path / "out")


def test_a_name_that_leaves_its_folder_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "results-1.zip", "w") as archive:
        archive.writestr("../../outside", "x")
    with pytest.raises(ValueError, match="leaves its folder"):
        packing.unpack(tmp_path)


# -- a machine without the notebooks -----------------------------------------------------------


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A copy of the repository without notebooks, with prepared code and a small pack."""
    root = tmp_path_factory.mktemp("machine") / "book"
    listed = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", "--", ":!notebooks", ":!tests"],
        cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    folder = root / "build" / "campaign"
    (folder / "chapters").mkdir(parents=True)
    (folder / "chapters" / "barlow_twins.json").write_text(json.dumps(travel.cells("barlow_twins")))
    (folder / "commit").write_text("0123456789ab")
    _pack(folder / "data" / "cifar10" / "cifar10_jpeg.npz")
    (root / "absent").mkdir()
    (root / "absent" / "sitecustomize.py").write_text(BLOCK)
    return root


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


def test_a_campaign_that_is_cut_off_goes_on_and_comes_home(machine, tmp_path):
    """Cut off, resumed, packed; then its result as if it were that of preset full on a GPU."""
    out = tmp_path / "out"
    few = ("--miniature", "--only", "barlow_twins,supervised,lightly_simclr", "--out", str(out))
    first = campaign(machine, *few, "--budget", "0.1", "--lease", "5")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "miniature-barlow_twins: cut off after" in first.stdout
    assert "0 of 3 runs done" in first.stdout
    second = campaign(machine, *few, "--budget", "5")
    assert "miniature-barlow_twins: goes on" in second.stdout, second.stdout + second.stderr
    assert "not installed: pip install" in second.stdout  # lightly
    assert "2 of 3 runs done, 1 failed; miniature-lightly_simclr" in second.stdout
    assert second.returncode == 1
    assert any(line.startswith("miniature-barlow_twins") and "Barlow Twins" in line
               for line in second.stdout.splitlines())
    found = packing.unpack(out)
    result = json.loads(found["results/miniature-barlow_twins.json"])
    assert (result["commit"], result["executed"], result["jobs"]) == (
        "0123456789ab", "until measure", 1)
    record = result["record"]
    assert record["status"] == "finished"
    assert record["trained_with"] == "notebook"
    assert set(record["trainings"]) == {"pretrain"}, "nothing after the section `measure`"
    pictures = [name for name in found if name.endswith(".png")]
    assert 1 <= len(pictures) <= 3
    assert all(found[name].startswith(b"\x89PNG") for name in pictures)
    scored = json.loads(found["results/miniature-supervised.json"])
    assert set(scored["record"]["scores"]["supervised"]) == {"knn20", "linear"}

    refused = campaign(machine, "--ingest", str(out))
    assert "miniature-barlow_twins: no run of the campaign, left out" in refused.stdout
    _as_if_on_a_gpu(result, tmp_path / "gpu")
    kept = campaign(machine, "--ingest", str(tmp_path / "gpu"), blocked=False)
    assert "barlow_twins: kept" in kept.stdout, kept.stdout + kept.stderr
    name = "barlow_twins-full-cifar10-jpeg-cuda-s0.json"
    stored = json.loads((machine / "data" / "records" / name).read_text())
    assert stored["code"]["commit"] == "0123456789ab"
    assert stored["executed"] == "until measure"
    (line,) = (one for one in campaign(machine, "--list").stdout.splitlines()
               if one.startswith("barlow_twins "))
    assert line.endswith("done")
    report = subprocess.run([sys.executable, "-m", "sslbook.cli", "report", "barlow_twins"],
                            cwd=machine, capture_output=True, text=True, timeout=120).stdout
    assert "Runs on a GPU" in report
    assert "A GPU, " in report
    assert f"gap {100 * (record['scores']['Barlow Twins']['linear'] - 0.921):+.1f}" in report


def _as_if_on_a_gpu(result: dict, folder: Path) -> None:
    """The archive of the same result under the name, preset and device of the real run."""
    record = {**result["record"], "preset": "full"}
    record["parameters"] = {**record["parameters"], "preset": "full", "epochs": 200}
    record["device"] = {**record["device"], "kind": "cuda", "name": "A GPU"}
    path = folder / "result.json"
    folder.mkdir()
    path.write_text(json.dumps({**result, "name": "barlow_twins", "record": record}))
    packing.pack([("results/barlow_twins.json", path)], folder)
