"""The bench: its measuring core, its tables and file, and a tiny run of every part."""

from __future__ import annotations

import json
import re
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the bench is run from the checkout and is no part of the package

from bench import (  # noqa: E402
    growth,
    launches,
    loop,
    memory,
    methods,
    options,
    peers,
    pictures,
    records,
    tables,
    timing,
    transforms,
)  # fmt: skip
from bench.__main__ import PARTS, main  # noqa: E402
from bench.records import Row  # noqa: E402
from sslbook.errors import UsageError, UserError  # noqa: E402

CPU = torch.device("cpu")
QUICK = options.Options(CPU, (1,), quick=True)


class FakeClock:
    """Stands still but for the work that is done."""

    def __init__(self):
        self.at, self.calls = 0.0, []

    def work(self, name: str, *costs: float):
        """A function that takes these seconds, call by call; the last for ever after."""
        left = list(costs)

        def call():
            self.calls.append(name)
            self.at += left.pop(0) if len(left) > 1 else left[0]

        return call

    @property
    def clock(self) -> timing.Clock:
        return timing.Clock("fake", lambda: self.at)


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_functions_take_turns_and_every_other_round_goes_backwards():
    fake = FakeClock()
    work = {"a": fake.work("a", 1.0), "b": fake.work("b", 2.0)}
    times = timing.alternate(work, fake.clock, 3)
    assert fake.calls == list("aabb" "ab" "ba" "ab")
    assert times.seconds == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert timing.per_round(times.seconds["b"], times.seconds["a"]) == [2.0] * 3


def test_what_warms_up_does_not_count():
    fake = FakeClock()
    work = {"short": fake.work("short", 0.9, 0.8, 0.1), "long": fake.work("long", 9.0, 1.0)}
    times = timing.alternate(work, fake.clock, 2)
    assert times.seconds["short"] == pytest.approx([0.1, 0.1])
    assert times.seconds["long"] == pytest.approx([1.0, 1.0])


def test_short_work_is_repeated_in_whole_blocks():
    fake = FakeClock()
    timing.alternate({"a": fake.work("a", 0.01)}, fake.clock, 1, least=0.05)
    assert len(fake.calls) in (2 + 5, 2 + 6)  # 0.05 / 0.01, give or take the rounding
    fake = FakeClock()
    times = timing.alternate({"a": fake.work("a", 0.01)}, fake.clock, 1, least=0.05, multiple=16)
    assert len(fake.calls) == 2 + 16
    assert times.seconds["a"] == pytest.approx([0.01])


@pytest.mark.parametrize(("limit", "rounds"), [(0.0, 9), (4.5, 5), (0.1, timing.LEAST_ROUNDS)])
def test_a_limit_of_time_leaves_at_least_three_rounds(limit, rounds):
    fake = FakeClock()
    times = timing.alternate({"a": fake.work("a", 1.0)}, fake.clock, 9, limit=limit)
    assert len(times.seconds["a"]) == rounds


@pytest.mark.parametrize("good_calls", [0, 1, 3])
def test_who_fails_is_left_out_and_the_others_go_on(good_calls):
    fake = FakeClock()
    left = iter(range(good_calls))

    def breaks():
        if next(left, None) is None:
            raise ValueError("broken")

    times = timing.alternate({"a": breaks, "b": fake.work("b", 1.0)}, fake.clock, 4)
    assert times.errors == {"a": "broken"}
    assert times.seconds == {"b": [1.0] * 4}


def test_medians_and_quartiles():
    assert timing.summary([3.0, 1.0, 2.0, 4.0, 5.0]) == (3.0, 2.0, 4.0)
    assert timing.summary([7.0]) == (7.0, 7.0, 7.0)


def test_clocks():
    assert timing.clock(CPU, 1).name == "process time"
    assert timing.clock(CPU, 2).name == timing.clock(CPU, 1, other_processes=True).name == "wall"


def test_launches_are_counted_by_what_the_driver_calls_them():
    events = [SimpleNamespace(key=key, count=count) for key, count in [
        ("cudaLaunchKernel", 30), ("cudaLaunchKernelExC", 2), ("cuLaunchKernelEx", 4),
        ("cudaGraphLaunch", 2), ("cudaMemcpyAsync", 50), ("aten::add", 9)]]  # fmt: skip
    assert launches.tally(events, 2) == (18.0, 1.0)


def test_memory_counts_what_is_held(monkeypatch):
    with memory.Peak() as peak:
        held = bytearray(b"x" * 2**26)
    if peak.mb is None:
        pytest.skip("this system does not say")
    assert 60 < peak.mb < 200
    assert len(held) == 2**26
    monkeypatch.setattr(memory, "_STATUS", Path("no such file"))
    with memory.Peak() as peak:
        pass
    assert peak.mb is None


