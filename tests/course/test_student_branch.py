"""The workflow `student`: what it installs is enough, and what it pushes is the edition alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sslbook.book import toc

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github" / "workflows" / "student.yml"
WORKFLOW = yaml.safe_load(FILE.read_text(encoding="utf-8"))
RUNS = [step["run"] for step in WORKFLOW["jobs"]["publish"]["steps"] if "run" in step]


def test_the_edition_is_built_with_what_is_installed(tmp_path):
    """All other libraries are refused, so an import of one would end the command."""
    install, build, _ = RUNS
    allowed = {"yaml" if name == "pyyaml" else name
               for name in install.partition("#")[0].split()[4:]}
    refused = {"torch", "numpy", "nbformat", "matplotlib", "papermill", "IPython"} - allowed
    line = f"import sys; sys.modules.update(dict.fromkeys({sorted(refused)}));"
    arguments = build.split()[3:]
    assert arguments == ["course", "build", "build"]
    arguments[-1] = str(tmp_path)
    code = f"{line} from sslbook.cli import app; app({arguments})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    for chapter in toc.chapters():
        assert (tmp_path / "student" / chapter.part / f"{chapter.name}.ipynb").is_file()


@pytest.mark.skipif(os.name == "nt", reason="the workflow runs on Linux")
def test_the_branch_holds_the_edition_in_one_commit(tmp_path):
    work, origin = tmp_path / "work", tmp_path / "origin.git"
    env = {**os.environ, **WORKFLOW["env"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str, at: Path = work) -> str:
        return subprocess.run(["git", *arguments], cwd=at, env=env, check=True, text=True,
                              capture_output=True, timeout=60).stdout

    git("init", "--quiet", "--bare", str(origin), at=tmp_path)
    git("init", "--quiet", "--initial-branch", "main", str(work), at=tmp_path)
    for name in ("LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, work)
    (work / ".gitignore").write_text("build/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "the book")
    git("remote", "add", "origin", str(origin))
    for text in ("one", "two"):  # what was there is replaced, not added to
        shutil.rmtree(work / "build", ignore_errors=True)
        chapter = work / "build" / "student" / "start" / f"{text}.ipynb"
        chapter.parent.mkdir(parents=True)
        chapter.write_text(text)
        subprocess.run(["bash", "-e", "-c", RUNS[-1]], cwd=work, env=env, check=True, timeout=60,
                       capture_output=True)
        git("reset", "--quiet")  # each run of the workflow has a checkout of its own
    names = git("ls-tree", "-r", "--name-only", "student", at=origin).split()
    assert names == ["LICENSE", "LICENSE-text", "README.md", "notebooks/start/two.ipynb"]
    assert git("rev-list", "--count", "student", at=origin).strip() == "1"
    assert git("branch", "--list", "main", at=origin) == ""


def test_the_badge_names_the_branch_that_is_pushed():
    pushed = re.search(r"refs/heads/(\w+)", RUNS[-1])[1]
    for chapter in toc.chapters():
        assert f"/blob/{pushed}/{chapter.inside}" in chapter.blank
