"""What CI runs, step by step: `python -m tools.checks`, from the book's environment.

Every step runs even when one before it failed; each is printed with its seconds. The last line
counts the steps: "5 passed, 0 failed". `--all` runs every chapter in preset smoke and the slow
tests; `--only lint,unit` runs some steps; `--chapters a,b` and `--shard 1/8` narrow the steps that
run chapters, `--tests tests/headless,tests/cli` narrows the unit tests.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import traceback
import venv
from dataclasses import dataclass
from pathlib import Path

from tools import warm

ROOT = Path(__file__).resolve().parent.parent
EXEMPLAR = "barlow_twins"
PYTHON = sys.executable
PIP = ("-m", "pip", "--quiet")
STEP_SECONDS = 7200  # a step that takes longer hangs
# Two workers, one thread each; the cells of one notebook stay on one worker.
PYTEST = [PYTHON, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
NBVAL = ["--nbval-lax", "--nbval-cell-timeout=300", "--nbval-kernel-startup-timeout=180",
         "--dist", "loadscope"]  # fmt: skip
# Kernels that share a history file can wait for each other's disk when they start.
KERNEL_CONFIG = "c.HistoryManager.enabled = False\n"
# The presets and folders of whoever runs the checks must not decide their outcome.
PRIVATE = ("SSLBOOK_HOME", "SSLBOOK_PRESET", "SSLBOOK_STRICT", "MPLBACKEND", "PYTHONPATH",
           "SSLBOOK_TRY_SLIDERS")


@dataclass(frozen=True)
class Outcome:
    """How one step ended: wall and CPU seconds, the latter with all child processes."""

    name: str
    passed: bool
    wall: float
    cpu: float


def main(arguments: list[str] | None = None) -> int:
    """Run the steps and return the exit code: 0 where all passed, else 1."""
    options = parse(arguments)
    outcomes = [measured(name, options) for name in options.only]
    print(f"\n{'step':8}{'':8}{'wall s':>8}{'CPU s':>8}")
    for done in outcomes:
        word = "passed" if done.passed else "FAILED"
        print(f"{done.name:8}{word:8}{done.wall:8.1f}{done.cpu:8.1f}")
    failed = sum(not done.passed for done in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed", flush=True)
    return 1 if failed or not outcomes else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Options; `only` becomes the list of steps in their order, `chapters` a list of names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="all chapters in smoke, slow tests")
    parser.add_argument("--only", default=",".join(STEPS), help="steps, with commas between")
    parser.add_argument("--chapters", default="", help="chapters, with commas between")
    parser.add_argument("--shard", default="1/1", help="I/N: every N-th chapter, from the I-th on")
    parser.add_argument("--tests", default="tests", help="tests of step unit, with commas between")
    options = parser.parse_args(arguments)
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    options.only = [name for name in STEPS if name in wanted]
    options.chapters = [name for name in options.chapters.split(",") if name]
    part, of = map(int, options.shard.split("/"))
    if not 1 <= part <= of:
        parser.error(f"--shard takes I/N with I from 1 to N, not {options.shard}")
    options.shard = slice(part - 1, None, of)
    return options


def measured(name: str, options: argparse.Namespace) -> Outcome:
    """Run one step; an error in the step's own code is a failure of the step."""
    print(f"\n=== {name}: {STEPS[name].__doc__.splitlines()[0]}", flush=True)
    begin, cpu = time.monotonic(), cpu_seconds()
    try:
        passed = STEPS[name](options)
    except Exception:
        traceback.print_exc()
        passed = False
    done = Outcome(name, bool(passed), time.monotonic() - begin, cpu_seconds() - cpu)
    word = "passed" if done.passed else "FAILED"
    print(f"=== {name} {word}: {done.wall:.1f} s wall, {done.cpu:.1f} s CPU", flush=True)
    return done


def cpu_seconds() -> float:
    """CPU seconds so far of this process and of its children; 0 where the system cannot say."""
    try:
        import resource
    except ImportError:
        return 0.0
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def environment(**extra: str) -> dict[str, str]:
    """The variables for a step: without private ones, with one thread per process."""
    env = {k: v for k, v in os.environ.items() if k not in PRIVATE}
    return env | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"} | extra