def test_errors_become_one_line_without_a_place():
    place = "/".join(["", "somewhere", "deep", "file.npz"])
    said = records.say(FileNotFoundError(f"no {place} here\nand more"))
    assert said == "FileNotFoundError: no (path) here"
    assert records.say(UserError("not installed: pip install x", "done")) == (
        "not installed: pip install x"
    )
    assert records.say(ValueError()) == "ValueError"


def test_a_peer_that_is_missing_names_pips_command(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    task = transforms.Task(pictures.pictures(None, 8), 32, 0.5, 8, 0, CPU)
    _, rows = records.built({"kornia": lambda: transforms.kornia(task)}, "augmentation", {})
    assert [row.error for row in rows] == ['not installed: pip install "kornia>=0.8"']


def test_quiet_hides_what_peers_say(capsys):
    with peers.quiet():
        print("noise")
        print("noise", file=sys.stderr)
    assert capsys.readouterr() == ("", "")


def test_every_method_of_the_table_has_its_loss():
    for name in methods.METHODS:
        z1, z2 = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
        assert methods.loss(name)(z1, z2).ndim == 0


def test_pictures_of_any_number_and_size():
    few = pictures.pictures(None, 4)
    many = pictures.pictures(None, 6001, 32)
    assert few.images.shape == (4, 3, 32, 32)
    assert torch.equal(many.images[6000], many.images[0])
    assert few.arrays().shape == (4, 32, 32, 3)
    assert few.pil()[0].size == (32, 32)


def test_pictures_of_a_pack_are_enlarged(tmp_path, monkeypatch):
    from PIL import Image

    from sslbook.datasets import packs

    for kind in ("a", "b"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (32, 32), (20 * i, 0, 0)).save(tmp_path / f"images/{kind}/{i}.png")
    pack = packs.write_pack(tmp_path / "images", tmp_path / "pack.npz")
    assert pictures.pictures(pack, 24, 48).images.shape == (24, 3, 48, 48)
    assert not list((tmp_path / "home").rglob("*.npy"))


def test_the_log_of_a_run_is_the_watch():
    at = iter([0.5, 2.0, 3.0])
    task = SimpleNamespace(warm=2, steps=4, device=CPU, precision="float32",
                           clock=timing.Clock("fake", lambda: next(at)))  # fmt: skip
    run = loop.Run(task, Path("folder"))
    for step in (1, 2, 4):
        run.log({"step": step, "loss": 0.0})
    run.log({"step": 5, "knn": 0.0})
    with pytest.raises(loop.Enough):
        run.log({"step": 6, "loss": 0.0})
    assert run.seen == [(2, 0.5), (4, 2.0), (6, 3.0)]


def test_steps_are_timed_for_a_while_and_at_least_three_times():
    fake = FakeClock()
    assert growth.timed(fake.work("a", 9.0, 1.0), fake.clock, 0.0, 1) == [1.0] * 3
    fake = FakeClock()
    assert growth.timed(fake.work("a", 1.0), fake.clock, 5.0, 2) == [1.0] * 5
    assert len(fake.calls) == 7


def test_a_row_that_hangs_or_breaks_says_so():
    work = growth.Work("batch size", 4, 8, 1, "cpu", True, 0.0, file="no such file.npy")
    with pytest.raises(UserError, match="FileNotFoundError"):
        growth.apart(work)
    with pytest.raises(UserError, match="gave up"):
        growth.apart(work, patience=0.0)


ROWS = [
    Row("augmentation", {"threads": 1, "size": 96, "blur": 0.5, "batch": 256},
        "torchvision on PIL", [0.01, 0.02, 0.03], 256, "process time",
        {"lightly": [10.0, 11.0, 12.0], "torchvision on PIL": [1.0] * 3}),
    Row("step", {"threads": 2, "net": "ResNet-8 w32", "batch": 512, "method": "barlow_twins"},
        "chroma, graph", [1.2, 1.3, 1.25], 512, "wall, device waited for",
        {"bare": [1.05, 1.06, 1.07]},
        {"launches": 1234.0, "graphs": 1.0, "mode": "graph", "reason": ""}),
    Row("step", {"threads": 2, "net": "ResNet-8 w32", "batch": 512, "method": ""}, "bare",
        [1.1, 1.2, 1.3], 512, "wall"),
    Row("loop", {"threads": 16, "net": "ResNet-18", "batch": 512, "method": "barlow_twins"},
        "stable-pretraining", [0.02, 0.021, 0.022], 512, "wall, device waited for",
        {"ours": [10.0, 11.0, 12.0]}, {"precision": "float32", "memory_mb": 123456.7}),
    Row("probes", {"threads": 1, "probe": "linear, l2=0.01", "features": 50000, "width": 512},
        "scikit-learn", [123.4, 124.5, 125.6], 50000, "process time",
        {"ours": [10.5, 11.5, 12.5]}, {"accuracy": 0.987654, "ahead": -0.001}),
    Row("growth", {"threads": 2, "kind": "file, budget 1/10", "batch": 4096, "images": 50000},
        "sslbook", [0.4, 0.41, 0.42], 4096, "wall", {},
        {"memory_mb": 12345.6, "gpu_memory_mb": 123456.7}),
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_tables_fit_a_page(part):
    rows = [row for row in ROWS if row.part == part]
    rows.append(Row(part, {"threads": 1}, "lightly", error="not installed: " + "very long " * 30))
    lines = tables.tell(part, rows).splitlines()
    assert len(lines) > 4
    assert max(map(len, lines)) <= tables.WIDTH


def test_a_table_says_each_thing_once():
    rows = [row for row in ROWS if row.part == "step"]
    rows += [Row("step", rows[0].case, "lightly", error="broken")] * 2
    text = tables.tell("step", rows)
    assert text.count("broken") == 1
    assert "bare 1,168 (1,156-1,197) ms" in text
    assert "1.060 (1.055-1.065)" in text
    rows[0].extra |= {"launches": None, "graphs": None, "reason": "the loss reads a value"}
    text = tables.tell("step", rows[:1])
    assert "launches" not in text  # a column without a figure is left out
    assert "! barlow_twins, chroma, graph: eager, because the loss reads a value" in text


def test_a_file_holds_every_raw_figure_and_is_read_again(tmp_path):
    about = records.surroundings(QUICK)
    records.write(tmp_path / "bench.json", about, ROWS)
    assert records.read(tmp_path / "bench.json") == (about, ROWS)
    stored = json.loads((tmp_path / "bench.json").read_text())
    assert stored["rows"] == [asdict(row) for row in ROWS]
    assert main(["--show", str(tmp_path / "bench.json")]) == 0


def test_threads_and_devices():
    assert options.choose_threads("1,4", CPU) == (1, 4)
    assert options.choose_threads("", CPU)[0] == 1
    for text in ("0", "a", "1,,2"):
        with pytest.raises(UsageError):
            options.choose_threads(text, CPU)
    assert (options.workers(1), options.workers(2)) == (0, 2)
    assert options.choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "there are augmentation"),
        (["step", "--rounds", "-1"], "0 or more"),
        (["--data", "no such pack.npz"], "no such pack"),
        (["--threads", "0"], "--threads"),
        (["--show", "no such record.json"], "no record"),
    ],
)
def test_a_wrong_command_ends_in_one_line(arguments, word, capsys):
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert code in (2, 3)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert word in err


