"""Run the chapters as Colab would: `python -m tools.colab`.

Makes a virtual environment with Colab's versions of the libraries, builds the book's wheel and
executes the chapters there in preset check, each from its install cell on, with SSLBOOK_WHEEL
naming the wheel. Sliders are shown as to a reader. Prints a table; the exit code is 1 where a
chapter failed, or where installing the book changed a library that Colab had.

Needs hatchling and pyyaml, a package index and 8 GB of disk. `--folder PATH` keeps the
environment there for the next time; `--chapters a,b` runs these alone, `--shard 1/8` a part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tools import checks

# What Colab has (November 2026); the newest of what it does not pin for itself.
LIBRARIES = (
    "torch==2.11.*", "torchvision==0.26.*", "numpy==2.1.*", "pandas==2.2.2",
    "scikit-learn==1.6.*", "matplotlib==3.10.*", "timm==1.0.28", "typer==0.27.*",
    "ipywidgets==7.7.1", "IPython==7.34.0",
    "ipykernel==6.*", "notebook==6.5.*", "setuptools<81", "einops", "safetensors", "umap-learn",
    "tqdm", "pyyaml", "pillow", "requests", "nbclient",
)  # fmt: skip
ABSENT = ("sslbook", "papermill")  # what the install cell brings
# What runs in every kernel before the first cell: how the install cell knows Colab.
STARTUP = 'import sys, types\nsys.modules["google.colab"] = types.ModuleType("google.colab")\n'
# Runs after the install cell, since nbclient is no reader: sliders are built all the same.
LIVE = "from sslbook.lesson import widgets\nwidgets.is_live = lambda: True"


def main(arguments: list[str] | None = None) -> int:
    """Make the environment, run the chapters, print the table; 1 where something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the environment is kept")
    parser.add_argument("--chapters", default="", help="chapters, with commas between")
    parser.add_argument("--shard", default="1/1", help="I/N: every N-th chapter, from the I-th on")
    options = parser.parse_args(arguments)
    narrowed = ["--chapters", options.chapters, "--shard", options.shard]
    chosen = checks.chosen(checks.parse(narrowed))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        scratch = Path(name).resolve()
        programs = make_environment((options.folder or scratch / "env").resolve())
        wheel = checks.build_wheel(scratch) if programs else None
        if wheel is None:
            return 1
        before = versions(programs)
        rows = [run(chapter, programs, wheel, scratch) for chapter in chosen]
        after = versions(programs)
    print(f"\n{'chapter':28}{'seconds':>8}  ok")
    for chapter, seconds, good in rows:
        print(f"{chapter:28}{seconds:8.1f}  {'yes' if good else 'NO'}")
    changed = [f"{name} {had} -> {after.get(name, 'removed')}" for name, had in before.items()
               if after.get(name) != had]  # fmt: skip
    print(f"added: {', '.join(sorted(after.keys() - before.keys()))}")
    print(f"changed: {', '.join(changed) or 'nothing'} of {len(before)} libraries", flush=True)
    return 0 if all(good for *_, good in rows) and not changed else 1


def make_environment(folder: Path) -> Path | None:
    """The folder of programs of Colab's environment, made where it is not ready; None: failed."""
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python, stamp = str(programs / "python"), folder / "colab.json"
    wanted = json.dumps([*LIBRARIES, sys.version])
    env = checks.environment()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return programs if without_book(programs) else None
    print(f"Installing Colab's libraries into {folder.name}: some GB, a few minutes.", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    if not checks.call([python, *checks.PIP, "install", "--no-compile", *LIBRARIES], env=env):
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return programs


def without_book(programs: Path) -> bool:
    """Remove what the install cell brings: every notebook on Colab begins without it."""
    line = [str(programs / "python"), *checks.PIP, "uninstall", "--yes", *ABSENT]
    done = subprocess.run(line, env=checks.environment(), stderr=subprocess.DEVNULL)
    return done.returncode == 0


def versions(programs: Path) -> dict[str, str]:
    """Name -> version of what is installed."""
    line = [str(programs / "python"), "-m", "pip", "list", "--format=json"]
    found = json.loads(subprocess.check_output(line, env=checks.environment()))
    return {one["name"]: one["version"] for one in found}


def run(chapter, programs: Path, wheel: Path, scratch: Path) -> tuple[str, float, bool]:
    """Execute one chapter in a folder of its own: its name, wall seconds, whether it ran."""
    print(f"=== {chapter.name}", flush=True)
    folder = scratch / chapter.name
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "colab.py").write_text(STARTUP, encoding="utf-8")
    (startup.parent / "ipython_kernel_config.py").write_text(checks.KERNEL_CONFIG, encoding="utf-8")
    notebook = folder / chapter.path.name
    notebook.write_text(json.dumps(with_sliders(chapter.path)), encoding="utf-8")
    env = checks.environment(
        SSLBOOK_WHEEL=str(wheel), SSLBOOK_PRESET="check", SSLBOOK_STRICT="1", SSLBOOK_OFFLINE="1",
        SSLBOOK_HOME=str(folder / "home"), IPYTHONDIR=str(folder / "ipython"),
        PYTHONNOUSERSITE="1",
    )  # fmt: skip
    clean, begin = without_book(programs), time.monotonic()
    line = [str(programs / "jupyter-execute"), "--timeout=240", str(notebook)]
    good = clean and checks.call(line, env=env, cwd=folder)
    return chapter.name, time.monotonic() - begin, good


def with_sliders(path: Path) -> dict:
    """The notebook's document, with a cell after the install cell that makes sliders live."""
    document = json.loads(path.read_text(encoding="utf-8"))
    cells = document["cells"]
    place = 1 + max(number for number, cell in enumerate(cells)
                    if "sec:install" in cell["metadata"].get("tags", []))  # fmt: skip
    cells.insert(place, {"cell_type": "code", "id": "live", "metadata": {}, "source": LIVE,
                         "outputs": [], "execution_count": None})  # fmt: skip
    return document


if __name__ == "__main__":
    sys.exit(main())
