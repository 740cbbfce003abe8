"""How long a run takes: what records say of such runs, scaled to the data and length at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sslbook.records import store
from sslbook.records.schema import Record

UNKNOWN, LATER = "time not measured yet", "the time is told when the data are loaded"


def alike(found: Iterable[Record], preset: str, device: str, dataset: str) -> list[Record]:
    """The finished runs among `found` of a preset, a kind of device and a data set.

    dataset: as `datasets.load` takes it. "" takes any: the chapter names none, it makes its own.
    """
    label = store.dataset_label(dataset)
    return [r for r in found if (r["status"], r["preset"], r["device"]["kind"])
            == ("finished", preset, device) and label in ("", r["parameters"].get("dataset", ""))]


def typical_seconds(found: Iterable[Record]) -> float | None:
    """The median time of runs; None where there is none."""
    return _median(map(run_seconds, found))


def _median(times: Iterable[float]) -> float | None:
    ordered = sorted(times)
    return ordered[len(ordered) // 2] if ordered else None


def run_seconds(record: Record) -> float:
    """Seconds of a run where nothing else runs: on a CPU those it used, where they are fewer."""
    seconds = record["seconds"]
    alone = record["device"]["kind"] == "cpu" and "cpu" in seconds
    return min(seconds["wall"], seconds["cpu"]) if alone else seconds["wall"]


def latest_record(chapter: str, preset: str, device: str, dataset: str) -> Record | None:
    """The newest finished record of such a run (see `alike`), own or shipped."""
    found = alike([*store.shipped(chapter), *store.own(chapter)], preset, device, dataset)
    return max(found, key=lambda r: r["started"], default=None)


def planned_steps(settings: Mapping[str, Any], count: int) -> int | None:
    """Steps of the main training on `count` samples, as `train` counts them.

    A step without a batch size takes all samples; of a chapter that keeps the labels of a few,
    these are the samples. None where minutes decide, or the settings name no epochs.
    """
    if settings.get("minutes") or not settings.get("epochs"):
        return settings.get("max_steps")
    batch = settings.get("batch_size") or count
    count = min(count, settings.get("labelled") or count)
    steps = max(2, round(settings["epochs"] * max(1, count // max(1, batch))))
    return min(steps, settings["max_steps"]) if settings.get("max_steps") else steps


def scaled_seconds(record: Record, settings: Mapping[str, Any], count: int = 0) -> float:
    """Seconds of a run with other settings or samples than a record's: by the samples it takes.

    count: of the training split; 0 for that of the record, less where IMAGES says so. MINUTES come
    on top: they replace one training of several, and nobody knows how much of the time that was.
    """
    seconds = run_seconds(record)
    if settings.get("minutes"):
        return seconds + 60 * settings["minutes"]
    then = record.get("data", {}).get("train", {}).get("count", 0)
    now = count or min(then, settings.get("images") or then)
    work = [(planned_steps(about, n) or 0) * (about.get("batch_size") or n)
            for about, n in ((settings, now), (record["parameters"], then))]
    return seconds * work[0] / work[1] if all(work) else seconds


def expected_minutes(chapter: str, settings: Mapping[str, Any], device: str, count: int = 0) -> str:
    """What shipped records say that such a run takes: "about 5 minutes", else UNKNOWN.

    settings: the run's, its preset and dataset among them. count: of its training samples, 0
    before they are loaded; what runs on other data took can then not be scaled yet (LATER).
    """
    preset, dataset = settings["preset"], settings.get("dataset", "")
    shipped = store.shipped(chapter)
    found, scaled = alike(shipped, preset, device, dataset), ""
    if not found and (found := alike(shipped, preset, device, "")):
        if not count:
            return LATER
        scaled = f", scaled from a run on {data_of(found[0])}"
    seconds = _median(scaled_seconds(record, settings, count) for record in found)
    if seconds is None:
        return UNKNOWN
    return (f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} minutes"
            ) + scaled


def data_of(record: Record) -> str:
    """The name of the data that a run was trained on."""
    train = record.get("data", {}).get("train", {})
    return train.get("name") or record["parameters"].get("dataset", "")
