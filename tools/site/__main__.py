"""`python -m tools.site`: write the sources, vendor MathJax, call Sphinx, warnings as errors."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sslbook import __version__
from sslbook.book import toc
from tools.site import pages, vendor

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Build the site and return the exit code: Sphinx's, or 1 where something is missing."""
    what = "Build the web edition."
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=what)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", metavar="FOLDER")
    out = parser.parse_args(arguments).out.resolve()
    begin = time.monotonic()
    source, html = out / "source", out / "html"
    for folder in (source, html):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tools" / "site" / "static", source / "_static")
    shutil.copyfile(ROOT / "tools" / "site" / "conf.py", source / "conf.py")
    shutil.copyfile(ROOT / "docs" / "front.png", source / "_static" / "front.png")
    try:
        vendor.mathjax(source / "_static" / "mathjax")
    except vendor.Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    pages.write(toc.chapters(ROOT / "notebooks"), source)
    line = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
            "-d", str(out / "doctrees"), str(source), str(html)]
    code = subprocess.call(line, env={**os.environ, "SSLBOOK_SITE_VERSION": __version__})
    if code == 0:
        size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
        count = sum(1 for _ in html.rglob("*.html"))
        print(f"{count} pages, {size / 1e6:.1f} MB, no warnings, "
              f"{time.monotonic() - begin:.0f} s: {os.path.relpath(html)}/index.html")
    return code


if __name__ == "__main__":
    sys.exit(main())