def call(line: list[str], *, env: dict[str, str], cwd: Path = ROOT) -> bool:
    """Run a command, its output going where ours goes; True where it exits with 0.

    It gets its own group of processes, which is ended with it: a hanging kernel stays nowhere.
    """
    sys.stdout.flush()
    own = os.name != "nt"
    process = subprocess.Popen(
        line, cwd=cwd, env=env, stdin=subprocess.DEVNULL, start_new_session=own
    )
    try:
        return process.wait(timeout=STEP_SECONDS) == 0
    except subprocess.TimeoutExpired:
        print(f"stopped after {STEP_SECONDS} s", flush=True)
        process.send_signal(signal.SIGINT)  # on which pytest names what failed until then
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        return False
    finally:
        if process.poll() is None:
            if own:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()


def lint(options: argparse.Namespace) -> bool:
    """ruff over package, tests, tools and notebooks; bandit over all that is not a test"""
    ruff = [PYTHON, "-m", "ruff", "check", "--no-cache", "."]
    bandit = [PYTHON, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "sslbook",
              "tools"]  # fmt: skip
    return all([call(line, env=environment()) for line in (ruff, bandit)])


def unit(options: argparse.Namespace) -> bool:
    """the tests, the notebooks' contract among them; with --all the slow ones, and coverage"""
    which = [] if options.all else ["-m", "not slow and not smoke"]
    cover = ["--cov=sslbook", "--cov-report=term:skip-covered"] if options.all else []
    report = [*cover, "--durations=10"]
    with tempfile.TemporaryDirectory() as folder:
        moments = "10" if options.all else "2"  # at which the fault tests kill
        env = environment(COVERAGE_FILE=str(Path(folder) / "coverage"), SSLBOOK_MOMENTS=moments)
        return call([*PYTEST, *which, *report, "--durations-min=2", *options.tests.split(",")],
                    env=env)


def check(options: argparse.Namespace) -> bool:
    """every chapter, solved and strict, in preset check; what changed with every slider moved"""
    chapters = chosen(options)
    moved = chapters if options.all or options.chapters else changed(chapters)
    rest = [chapter for chapter in chapters if chapter not in moved]
    return all([execute("check", moved, sliders=True), execute("check", rest)])


def smoke(options: argparse.Namespace) -> bool:
    """what changed (with --all every chapter), solved and strict, in preset smoke"""
    chapters = chosen(options)
    every = options.all or options.chapters
    return execute("smoke", chapters if every else changed(chapters))


def changed(chapters: list) -> list:
    """Those of the chapters whose notebook, description, twin, test or data differ in git."""
    from sslbook.nbtools.git import changed_chapters

    names = {chapter.name for chapter in changed_chapters()}
    return [chapter for chapter in chapters if chapter.name in names]


def book() -> list:
    """All chapters in the order of the book."""
    from sslbook.book import toc

    return toc.chapters(ROOT / "notebooks")


def chosen(options: argparse.Namespace) -> list:
    """The chapters that --chapters names, else all; of these the --shard."""
    from sslbook.book import toc

    named = [toc.find(name, ROOT / "notebooks") for name in options.chapters]
    return (named or book())[options.shard]


def execute(preset: str, chapters: list, sliders: bool = False) -> bool:
    """Execute notebooks under pytest in a preset, offline, with a home of their own.

    sliders: move every slider to both its ends.
    """
    names = ", ".join(chapter.name for chapter in chapters)
    print(f"preset {preset}{', sliders moved' * sliders}: {names or 'no chapter'}", flush=True)
    if not chapters:
        return True
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder) / "ipython" / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG, encoding="utf-8")
        env = environment(
            SSLBOOK_PRESET=preset, SSLBOOK_STRICT="1", SSLBOOK_HEADLESS="1", SSLBOOK_OFFLINE="1",
            SSLBOOK_HOME=folder, IPYTHONDIR=str(profile.parent),
            SSLBOOK_TRY_SLIDERS=str(int(sliders)),
        )  # fmt: skip
        with warm.serving(Path(folder), env) as found:
            kernel = f"--nbval-kernel-name={warm.NAME}" if found else "--nbval-current-env"
            notebooks = [str(chapter.path) for chapter in chapters]
            return call([*PYTEST, *NBVAL, kernel, "--durations=10", *notebooks], env=env | found)


