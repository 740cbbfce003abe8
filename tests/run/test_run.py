"""One run of a chapter: its folder, what it goes on with, what it measures, what it refuses."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import sslbook
from sslbook import datasets, records
from sslbook.core import files, paths
from sslbook.core.lock import FolderLock, is_locked
from sslbook.errors import UsageError, UserError
from sslbook.lesson import exercises
from sslbook.records.claims import Rule
from sslbook.run import folder, presets
from sslbook.views import Augment, Recipe

SMOKE = {"dataset": "shapes", "images": 48, "test_images": 16, "epochs": 4, "batch_size": 16,
         "lr": 1e-2, "crop": (0.4, 1.0)}
PRESETS = {"check": {**SMOKE, "max_steps": 2}, "smoke": SMOKE}


def start(resume="", presets=PRESETS, **parameters):
    return sslbook.start("one", presets, resume=resume, **{"PRESET": "smoke", **parameters})


class Mirror(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    def forward(self, batch, loss):
        return {"loss": loss(self.encode(batch), batch)}


def noisy(batch, generator):
    return batch + torch.randn(batch.shape, generator=generator)


def train(run, data=None, transform=noisy, stop=0, **named):
    def hook(module, step, steps):
        if step + 1 == _STOP["at"]:
            raise KeyboardInterrupt

    _STOP["at"] = stop
    x = torch.linspace(-1, 1, 144).reshape(48, 3) if data is None else data
    return sslbook.train(run, Mirror, run.batches(x, transform), name="pretrain",
                         loss=F.mse_loss, after_step=[hook], **named)


_STOP = {"at": 0}


def weights(history):
    return torch.cat([p.flatten() for p in history.module.state_dict().values()])


# -- beginning -------------------------------------------------------------------------------


def test_a_run_says_what_will_happen_and_takes_a_folder(capsys):
    run = start(SEED=3)
    assert "one: preset smoke on cpu, seed 3" in capsys.readouterr().out
    assert run.folder.parent == paths.runs() / "one"
    assert run.folder.name.split("-", 2)[2].startswith("smoke-s3-")
    stored = records.read(run.folder / "record.json")
    assert (stored["status"], stored["seed"]) == ("running", 3)
    assert is_locked(run.folder)
    run.finish()
    assert not is_locked(run.folder)
    assert records.read(run.folder / "record.json")["status"] == "finished"


def test_auto_says_why(capsys):
    assert start(PRESET="auto").settings.preset == "smoke"
    assert "no CUDA GPU was found" in capsys.readouterr().out


def test_no_run_writes_over_another(monkeypatch):
    digits = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(folder.secrets, "token_hex", lambda n: next(digits))
    clock = SimpleNamespace(now=lambda zone: SimpleNamespace(strftime=lambda form: "20260101"))
    monkeypatch.setattr(folder, "datetime", clock)
    first, second = (folder.create_folder(paths.runs(), "smoke", 0) for _ in range(2))
    assert first.name.endswith("aaaa")
    assert second.name.endswith("bbbb")


def test_a_folder_is_held_by_one_run(monkeypatch):
    run = start()
    monkeypatch.setenv("SSLBOOK_RUN_FOLDER", str(run.folder))
    with pytest.raises(UsageError, match="in use by another process"):
        start()
    assert records.read(run.folder / "record.json")["status"] == "running"
    assert not FolderLock(run.folder).acquire()


def test_runs_go_where_out_dir_says(tmp_path):
    run = start(OUT_DIR=str(tmp_path / "there"))
    assert run.folder.parent == tmp_path / "there" / "one"
    assert not paths.runs().exists()


@pytest.mark.parametrize("name", ["cpu:99:1", "quantum", "cuda:99"])
def test_a_device_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setenv("SSLBOOK_DEVICE", name)
    with pytest.raises(UsageError, match=f"SSLBOOK_DEVICE={name} cannot be used here"):
        start()


def test_auto_on_a_gpu(monkeypatch, capsys):
    gpu = SimpleNamespace(type="cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda which: (free * 2**30, 80 * 2**30))
    free = 20
    assert presets.automatic_preset(gpu, "shapes") == ("lesson", "")
    assert presets.automatic_preset(gpu, "") == ("lesson", "")
    preset, why = presets.automatic_preset(gpu, "folder:nowhere")
    assert preset == "smoke"
    assert "sslbook data get" in why
    free = 2
    assert "only 2.0 GB" in presets.automatic_preset(gpu, "shapes")[1]
    monkeypatch.setattr(presets, "automatic_preset", lambda where, name: ("lesson", ""))
    assert start(PRESET="auto").settings.preset == "smoke"  # this chapter has no lesson
    assert "has no preset 'lesson'" in capsys.readouterr().out


# -- bad input leaves nothing behind ------------------------------------------------------------


@pytest.mark.parametrize("wrong", [
    {"PRESET": "smok"}, {"PRESET": "full"}, {"EPOCHS": "3"}, {"EPOCHS": True}, {"SEED": -1},
])
def test_a_wrong_parameter_leaves_nothing(wrong):
    with pytest.raises(UsageError):
        start(**wrong)
    assert not paths.runs().exists()


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(UserError, match="Cannot write") as caught:
            start(OUT_DIR=str(tmp_path / place))
        assert len(str(caught.value).splitlines()) == 3
    assert (tmp_path / "file").read_text() == ""


def test_a_read_only_folder_is_named(monkeypatch, tmp_path):
    def refuse(*arguments, **named):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    run = start()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkstemp", refuse)
        with pytest.raises(UserError, match="read-only"):
            run.finish()
        with pytest.raises(UserError, match="read-only"):
            start()
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        with pytest.raises(UserError, match="read-only"):
            run.finish()
    assert records.read(run.folder / "record.json")["status"] == "running"
    assert not list(run.folder.glob("*.tmp")) + list(run.folder.glob(".*.tmp"))
    with monkeypatch.context() as patched:
        patched.setattr("filelock.FileLock.acquire", refuse)
        with pytest.raises(UserError, match="read-only"):
            start()


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "No space left"), (errno.EDQUOT, "No space left"), (errno.EFBIG, "No space"),
     (errno.EROFS, "read-only"), (errno.EACCES, "read-only"), (errno.ENOTDIR, "Cannot write"),
     (errno.EISDIR, "Cannot write")],
)
def test_a_failed_write_is_explained_and_leaves_the_old_file(tmp_path, number, says):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def write():
        with files.publish(path) as temporary:
            temporary.write_text("half of it")
            raise OSError(number, os.strerror(number))

    with pytest.raises(UserError, match=says):
        write()
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.json"]


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(ConnectionResetError), files.publish(tmp_path / "a"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


# -- going on --------------------------------------------------------------------------------


def stopped(at=9, **parameters):
    """A run whose training was stopped, as a process that ended leaves it."""
    run = start(**parameters)
    with pytest.raises(KeyboardInterrupt):
        train(run, stop=at)
    run._lock.release()
    return run


def test_an_interrupted_run_goes_on_bit_for_bit(capsys):
    other = start()  # it holds its folder
    whole = train(other)
    first = stopped()
    run = start("auto")
    assert run.folder == first.folder
    resumed = train(run)
    assert "resumed at step" in capsys.readouterr().out
    assert torch.equal(weights(whole), weights(resumed))
    assert resumed.rows[-1] == whole.rows[-1]
    run.finish()
    assert start("auto").folder != first.folder  # finished: nothing to go on with


def test_auto_takes_the_newest_unfinished_run_of_these_settings():
    stopped(SEED=1)
    old = stopped()
    os.rename(old.folder, older := old.folder.with_name("0" + old.folder.name))
    new = stopped()
    stopped(EPOCHS=5)
    begun = [start("auto") for _ in range(3)]  # each holds its folder
    assert [run.folder for run in begun[:2]] == [new.folder, older]
    assert begun[2].folder not in (new.folder, older)


def test_a_run_can_be_named():
    first = stopped()
    run = start(first.folder.name)
    assert run.folder == first.folder
    with pytest.raises(UsageError, match="in use"):
        start(first.folder.name)
    run.finish()
    with pytest.raises(UsageError, match="is finished"):
        start(first.folder.name)
    with pytest.raises(UsageError, match="No run 'nothing' of one"):
        start("nothing")


def test_a_run_does_not_go_on_with_other_settings():
    first = stopped()
    before = (first.folder / "record.json").read_bytes()
    with pytest.raises(UsageError, match="has epochs=4, not 5"):
        start(first.folder.name, EPOCHS=5)
    with pytest.raises(UsageError, match="has seed=0, not 2"):
        start(first.folder.name, SEED=2)
    assert (first.folder / "record.json").read_bytes() == before


def test_another_number_of_threads_is_said(capsys):
    stopped()
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        train(start("auto"))
    finally:
        torch.set_num_threads(before)
    assert f"made with threads {before}, goes on with {before + 1}" in capsys.readouterr().out


def test_remains_of_a_killed_writer_are_cleared():
    run = stopped()
    remains = run.folder / "train" / "pretrain" / ".checkpoint.pt.abc.tmp"
    remains.write_bytes(b"half")
    train(start("auto"))
    assert not remains.exists()


# -- training again --------------------------------------------------------------------------


def test_other_views_or_data_mean_another_training(capsys):
    run = start()
    first = train(run)
    again = train(run)
    assert "loaded, not trained again" in capsys.readouterr().out
    assert torch.equal(weights(first), weights(again))
    train(run, transform=lambda batch, generator: batch)
    assert "trained again" in capsys.readouterr().out
    train(run, data=torch.ones(48, 3), transform=lambda batch, generator: batch)
    assert "trained again" in capsys.readouterr().out


def test_an_augmentation_is_what_its_recipes_say():
    images = datasets.load("shapes", limit=32)
    run = start()

    def signed(gray):
        augment = Augment(Recipe(gray=gray), images.mean, images.std)
        from sslbook.training.fingerprint import fingerprint

        return fingerprint(*run.batches(images.images, augment).signature())

    assert signed(0.2) == signed(0.2)
    assert signed(0.2) != signed(0.0)


# -- log and record ----------------------------------------------------------------------------


def rows(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def test_the_log_is_json_whatever_is_measured():
    run = start()
    run.log({"step": 1, "loss": math.nan, "rank": math.inf, "name": "x"})
    run.log({"step": 2, "loss": 0.5})
    assert rows(run) == [{"step": 1, "loss": None, "rank": None, "name": "x"},
                         {"step": 2, "loss": 0.5}]


def test_a_line_that_a_crash_cut_is_dropped_before_the_next():
    run = stopped()
    before = rows(run)
    with open(run.folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 3, "lo')
    run = start("auto")
    run.log({"step": 4})
    assert rows(run) == [*before, {"step": 4}]


def test_data_and_trainings_are_noted(capsys):
    run = start(PRESET="check")
    assert len(run.load()) == 48
    assert len(run.load("test")) == 16
    train(run)
    run.finish()
    stored = records.read(run.folder / "record.json")
    assert stored["data"]["test"]["count"] == 16
    assert stored["trainings"]["pretrain"]["steps"] == 2
    assert stored["trainings"]["pretrain"]["batch_size"] == 16
    assert "0 rows of scores, 0 claims\n" in capsys.readouterr().out


# -- claims ------------------------------------------------------------------------------------


def claimed(seed=0, value=0.1, bound=0.0, **parameters):
    run = start(SEED=seed, **parameters)
    run.claim("a", "It is better", source="paper", measures="a difference",
              rule=Rule(">=", bound, seeds=True))
    run.claim("b", "It is exact", source="paper", measures="an error", rule=Rule("<=", 0.1))
    run.measure("a", value)
    return run


def test_a_claim_must_be_registered_before_it_is_measured():
    run = claimed()
    with pytest.raises(UsageError, match="Claim 'c' was never registered"):
        run.measure("c", 1.0)


def test_verdicts_pool_this_machines_runs_of_other_seeds():
    assert str(claimed().verdicts()["a"]) == "not run"
    for seed, value in ((1, 0.11), (2, 0.12)):
        claimed(seed, value).finish()
    claimed(3, -5.0)  # not finished
    claimed(4, -5.0, EPOCHS=9).finish()  # of other parameters
    claimed(5, -5.0, bound=0.05).finish()  # under another rule
    verdicts = claimed().verdicts()
    assert (str(verdicts["a"]), verdicts["a"].n) == ("supported", 3)
    assert verdicts["a"].mean == pytest.approx(0.11)
    assert str(verdicts["b"]) == "not run"


def test_the_last_line_counts_the_verdicts_that_the_table_shows(capsys):
    claimed(PRESET="check").finish()
    assert "2 claims: 2 not run\n" in capsys.readouterr().out
    for seed in range(3):
        claimed(seed).finish()
    assert capsys.readouterr().out.endswith("2 claims: 1 supported, 1 not run\n")


def test_what_could_not_be_measured_is_not_run():
    run = claimed(value=math.nan)
    assert str(run.verdicts()["a"]) == "not run"
    run.measure("b", 0.05, precondition=math.nan)
    assert str(run.verdicts()["b"]) == "passed"
    run.finish()
    assert records.read(run.folder / "record.json")["claims"]["a"]["value"] is None


def test_a_run_with_the_reference_says_so_and_is_not_pooled(capsys):
    for seed in (1, 2):
        claimed(seed).finish()
    exercises.register("double", lambda x: 2 * x, [(torch.ones(2),)])
    run = claimed()
    sslbook.lesson.solve("double", lambda x: 3 * x)
    assert str(run.verdicts()["a"]) == "not run"
    capsys.readouterr()
    run.show_verdicts()
    assert exercises.NOTE in capsys.readouterr().out
    run.finish()
    assert records.read(run.folder / "record.json")["trained_with"] == "reference"
    assert str(claimed().verdicts()["a"]) == "supported"  # a new run starts with a clean slate


# -- checks and comparisons ------------------------------------------------------------------


def test_a_check_is_printed_kept_and_strict(capsys, monkeypatch):
    run = claimed()
    run.check("nothing leaks", 0.0, at_most=1e-9)
    run.check("many", 2.0, at_least=3.0)
    out = capsys.readouterr().out
    assert "\u2713 nothing leaks: 0 (at most 1e-09)" in out
    assert "\u2717 many: 2 (at least 3)" in out
    assert run.record("running")["checks"] == {
        "nothing leaks": {"value": 0.0, "op": "<=", "bound": 1e-9},
        "many": {"value": 2.0, "op": ">=", "bound": 3.0}}
    monkeypatch.setenv("SSLBOOK_STRICT", "1")
    run.check("nothing leaks", 0.0, at_most=1e-9)
    for value in (1e-3, math.nan):
        with pytest.raises(UserError, match="nothing leaks"):
            run.check("nothing leaks", value, at_most=1e-9)


def test_a_claim_is_given_by_its_bound():
    run = claimed()
    run.claim("c", "It is far better", source="Table 1", measures="a ratio", at_most=0.5,
              scale="ratio", paper="0.3")
    assert run.claims["c"].rule == Rule("<=", 0.5, seeds=True, scale="ratio")
    run.measure("c", 0.4)
    kept = run.record("running")["claims"]["c"]
    assert (kept["claim"]["paper"], kept["value"]) == ("0.3", 0.4)
