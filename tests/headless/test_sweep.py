"""Sweeps: the grid, what is skipped, how each end is told, and numbers against SciPy.

Here the runs are stand-ins on threads; test_sweep_faults.py has real workers and real runs.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import itertools
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import record
from scipy import stats

from sslbook import records
from sslbook.book.parameters import Parameter
from sslbook.core import paths
from sslbook.core.lock import FolderLock
from sslbook.errors import DataError, UsageError
from sslbook.headless.plan import plan
from sslbook.headless.sweep import cluster, comparison, engine, grid, past, work
from sslbook.headless.sweep.results import BEFORE, DONE, FAILED, Result
from sslbook.records import report

KNOWN = {
    name: Parameter(name, kind, default, "what it means")
    for name, kind, default in (
        ("SEED", "int", 0), ("SIZE", "int", 0), ("TAU", "float", -1.0), ("NET", "str", ""),
        ("FLIP", "bool", False), ("PRESET", "str", "auto"))
}


def lines_of(caught):
    return str(caught.value).splitlines()


# -- the grid --------------------------------------------------------------------------------

KINDS = {
    "SIZE": st.integers(-10**6, 10**6),
    "TAU": st.floats(allow_nan=False, allow_infinity=False),
    "FLIP": st.booleans(),
    # What a shell can hand over, without blanks at the ends: those are taken off.
    "NET": st.text("aä0,\"'=:/?&{}()#-", max_size=12),
}


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(sorted(KINDS)))
def test_values_come_back_as_they_were_written(data, name):
    values = data.draw(st.lists(KINDS[name], min_size=1, max_size=5))
    text = io.StringIO()
    csv.writer(text, lineterminator="", quoting=csv.QUOTE_ALL).writerow(values)
    found = grid.parse_values([f"{name}={text.getvalue()}"], KNOWN)
    assert found == {name: list(dict.fromkeys(values))}
    assert {type(value) for value in found[name]} == {type(value) for value in values}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SIZE = 32, 64", [32, 64]),
        ("TAU=1,0.5,1.0", [1.0, 0.5]),
        ("NET=a=b", ["a=b"]),
    ],
)
def test_values_are_typed_and_each_counts_once(text, values):
    (found,) = grid.parse_values([text], KNOWN).values()
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["SIZE=32,"], "SIZE takes a whole number, not ''."),
        (["SIZE=32", "SIZE=64"], "SIZE is given by another -p."),
        (["SEED=1,2"], "SEED is given by --seeds 0-2."),
        (["PRESET=smoke,full"], "PRESET is given by --preset smoke."),
        (["NET=a\nb"], "The values of NET cannot be read"),
        (["TAU=0.1,nan"], "TAU takes a number, not 'nan'."),
    ],
)
def test_wrong_values_are_three_lines(texts, says):
    with pytest.raises(UsageError) as caught:
        grid.parse_values(texts, KNOWN)
    assert lines_of(caught)[0].startswith(says)
    assert (lines_of(caught)[1], len(lines_of(caught))) == ("Nothing was started.", 3)


@pytest.mark.parametrize("text", ["", "2-0", "-1", "0-", "1.5", "0,,1", "0-10000", "0-9" * 9, "٣"])
def test_what_is_no_seed_is_named(text):
    with pytest.raises(UsageError, match="Nothing was started"):
        grid.parse_seeds(text)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 20)), min_size=1, max_size=6))
def test_seeds_are_the_union_of_their_ranges(spans):
    text = ",".join(f"{a}-{a + n}" if n else str(a) for a, n in spans)
    wanted = itertools.chain.from_iterable(range(a, a + n + 1) for a, n in spans)
    assert grid.parse_seeds(text) == list(dict.fromkeys(wanted))


@pytest.fixture
def tiny(book):
    """A grid of two temperatures and two seeds of the chapter `tiny`."""
    return grid.parse("tiny", ["TAU=0.1,0.5", "EPOCHS=3"], "0-1", "smoke")


def test_a_grid_is_every_setting_with_every_seed(tiny):
    assert [(p.values["TAU"], p.seed) for p in tiny.points()] == [
        (0.1, 0), (0.5, 0), (0.1, 1), (0.5, 1)]
    assert all(point.values["EPOCHS"] == 3 for point in tiny.points())
    assert [tiny.label(point) for point in tiny.points()][1] == "TAU=0.5 seed 0"
    assert tiny.given(tiny.points()[0]) == {
        "EPOCHS": 3, "TAU": 0.1, "SEED": 0, "PRESET": "smoke"}
    assert not paths.home().exists()


def test_the_same_command_finds_the_same_folder(tiny):
    again = grid.parse("tiny", ["TAU=0.1,0.5", "EPOCHS=3"], "0-1", "smoke")
    other = grid.parse("tiny", ["TAU=0.1,0.5", "EPOCHS=4"], "0-1", "smoke")
    assert tiny.folder == again.folder != other.folder


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("tiny", [], "0", ""), UsageError, "A sweep needs one preset"),
        (("tiny", ["EPOCHS=1,-2"], "0", "smoke"), UsageError, "EPOCHS cannot be negative"),
        (("tiny", ["OUT_DIR=a,b"], "0", "smoke"), UsageError, "OUT_DIR takes one folder"),
        (("tiny", ["DATASET=shapes,none"], "0", "smoke"), UsageError, "There is no data set"),
        (("tiny", ["DATASET=folder:no"], "0", "smoke"), DataError, "folder:no was not found"),
        (("tiny", ["EPOCHS=1,2"], "0-8000", "smoke"), UsageError, "This sweep has 16,002 runs"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(book, arguments, kind, says):
    with pytest.raises(kind) as caught:
        grid.parse(*arguments)
    assert says in str(caught.value)
    assert len(lines_of(caught)) == 3
    assert not paths.home().exists()


# -- what is there already -------------------------------------------------------------------


def leave(wanted, point, score=0.5, **changes):
    """Leave the run of a point behind, as a finished one unless `changes` say otherwise."""
    texts = [f"{k}={v}" for k, v in wanted.given(point).items() if k != "PRESET"]
    planned = plan(wanted.chapter.name, texts, wanted.preset)
    made = record(point.seed, **{
        "chapter": "tiny", "preset": wanted.preset, "claims": {},
        "scores": {"tiny": {"knn20": score}, "chance": {"knn20": 0.1}}, **changes})
    records.write(planned.folder, made)
    return planned.folder


def statuses(wanted):
    return [result.status for result in engine.plan_results(wanted)]


def test_a_finished_run_is_found_by_its_record(tiny):
    first = tiny.points()[0]
    assert statuses(tiny) == ["not begun"] * 4
    folder = leave(tiny, first)
    leave(tiny, first, status="failed")
    found = engine.plan_results(tiny)
    assert [result.status for result in found] == [BEFORE] + ["not begun"] * 3
    assert (found[0].run, found[0].code) == (folder.name, 0)


@pytest.mark.parametrize(
    "changes",
    [{"status": "interrupted"}, {"preset": "check"}, {"trained_with": "reference"},
     {"code": {"version": "0.0.9", "digest": ""}}, {"schema": 99}],
)
def test_a_run_that_is_not_the_same_does_not_count(tiny, changes):
    leave(tiny, tiny.points()[0], **changes)
    assert BEFORE not in statuses(tiny)


@pytest.mark.parametrize("text", ["TAU=0.2,0.5", "TAU=0.1", "EPOCHS=4"])
def test_other_parameters_are_another_run(tiny, text):
    leave(tiny, tiny.points()[0])
    names = {"TAU": "TAU=0.1", "EPOCHS": "EPOCHS=3"} | {text.partition("=")[0]: text}
    other = grid.parse("tiny", list(names.values()), "0", "smoke")
    assert (BEFORE in statuses(other)) == (text == "TAU=0.1")


def test_a_default_that_is_written_out_changes_nothing(tiny):
    leave(tiny, tiny.points()[0])
    told = grid.parse("tiny", ["TAU=0.1", "EPOCHS=3", "BATCH_SIZE=0", "PICTURE=-1"], "0", "smoke")
    assert statuses(told) == [BEFORE]


@pytest.mark.parametrize("damage", ["{", "[]", "null", '{"TAU": 0.5}'])
def test_a_run_whose_parameters_are_lost_does_not_count(tiny, damage):
    folder = leave(tiny, tiny.points()[0])
    (folder / "parameters.json").write_text(damage)
    assert BEFORE not in statuses(tiny)


def test_changed_images_make_a_new_run(book, photos):
    from PIL import Image

    from sslbook import datasets

    name = f"folder:{photos}"
    wanted = grid.parse("tiny", [f"DATASET={name}"], "0", "smoke")
    digest = {"train": {"sha256": datasets.load(name, "train", size=32).sha256}}
    (point,) = wanted.points()
    leave(wanted, point, data=digest, parameters={"size": 32, "images": 0})
    assert statuses(wanted) == [BEFORE]
    for path in photos.rglob("*.png"):
        Image.new("RGB", (40, 36), "red").save(path)
    past._digest.cache_clear()
    assert statuses(wanted) == ["not begun"]


# -- the engine, on threads instead of processes ----------------------------------------------


class Threads:
    """Sweeps on two threads; `run` stands in for a run: (grid, point) -> code, id, message."""

    current = None  # what `stand_in` asks: a function of a module is sent to a worker by its name

    def __init__(self):
        Threads.current, self.said, self.jobs, self.wanted = self, [], [], None

    def run(self, wanted, point):
        return 0, leave(wanted, point, score=0.5 + point.values["TAU"] * 0.1).name, ""

    def sweep(self, wanted, budget=0.0):
        self.said, self.jobs, self.wanted = [], [], wanted
        return engine.sweep(wanted, self.connect, budget, self.said.append)

    @contextlib.contextmanager
    def connect(self, runs):
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=1, threads_per_worker=2, processes=False, host="127.0.0.1",
                         protocol="tcp", dashboard_address="127.0.0.1:0",
                         silence_logs=logging.CRITICAL) as local,
            Client(local, set_as_default=False) as client,
        ):
            yield client


def stand_in(job, stop):
    from distributed import Event

    threads = Threads.current
    if Event(stop).is_set():
        return work.answer()
    threads.jobs.append(job)
    values = {k: v for k, v in job["given"].items() if k not in ("PRESET", "SEED")}
    answer = threads.run(threads.wanted, grid.Point(values, job["given"]["SEED"]))
    return work.answer(*answer)


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(work, "run_point", stand_in)
    monkeypatch.setattr(comparison.NotebookClient, "execute", lambda self: None)
    return Threads()


def table(wanted):
    path = wanted.folder / "comparison.csv"
    return comparison.read(path)


def test_a_sweep_runs_what_is_missing_and_nothing_twice(tiny, threads):
    before = leave(tiny, tiny.points()[1], score=0.9)
    assert threads.sweep(tiny) == 0
    assert threads.said[0] == (
        "tiny (2 settings, 2 seeds), 4 runs: 3 not begun, 1 done before")
    assert "4 runs: 3 done, 1 done before" in threads.said
    assert len(threads.jobs) == 3
    values = {(row["TAU"], row["seed"]): row["value"] for _, row in table(tiny).iterrows()
              if row["measure"] == "tiny knn20"}
    assert values == {(0.1, 0): 0.51, (0.5, 0): 0.9, (0.1, 1): 0.51, (0.5, 1): 0.55}
    assert before.name in set(table(tiny)["run"])
    assert threads.sweep(tiny) == 0
    assert threads.jobs == []


def test_a_failing_point_is_listed_and_the_others_are_done(tiny, threads):
    done = threads.run

    def run(wanted, point):
        if (point.values["TAU"], point.seed) == (0.5, 1):
            return 3, "", "The data set x was not found.\nNothing was read.\nMend it."
        return done(wanted, point)

    threads.run = run
    assert threads.sweep(tiny) == 4
    place = threads.said.index("TAU=0.5 seed 1: failed, exit code 3")
    assert threads.said[place + 1 : place + 4] == [
        "    The data set x was not found.", "    Nothing was read.", "    Mend it."]
    rows = table(tiny)
    (row,) = rows[rows["status"] == FAILED].to_dict("records")
    assert (row["TAU"], row["seed"], row["code"]) == (0.5, 1, 3)
    assert row["measure"] != row["measure"]
    (pair,) = comparison.differences(rows, "tiny knn20").values()
    assert len(pair) == 1  # of the seed that both have
    threads.run = done
    assert threads.sweep(tiny) == 0  # what failed is tried again
    assert len(threads.jobs) == 1


def test_an_error_of_the_worker_itself_is_a_failure_after_retries(tiny, threads):
    calls = []

    def run(wanted, point):
        calls.append(point.seed)
        raise RuntimeError("the run's process ended with -9: it said nothing")

    threads.run = run
    assert threads.sweep(tiny) == 4
    assert len(calls) == 4 * (1 + engine._RETRIES)
    assert "    RuntimeError: the run's process ended with -9: it said nothing" in threads.said


def test_a_budget_is_spent_after_its_minutes():
    assert not engine.Stop().asked
    assert not engine.Stop(60).asked
    assert engine.Stop(1e-9).asked


def test_a_spent_budget_begins_no_further_run(tiny, threads, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine.Stop, "asked", property(lambda stop: bool(threads.jobs)))
        done = threads.run
        threads.run = lambda wanted, point: time.sleep(1.5) or done(wanted, point)
        assert threads.sweep(tiny, budget=1) == 5
    assert threads.said[-3] == "Out of time. Go on with the same command."
    first = len(threads.jobs)
    assert first in (1, 2)  # there are two threads
    threads.run = done
    assert threads.sweep(tiny) == 0
    assert len(threads.jobs) == 4 - first


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_stops_as_a_budget_does(tiny, threads, number, code):
    def run(wanted, point):
        if point == wanted.points()[0]:
            os.kill(os.getpid(), number)
        time.sleep(1)
        folder = leave(wanted, point, status="interrupted")
        return 130, folder.name, "Interrupted."

    threads.run = run
    before = signal.getsignal(number)
    assert threads.sweep(tiny) == code
    assert signal.getsignal(number) is before
    assert any(line.startswith("Interrupted. Go on") for line in threads.said)
    assert set(table(tiny)["status"]) == {"interrupted", "not begun"}


def test_an_interrupt_that_nobody_asked_for_is_a_failure(tiny, threads):
    threads.run = lambda wanted, point: (130, "", "Interrupted.")
    assert threads.sweep(tiny) == 4


def test_a_sweep_does_not_run_twice_at_once(tiny, threads):
    tiny.folder.mkdir(parents=True)
    lock = FolderLock(tiny.folder)
    assert lock.acquire()
    with pytest.raises(UsageError, match="This sweep is running already"):
        threads.sweep(tiny)
    lock.release()


def test_a_worker_of_another_version_says_so(tiny, monkeypatch):
    monkeypatch.setattr("distributed.Event", lambda name: threading.Event())
    job = engine._job(tiny, tiny.points()[0]) | {"version": "9.9"}
    answer = work.run_point(job, "stop")
    assert (answer["code"], len(answer["message"].splitlines())) == (2, 3)


@pytest.mark.parametrize("said", ["", "Killed", '{"ends": 0}', "[1]", '"x"'])
def test_a_runner_without_an_answer_is_tried_again(said):
    with pytest.raises(RuntimeError, match="ended with -9"):
        work._last_line(said, -9)
    line = json.dumps({"code": 4, "run": "a", "message": "b"})
    assert work._last_line(f"{said}\n{line}\n", 0)["code"] == 4


# -- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "tcp://127.0.0.1:8786", "tcp://[::1]:8786", "localhost:8786",
                "tls://node7:8786"])
def test_loopback_and_tls_are_fine(address):
    cluster.check_address(address)


@pytest.mark.parametrize(
    "address", ["node7:8786", "tcp://10.0.0.5:8786", "tcp://0.0.0.0:8786", "ucx://127.0.0.1:8786",
                "tls://", "tcp://[::1", "localhost.example.org:1", "tcp://127.0.0.1@10.0.0.5:1"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UsageError, match="neither on this machine nor encrypted") as caught:
        cluster.check_address(address)
    assert len(lines_of(caught)) == 3


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="sslbook\\[cluster\\]"), cluster.connect():
        pass


def test_a_scheduler_that_is_not_there(book, sslbook_, monkeypatch):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(cluster, "_SECONDS", 1)
    for one in (address, address.replace("tcp", "tls")):
        found = sslbook_("sweep", "tiny", "--preset", "smoke", "--scheduler", one)
        assert (found.code, len(found.lines)) == (2, 3), found.err
        assert found.lines[0].startswith(f"The scheduler {one} does not answer")


@pytest.mark.parametrize("safe", [False, True], ids=["loopback", "TLS"])
def test_a_running_scheduler_is_used(safe):
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    security = Security.temporary() if safe else None
    keys = {}
    if safe:  # as its owner would put them into Dask's configuration
        found = security.get_tls_config_for_role("client")
        keys = {"distributed.comm.tls.ca-file": found["ca_file"],
                "distributed.comm.tls.client.cert": found["cert"],
                "distributed.comm.tls.client.key": found["key"]}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1",
                     protocol="tls" if safe else "tcp", security=security,
                     dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL) as local,
        dask.config.set(keys),
        cluster.connect(local.scheduler_address) as client,
    ):
        assert local.scheduler_address.startswith("tls" if safe else "tcp")
        assert client.submit(abs, -3).result() == 3


@pytest.mark.slow
def test_own_workers_are_private(monkeypatch):
    """TLS, loopback only, one thread, and no dashboard; Ctrl-C does not reach them."""
    with cluster.connect(workers=1) as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1:")
        (about,) = client.scheduler_info()["workers"].values()
        assert about["nthreads"] == 1
        (found,) = client.run(_of_worker).values()
        assert found == ("1", True)
        mine = psutil.Process()
        for process in (mine, *mine.children(recursive=True)):
            for one in process.net_connections(kind="inet"):
                if one.status == psutil.CONN_LISTEN:
                    assert one.laddr.ip in ("127.0.0.1", "::1")


def _of_worker():
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return os.environ["OMP_NUM_THREADS"], ignored


# -- the comparison ----------------------------------------------------------------------------


@pytest.fixture
def compared(book):
    """(grid, rows, scores by (TAU, NET-like picture, seed)) of 2 x 2 settings and 4 seeds."""
    wanted = grid.parse("tiny", ["TAU=0.1,0.5", "PICTURE=4,8"], "0-3", "smoke")
    rng, scores, results = np.random.default_rng(0), {}, []
    for point in wanted.points():
        score = float(rng.uniform(0.3, 0.9))
        folder = leave(wanted, point, score=score)
        scores[point.values["TAU"], point.values["PICTURE"], point.seed] = score
        results.append(Result(point, DONE, 0, folder.name))
    return wanted, results, scores


def test_differences_are_paired_and_as_scipy_has_them(compared):
    wanted, results, scores = compared
    rows = comparison.table(wanted, results)
    pairs = comparison.differences(rows, "tiny knn20")
    assert len(pairs) == 6  # of four settings
    names = {f"TAU={tau} PICTURE={side}": [scores[tau, side, seed] for seed in range(4)]
             for tau in (0.1, 0.5) for side in (4, 8)}
    for (one, other), values in pairs.items():
        test = stats.ttest_rel(names[one], names[other])
        assert comparison.interval(list(values)) == pytest.approx(
            tuple(test.confidence_interval(0.95)), abs=1e-12)
        assert values.mean() == pytest.approx(
            np.subtract(names[one], names[other]).mean(), abs=1e-12)
    assert "chance knn20" in set(rows["measure"])
    assert comparison.differences(rows, "chance knn20") == {}


@pytest.mark.parametrize(("trained_with", "seeds"), [
    (("notebook", "reference"), [0]), (("reference", "reference"), [0, 1])])
def test_a_references_runs_are_not_mixed_with_the_notebooks(book, trained_with, seeds):
    wanted = grid.parse("tiny", [], "0,1", "smoke")
    results = [Result(point, DONE, 0, leave(wanted, point, trained_with=code).name)
               for point, code in zip(wanted.points(), trained_with, strict=True)]
    (values,) = comparison.by_setting(comparison.table(wanted, results), "tiny knn20").values()
    assert list(values.index) == seeds


@pytest.mark.parametrize("row", report.CONTROLS)
def test_no_control_is_compared(compared, row):
    rows = comparison.table(*compared[:2]).replace({"measure": {"tiny knn20": f"{row} knn20"}})
    assert comparison.differences(rows, f"{row} knn20") == {}
    assert comparison.main_measure([f"{row} knn20", "A rank"]) == "A rank"


def test_settings_on_different_data_are_not_paired(book):
    wanted = grid.parse("tiny", ["DATASET=shapes,digits", "TAU=0.1,0.5"], "0", "smoke")
    results = [Result(p, DONE, 0, leave(wanted, p).name) for p in wanted.points()]
    pairs = comparison.differences(comparison.table(wanted, results), "tiny knn20")
    assert set(pairs) == {(f"DATASET={data} TAU=0.1", f"DATASET={data} TAU=0.5")
                          for data in ("shapes", "digits")}


def test_the_csv_is_read_back(compared, tmp_path):
    wanted, results, _ = compared
    results[0].code, results[0].status, results[0].run = 4, FAILED, ""
    rows = comparison.table(wanted, results)
    rows.to_csv(tmp_path / "a.csv", index=False)
    found = comparison.read(tmp_path / "a.csv")
    assert len(found) == len(rows)
    for column in rows:
        for one, other in zip(rows[column], found[column], strict=True):
            assert one == other or (one != one and other != other) or {one, other} <= {None, np.nan}


def test_measures_leave_out_what_was_not_measured():
    made = record(scores={"DCL": {"knn20": 0.5, "rank": float("nan")}}, diagnostics={"q": 2},
                  claims={"a": {"claim": {}, "value": None}, "b": {"claim": {}, "value": 1}},
                  seconds={"wall": 3.5})
    assert comparison.measures(made) == {"DCL knn20": 0.5, "claim b": 1.0, "q": 2.0, "seconds": 3.5}


def test_the_notebook_is_executed_and_names_failures(compared):
    wanted, results, scores = compared
    failed = results.pop()
    results.append(Result(failed.point, FAILED, 4, "", "Cell In [4] failed: KeyError: 'x'"))
    written = comparison.write(wanted, results)
    assert [path.name for path in written] == ["comparison.csv", "comparison.ipynb"]
    made = nbformat.read(written[1], 4)
    nbformat.validate(made)
    assert "exit code 4" in made.cells[0].source
    assert "KeyError" in made.cells[0].source
    kinds = [set(out.get("data", {})) for cell in made.cells if cell.cell_type == "code"
             for out in cell.outputs]
    assert any("image/png" in kind for kind in kinds)
    text = json.dumps(made)
    assert "| TAU=0.1 PICTURE=4 | TAU=0.5 PICTURE=4 | 4 |" in text
    assert '"output_type": "error"' not in text
    assert str(paths.home()) not in text


def test_a_notebook_that_cannot_be_executed_is_written_without_outputs(compared, monkeypatch):
    wanted, results, _ = compared

    def fail(client):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(comparison.NotebookClient, "execute", fail)
    _, path = comparison.write(wanted, results)
    assert nbformat.read(path, 4).cells[1].outputs == []


def test_a_sweep_without_a_finished_run_has_no_table(tiny):
    results = [Result(point, FAILED, 4, "", "it fails") for point in tiny.points()]
    rows = comparison.table(tiny, results)
    assert (len(rows), rows["measure"].isna().all()) == (4, True)
    assert len(comparison.notebook(tiny, results, rows).cells) == 1


@pytest.mark.parametrize(
    ("names", "first"),
    [(["chance knn20", "A rank", "A knn20"], "A knn20"), (["random knn20", "A rank"], "A rank"),
     (["claim a", "seconds"], "claim a"), (["seconds"], "seconds"), ([""], "")],
)
def test_the_main_measure_is_an_accuracy_where_there_is_one(names, first):
    assert comparison.main_measure(names) == first


# -- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["--seeds", "2-0", "--preset", "smoke"], "'2-0' is no seed and no range of seeds."),
        (["--preset", "smoke", "--scheduler", "tcp://10.1.2.3:8786"],
         "The scheduler tcp://10.1.2.3:8786 is neither on this machine nor encrypted."),
    ],
)
def test_refusals(book, sslbook_, arguments, first):
    found = sslbook_("sweep", "tiny", *arguments)
    assert (found.code, len(found.lines), found.lines[0]) == (2, 3, first)
    assert not paths.home().exists()


def test_a_dry_run_prints_the_grid_and_starts_nothing(tiny, sslbook_):
    done = leave(tiny, tiny.points()[0])
    begun = leave(tiny, tiny.points()[3], status="interrupted")
    found = sslbook_("sweep", "tiny", "-p", "TAU=0.1,0.5", "-p", "EPOCHS=3", "--seeds", "0-1",
                     "--preset", "smoke", "--dry-run")
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines() == [
        f"TAU=0.1 seed 0: done before ({done.name})", "TAU=0.5 seed 0: not begun",
        "TAU=0.1 seed 1: not begun", f"TAU=0.5 seed 1: interrupted ({begun.name})",
        "4 runs: 1 done before, 2 not begun, 1 interrupted"]
    assert not tiny.folder.exists()


# -- SLURM -------------------------------------------------------------------------------------


def test_the_slurm_recipe_renders(book, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    path = Path(__file__).resolve().parents[2] / "docs" / "slurm.py"
    spec = importlib.util.spec_from_file_location("slurm_recipe", path)
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    with recipe.cluster(scheduler_options=here) as made:
        script = made.job_script()
        assert made.scheduler_address.startswith("tls://127.0.0.1:")
    lines = script.splitlines()
    assert lines[0].startswith("#!")
    for line in ("#SBATCH -p gpu", "#SBATCH -n 1", f"#SBATCH --cpus-per-task={recipe.CPUS}",
                 "#SBATCH --mem=15G", "#SBATCH -t 04:00:00", "#SBATCH --gres=gpu:1",
                 f"export OMP_NUM_THREADS={recipe.CPUS}"):
        assert line in lines, script
    command = lines[-1]
    for option in ("distributed.cli.dask_worker tls://127.0.0.1:", "--nthreads 1", "--nanny",
                   "--lifetime 230m", "--protocol tls://", "--tls-ca-file", "--tls-cert",
                   "--tls-key"):
        assert option in command, script
