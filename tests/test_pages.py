"""Pages that list what the code has: the public names, the variables of the environment."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from sslbook.nbtools.rules.code import GUIDES, ROOMS

ROOT = Path(__file__).resolve().parents[1]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ENVIRONMENT = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"SSLBOOK_[A-Z_]*[A-Z]")


def listed(room: str) -> list[str]:
    """The names that docs/api.md has under the heading of a room."""
    _, _, rest = API.partition(f"\n## {room}\n")
    return re.findall(r"^\| `(\w+)` \|", rest.partition("\n## ")[0], re.M)


@pytest.mark.parametrize("room", [
    "sslbook", *(f"sslbook.{one}" for one in (*ROOMS, *GUIDES) if one != "methods")])
def test_the_page_of_public_names_is_what_the_rooms_say(room):
    assert sorted(listed(room)) == sorted(import_module(room).__all__)
    assert all(len(line) > 20 for line in API.splitlines() if line.startswith("| `"))


def test_every_variable_of_the_environment_has_its_line():
    found = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                           capture_output=True)
    if found.returncode:
        pytest.skip("not a git repository")
    used: set[str] = set()
    for name in found.stdout.decode().split("\0"):
        if name.endswith((".py", ".ipynb", ".yml", "Makefile", ".ci/run")) and "docs/" not in name:
            path = ROOT / name
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            used |= set(VARIABLE.findall(text))
    assert set(re.findall(r"^\| `(SSLBOOK_\w+)` \|", ENVIRONMENT, re.M)) == used
