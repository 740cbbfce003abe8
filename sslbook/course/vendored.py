"""reveal.js and MathJax for slides: from npm once, or from a folder; compared with their hashes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sslbook.core import files, paths
from sslbook.errors import UserError

PACKAGES = ("reveal.js@5.2.1", "mathjax@3.2.2")  # MIT and Apache-2.0
# The few files that a deck takes in, with the sha256 that these versions have.
FILES = {
    "reveal.js/dist/reveal.css":
        "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2",
    "reveal.js/dist/reveal.js":
        "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29",
    "mathjax/es5/tex-svg.js":
        "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882",
}
_INSTALL = f"npm install --prefix FOLDER {' '.join(PACKAGES)}; then --vendor FOLDER"


def texts(folder: str = "") -> dict[str, str]:
    """The files' texts by name. folder: holds the packages, as node_modules does.

    Without a folder they are taken from the cache in the data folder, which npm fills the first
    time. Raises UserError where a file is missing or not the one of these versions.
    """
    root = paths.expanded(folder) if folder else paths.data() / "npm"
    if not folder and not all((root / "node_modules" / name).is_file() for name in FILES):
        _npm(root)
    root = root / "node_modules" if (root / "node_modules").is_dir() else root
    for name, digest in FILES.items():
        if not (root / name).is_file() or files.sha256(root / name) != digest:
            raise UserError(f"{root / name} is not the file of {' or '.join(PACKAGES)}.",
                            "No slides were written.", _INSTALL)
    return {name: (root / name).read_text(encoding="utf-8") for name in FILES}


def _npm(folder: Path) -> None:
    """Let npm put the packages into the folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("Slides need reveal.js and MathJax, and npm is not here to get them.",
                        "No slides were written.",
                        f"Install Node.js; or, where npm is: {_INSTALL}")
    folder.mkdir(parents=True, exist_ok=True)
    line = [npm, "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund",
            "--loglevel=error", "--prefix", str(folder), *PACKAGES]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"npm could not get {' and '.join(PACKAGES)}: {last}",
                        "No slides were written.", f"Elsewhere: {_INSTALL}")
