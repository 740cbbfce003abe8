"""Records: one JSON file a run. Scoreboard, verdicts and reports read these and nothing else.

A record names chapter, code, preset, parameters, seed, data, device, versions, times, scores and
claims (record.schema.json says how). It holds no path, user or host name.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path, PureWindowsPath
from typing import Any

from sslbook import __version__, files, paths
from sslbook.judging.claims import Claim, Verdict, decide

SCHEMA = 1
_LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "timm")
# What decides a result; pictures, the command line and the contract do not.
_DECIDES = ("streams.py", "nets", "heads.py", "datasets", "views", "masks", "methods",
            "judging", "training")


@functools.cache
def code() -> dict[str, str]:
    """Version, digest of the code that decides results, and commit (empty outside git)."""
    digest = hashlib.sha256()
    for name in _DECIDES:
        place = paths.PACKAGE / name
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in found:
            if file.is_file():
                digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return {"version": __version__, "digest": digest.hexdigest()[:12], "commit": _commit()}


def _commit() -> str:
    if not paths.is_checkout(paths.PACKAGE.parent):
        return ""
    command = ["git", "-C", str(paths.PACKAGE.parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def write(folder: Path, record: dict[str, Any]) -> None:
    """Write a record into a run's folder, whole or not at all."""
    files.write_json(folder / "record.json", record)


@functools.cache
def _check() -> Callable[[Any], Any]:
    """The published schema as a function that raises ValueError; a millisecond a record.

    Without fastjsonschema, on a machine that only trains, no more than the keys are looked at.
    """
    text = Path(__file__).with_name("record.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    try:
        import fastjsonschema
    except ImportError:
        return lambda record: _has_keys(record, schema["required"])
    return fastjsonschema.compile(schema, use_default=False)


def _has_keys(record: Any, keys: list[str]) -> None:
    if missing := [key for key in keys if not isinstance(record, dict) or key not in record]:
        raise ValueError(f"a record has {missing[0]!r}")


def _strict(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def examine(path: Path) -> tuple[dict[str, Any] | None, str]:
    """(record, "") of a file, or (None, why it is none): damaged, foreign, another schema."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_strict)
        _check()(record)
    except (OSError, ValueError, RecursionError) as error:
        return None, printable(getattr(error, "strerror", None) or str(error))[:120]
    return record, ""


def read(path: Path) -> dict[str, Any] | None:
    """One record, or None when the file is not one (damaged, foreign, another schema)."""
    return examine(path)[0]


def printable(text: str) -> str:
    """Text from a record on one line that any terminal and file can take.

    A record comes from outside: white space becomes a space; control characters, marks that turn
    the direction of writing, and half a surrogate pair become "?".
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a record holds them: JSON values, and of the reader's own data the name alone."""
    found = json.loads(json.dumps(dict(sorted(settings.items()))))
    kind, colon, place = str(found.get("dataset", "")).partition(":")
    if colon:
        found["dataset"] = f"{kind}:{PureWindowsPath(place).name}"  # it knows both slashes
    return found


def shipped() -> list[dict[str, Any]]:
    """The reference records that come with the book."""
    return [r for path in sorted(paths.records().glob("*.json")) if (r := read(path))]


def files_of_runs(folder: Path) -> list[Path]:
    """The records' files of all runs under `folder`, oldest first."""
    return sorted(folder.glob("*/*/record.json"), key=lambda p: p.parent.name)


def of_runs(folder: Path) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """(run folder, record or None) of all runs under `folder`, oldest first."""
    for path in files_of_runs(folder):
        yield path.parent, read(path)


def pool_key(record: dict[str, Any]) -> str:
    """Records with equal keys differ in the seed alone, so a verdict may pool them.

    Equal code is an equal minor version (0.1 of 0.1.3): a change that moves results raises it. The
    digest, which any edit anywhere changes, tells single builds apart and decides nothing.
    """
    parameters = {k: v for k, v in record["parameters"].items() if k != "seed"}
    data = {k: v.get("sha256") for k, v in record.get("data", {}).items()}
    code = [minor(record["code"].get("version", "")), record.get("trained_with")]
    parts = [record["chapter"], record["preset"], parameters, data, code]
    return json.dumps(parts, sort_keys=True)


def minor(version: str) -> str:
    """0.1 of 0.1.3."""
    return ".".join(version.split(".")[:2])


def pooled(record: dict[str, Any], others: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of `others` that may be pooled with `record`, one per seed, newest wins; it is last."""
    key, by_seed = pool_key(record), {}
    for other in others:
        if other["status"] == "finished" and pool_key(other) == key:
            by_seed[other["seed"]] = other
    by_seed.pop(record["seed"], None)
    return [*(by_seed[seed] for seed in sorted(by_seed)), record]


def verdicts(pool: list[dict[str, Any]]) -> dict[str, Verdict]:
    """The verdict on each claim of the last record of a pool (they differ in the seed alone).

    A value counts only where it was measured under the very same rule.
    """
    found = {}
    newest = pool[-1]["claims"] if pool else {}
    for key, stored in newest.items():
        claim = Claim.from_dict(stored["claim"])
        rows = [row for r in pool if (row := r["claims"].get(key, {})).get("value") is not None
                and _decides(row["claim"]) == _decides(stored["claim"])]
        rows = rows if pool[-1]["preset"] in claim.presets else []
        found[key] = decide(claim, [r["value"] for r in rows],
                            [_number(r.get("precondition")) for r in rows])
    return found


def _decides(claim: dict[str, Any]) -> tuple[Any, ...]:
    """What must not change between the runs that a verdict pools; wording and presets may."""
    return claim["measures"], claim["rule"], claim.get("precondition")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def expected_minutes(chapter: str, preset: str, device: str) -> str:
    """What shipped records say a run takes on this kind of device, else "not measured"."""
    times = [took(r) for r in shipped()
             if (r["chapter"], r["preset"], r["device"]["kind"]) == (chapter, preset, device)]
    if not times:
        return "time not measured yet"
    seconds = sorted(times)[len(times) // 2]
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} minutes"


def took(record: Mapping[str, Any]) -> float:
    """Seconds of a run where nothing else runs: on a CPU those it used, where they are fewer."""
    seconds = record["seconds"]
    alone = record["device"]["kind"] == "cpu" and "cpu" in seconds
    return min(seconds["wall"], seconds["cpu"]) if alone else seconds["wall"]


def like(chapter: str, preset: str, device: str) -> dict[str, Any] | None:
    """The newest finished record of this chapter, preset and kind of device, own or shipped."""
    found = [*shipped(), *(r for _, r in of_runs(paths.runs()) if r)]
    wanted = (chapter, preset, device, "finished")
    same = [r for r in found if (r["chapter"], r["preset"], r["device"].get("kind"), r["status"])
            == wanted]
    return max(same, key=lambda r: r["started"], default=None)


def reference(chapter: str) -> dict[str, Any] | None:
    """The shipped record that a learner's run is compared with: the longest training, newest."""
    order = {"full": 2, "lesson": 1}
    found = [r for r in shipped() if r["chapter"] == chapter and r["preset"] in order]
    return max(found, default=None, key=lambda r: (
        order[r["preset"]], r["parameters"].get("epochs", 0), r["started"]))