def test_no_cuda_is_said(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["step", "--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_a_part_that_breaks_does_not_cost_the_others(monkeypatch, tmp_path, capsys):
    from bench import probes, step

    def breaks(_options):
        yield Row("step", {"threads": 1, "net": "n", "batch": 1, "method": "m"}, "w", [1.0])
        raise RuntimeError("out of luck")

    monkeypatch.setattr(step, "run", breaks)
    monkeypatch.setattr(probes, "run", lambda _options: iter([ROWS[4]]))
    out = tmp_path / "bench.json"
    assert main(["step", "probes", "--quick", "--device", "cpu", "--out", str(out)]) == 1
    _, rows = records.read(out)
    assert [row.error for row in rows] == ["", "RuntimeError: out of luck", ""]
    assert "out of luck" in capsys.readouterr().out


PLAIN = (str, int, float, bool, type(None))


@pytest.mark.parametrize("part", PARTS)
def test_a_quick_run_of_each_part(part, tmp_path, capsys):
    out = tmp_path / "bench.json"
    assert main([part, "--quick", "--device", "cpu", "--out", str(out)]) == 0
    about, rows = records.read(out)
    text = out.read_text()
    assert about["schema"] == records.SCHEMA
    assert {"date", "sslbook", "commit", "torch", "device_name", "processor", "threads",
            "precision"} <= set(about)  # fmt: skip
    assert rows
    for row in rows:
        assert row.part == part
        assert row.seconds or row.error.startswith("not installed: pip install"), row
        assert all(one > 0 for one in row.seconds)
        assert all(len(one) == len(row.seconds) for one in row.ratios.values())
        assert all(isinstance(one, PLAIN) for one in (*row.case.values(), *row.extra.values()))
    assert {row.name for row in rows if "ours" in row.name or part in ("step", "growth")}
    assert not re.search(r"(?<![\w:/])/\w+/\w|[A-Z]:\\\\", text), "a place of this machine"
    host = socket.gethostname()
    assert len(host) < 4 or host not in text
    printed = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in printed[:-1]) <= tables.WIDTH