def wheel(options: argparse.Namespace) -> bool:
    """the built wheel, installed into an empty environment and used in an empty folder"""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        program = install_wheel(folder)
        return program is not None and use_wheel(program, folder)


def build_wheel(folder: Path) -> Path | None:
    """Build the book's wheel into a folder; None where that failed."""
    build = [PYTHON, *PIP, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w"]
    if not call([*build, str(folder), str(ROOT)], env=without_configuration()):
        return None
    (built,) = folder.glob("*.whl")
    print(f"{built.name}: {built.stat().st_size / 1e6:.2f} MB", flush=True)
    return built


def without_configuration() -> dict[str, str]:
    """The variables for a pip that asks no index."""
    return environment(PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1")


def install_wheel(folder: Path) -> Path | None:
    """Build the wheel, install it, and return the folder of the new environment's programs.

    The libraries come from this environment through a .pth line, which spares some GB. Its own
    .pth files are not read that way, so the editable book stays out of reach.
    """
    built = build_wheel(folder)
    if built is None:
        return None
    venv.create(folder / "env", symlinks=os.name != "nt")
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = str(programs / "python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    (inside / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = ["--python", python, "install", "--no-deps", "--no-index", str(built)]
    return programs if call([PYTHON, *PIP, *install], env=without_configuration()) else None


def use_wheel(programs: Path, folder: Path) -> bool:
    """See that the wheel's package is found, and that it lists, reports and runs a chapter."""
    from sslbook import __version__

    empty = folder / "empty"
    empty.mkdir()
    home = str(folder / "home")
    env = environment(SSLBOOK_OFFLINE="1", SSLBOOK_PRESET="check", SSLBOOK_HEADLESS="1")
    env |= {"XDG_DATA_HOME": home, "LOCALAPPDATA": home, "COLUMNS": "120", "NO_COLOR": "1"}
    # nbconvert's templates lie beside the libraries, not inside of them.
    env |= {"JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter")}
    if sys.platform == "darwin":  # there no variable moves the user's data folder
        env["SSLBOOK_HOME"] = home
    python, sslbook = str(programs / "python"), str(programs / "sslbook")
    names = [chapter.name for chapter in book()]
    recorded = [name for name in names if (ROOT / "data/records" / name).is_dir()]
    uses = [
        ([python, "-c", "import sslbook; print(sslbook.__file__)"], [str(folder)]),
        ([sslbook, "list"], names),
        ([sslbook, "report"], recorded),
        ([sslbook, "report", "--html", str(folder / "report.html")], ["Written: report.html"]),
        ([sslbook, "doctor"], [__version__, "torch"]),
        ([sslbook, "run", EXEMPLAR, "--preset", "check", "-p", "DATASET=digits"], []),
    ]
    good = [says(line, expected, env, empty) for line, expected in uses]
    if left := sorted(path.name for path in empty.iterdir()):
        print(f"left in the working folder: {', '.join(left)}")
    return all(good) and not left


def says(line: list[str], expected: list[str], env: dict[str, str], cwd: Path) -> bool:
    """True where the command exits with 0 and prints everything expected; prints what failed."""
    done = subprocess.run(
        line, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", timeout=600,
    )  # fmt: skip
    missing = [text for text in expected if text not in done.stdout]
    good = done.returncode == 0 and not missing
    shown = " ".join([Path(line[0]).name, *line[1:]])
    print(f"{'ok    ' if good else 'FAILED'} {shown}", flush=True)
    if not good:
        print(done.stdout, f"exit code {done.returncode}; not printed: {missing}", flush=True)
    return good


STEPS = {"lint": lint, "unit": unit, "check": check, "smoke": smoke, "wheel": wheel}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a step's processes end too
    sys.exit(main())
