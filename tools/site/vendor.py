"""What comes from npm: MathJax for formulas, axe-core for the accessibility check of the tests.

`npm ci` compares every file with the hash in package-lock.json. The files are kept below
`build/npm`, so that a second build asks no registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE.parents[1] / "build" / "npm"
# The parts of MathJax that a page loads: the renderer, its fonts, and rarer TeX commands.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")


class Missing(Exception):
    """npm is not there or could not get the packages."""


def packages() -> Path:
    """The folder `node_modules` with what package-lock.json names; fetched where it is not."""
    asked = [HERE / name for name in ("package.json", "package-lock.json", ".npmrc")]
    same = all((KEPT / path.name).is_file()
               and (KEPT / path.name).read_bytes() == path.read_bytes() for path in asked)
    if not (same and (KEPT / "done").is_file()):
        _fetch(asked)
    return KEPT / "node_modules"


def _fetch(asked: list[Path]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed. Install Node.js 20 or newer (nodejs.org).")
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "done").unlink(missing_ok=True)
    for path in asked:
        shutil.copyfile(path, KEPT / path.name)
    quiet = {**os.environ, "npm_config_update_notifier": "false"}
    done = subprocess.run([npm, "ci", "--loglevel=error"], cwd=KEPT, env=quiet,
                          capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"npm could not get the packages: {done.stderr.strip()[-500:]}")
    (KEPT / "done").touch()


def mathjax(target: Path) -> None:
    """Copy the parts of MathJax that pages load."""
    source = packages() / "mathjax" / "es5"
    for part in MATHJAX:
        copy = shutil.copytree if (source / part).is_dir() else shutil.copyfile
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy(source / part, target / part)
