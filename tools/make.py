"""Set the book up and run one target: `python tools/make.py run`.

Makes `.venv` beside the checkout's pyproject.toml, installs the book into it (once, and again
when pyproject.toml changes) and runs the target there. Needs only Python and a package index.
Arguments after the target go to its command: `python tools/make.py run -p EPOCHS=3`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)
CHECKS = ("{python}", "-m", "tools.checks")
TARGETS = {
    "run": ("{sslbook}", "run", "barlow_twins", "--preset", "smoke"),
    "test": CHECKS,
    "test-all": (*CHECKS, "--all"),
    "lint": (*CHECKS, "--only", "lint"),
    "check-exemplar": (*CHECKS, "--only", "check", "--chapters", "barlow_twins"),
    "site": ("{python}", "-m", "tools.site"),
    "lab": (
        "{python}", "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.root_dir={root}", "--LabApp.default_url=/lab/tree/notebooks",
    ),
}  # fmt: skip
# What pip says, and what then helps. The first that fits is shown.
HINTS = (
    ("No space left", "The disk is full: the installation needs about 7 GB. Free some and repeat."),
    ("name resolution", "No connection to the package index. Connect to the network and repeat."),
    ("getaddrinfo", "No connection to the package index. Connect to the network and repeat."),
    ("NewConnectionError", "No connection to the package index. Connect, or set PIP_INDEX_URL."),
    ("ConnectTimeout", "The package index does not answer. Repeat later, or set PIP_INDEX_URL."),
    ("SSLError", "The package index's certificate is not trusted. Set PIP_CERT to your own."),
    ("No matching distribution", "No package fits this Python and system. Try Python 3.11-3.13."),
)


class Stop(Exception):
    """An expected failure: what happened, and what to type."""


def main(arguments: list[str] | None = None) -> int:
    """Set up, run the target and return its exit code (1 where the set-up fails)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    options, rest = parser.parse_known_args(arguments)
    try:
        check_python(sys.version_info[:2], options.target)
        install()
    except Stop as stop:
        print(stop, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Repeat the command: the installation starts afresh.", flush=True)
        return 130
    return run(command(options.target) + rest)


def check_python(version: tuple[int, int], target: str) -> None:
    """Stop where this Python is too old, naming newer ones that are on the PATH."""
    if version >= OLDEST:
        return
    newer = [f"python3.{minor}" for minor in (13, 12, 11) if shutil.which(f"python3.{minor}")]
    todo = "Install Python 3.11, 3.12 or 3.13."
    if newer:
        todo = f"Type: {newer[0]} tools/make.py {target}  (or: make {target} PYTHON={newer[0]})"
    raise Stop(
        f"The book needs Python 3.11 or newer; this is {version[0]}.{version[1]}.\n"
        f"Nothing was installed. {todo}"
    )


def inside(name: str) -> Path:
    """The path of a program in the environment."""
    if os.name == "nt":
        return VENV / "Scripts" / f"{name}.exe"
    return VENV / "bin" / name


def command(target: str) -> list[str]:
    """The target's command line."""
    names = {"python": inside("python"), "sslbook": inside("sslbook"), "root": ROOT}
    return [part.format(**names) for part in TARGETS[target]]


def extras() -> str:
    """The extras that are installed: dev, and what SSLBOOK_EXTRAS names (CI: teach)."""
    return ",".join(["dev", *filter(None, [os.environ.get("SSLBOOK_EXTRAS", "")])])


def fingerprint() -> str:
    """Changes when what is installed has to change: pyproject.toml, extras, Python, the place."""
    here = f"{extras()} {sys.version} {ROOT}"
    parts = (ROOT / "pyproject.toml").read_bytes(), here.encode()
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def install() -> None:
    """Make the environment ready; costs milliseconds where it is.

    `installed` holds the fingerprint of the last finished installation; `installing` is there
    while one runs. Where that one was broken off, the next starts from an empty environment:
    a half-written package can look complete to pip.
    """
    stamp, marker = VENV / "installed", VENV / "installing"
    ready = stamp.is_file() and not marker.exists() and inside("python").exists()
    if ready and stamp.read_text(encoding="utf-8") == fingerprint():
        return
    begin = time.monotonic()
    if marker.exists() or not works():
        create_environment()
    marker.touch()
    stamp.unlink(missing_ok=True)
    pip_install()
    stamp.write_text(fingerprint(), encoding="utf-8")
    marker.unlink()
    print(f"Installed into {VENV.name} in {time.monotonic() - begin:.0f} s.", flush=True)


def works() -> bool:
    """True where the environment has a Python that is new enough, and pip."""
    test = f"import sys, pip; sys.exit(sys.version_info < {OLDEST})"
    try:
        done = subprocess.run([inside("python"), "-c", test], capture_output=True, env=clean())
    except OSError:
        return False
    return done.returncode == 0


def create_environment() -> None:
    """Make an empty environment, in place of a broken one."""
    print(f"Making {VENV.name} with Python {sys.version.split()[0]}.", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean(),
    )  # fmt: skip
    if made.returncode:
        wanted = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        help_ = f"On Debian and Ubuntu: sudo apt install {wanted}"
        said = "\n".join(made.stdout.strip().splitlines()[-8:])
        raise Stop(f"{said}\n\nThe virtual environment could not be made.\n{help_}")


def pip_install() -> None:
    """Install the book with all that it needs, quietly; what pip says goes to a file.

    torch and torchvision are named in the same command as the book, so that pip takes a pair
    that was built together. A new pip that leaves compiling to the first import takes less than
    half the time of the one that comes with Python 3.11.
    """
    print("Installing: some GB and a few minutes the first time.", flush=True)
    log = VENV / "install.log"
    pip = [inside("python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
           "--quiet", "--no-compile"]  # fmt: skip
    with open(log, "w", encoding="utf-8") as out:
        book = ["torch", "torchvision", "--editable", f".[{extras()}]"]
        for what in (["--upgrade", "pip"], book):
            process = subprocess.Popen(pip + what, cwd=ROOT, stdout=out, stderr=out, env=clean())
            if wait(process):
                raise Stop(why_pip_failed(log.read_text(encoding="utf-8", errors="replace")))
    test = "import torch, torchvision, sslbook"
    line = [inside("python"), "-c", test]
    done = subprocess.run(line, cwd=ROOT, env=clean(), capture_output=True, text=True)
    if done.returncode:
        raise Stop(f"{done.stderr.strip()}\n\nInstalled, but it does not start. {report()}")


def wait(process: subprocess.Popen) -> int:
    """Wait for a process, with a sign of life every minute; end it when interrupted."""
    begin = time.monotonic()
    try:
        while True:
            try:
                return process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                print(f"  still installing after {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def why_pip_failed(said: str) -> str:
    """pip's last lines without its noise, and what helps."""
    lines = [line for line in said.splitlines() if line.strip() and "is ignored" not in line]
    hint = next((hint for sign, hint in HINTS if sign in said), report())
    last = "\n".join(lines[-8:])
    return f"{last}\n\nThe installation failed; the whole log: .venv/install.log\n{hint}"


def report() -> str:
    """What to do about a failure that has no known cause."""
    return "Repeat the command; if it fails again, please open an issue with these lines."


def clean() -> dict[str, str]:
    """The environment variables without those that would reach into another Python."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    env.update(PIP_USER="0", PYTHONUTF8="1", PYTHONNOUSERSITE="1", VIRTUAL_ENV=str(VENV))
    env["PATH"] = str(inside("python").parent) + os.pathsep + env.get("PATH", "")
    return env


def run(line: list[str]) -> int:
    """Run a command to its end and return its exit code.

    Ctrl-C reaches the command by itself, which may need a moment to save; a termination is
    passed on.
    """
    process = subprocess.Popen(line, cwd=ROOT, env=clean())
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue
    signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends pip too, as Ctrl-C does
    sys.exit(main())
