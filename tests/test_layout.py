"""The house: small modules, arrows that point down, a light import, no trace of a machine."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sslbook.book import syntax

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sslbook"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = {path: path.read_text(encoding="utf-8") for path in MODULES}
TREES = {path: ast.parse(text) for path, text in SOURCES.items()}
# From the ground up: a room imports from lower floors, and from itself.
FLOORS = (
    {"errors"},
    {"core"},
    {"datasets", "views", "masks", "nets", "book"},
    {"methods", "judging"},
    {"training", "records"},
    {"lesson"},
    {"run"},
    {"nbtools", "headless"},
    {"course"},
    {"cli"},
)
LEVEL = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LIGHT = ("errors", "core.files", "core.paths", "core.streams", "cli")  # importable without torch
HEAVY = ("torch", "torchvision", "numpy", "matplotlib", "sklearn", "timm", "papermill", "nbformat")
# What draws from Python's own global generator.
PYTHONS_OWN = {f"random.{name}" for name in random.__all__} - {"random.Random"}
# Longest module and longest method, in lines.
LINES, METHOD_LINES = 250, 150
PLACE = re.compile(r"(?<![\w.~>/-])/(?:home|Users|root|work)/\w|(?<!\w)[A-Z]:\\+Users\\+\w")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    """The room that a module belongs to: a folder of the package, or a module beside it."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports from, imports inside functions included."""
    found = set()
    for _, full, _ in syntax.imports(TREES[path]):
        first, *rest = full.split(".")
        if first == "sslbook" and rest and rest != ["__version__"]:
            found.add(rest[0])
    return found - {room(path)}


def python(code: str, *options: str) -> str:
    """What a fresh interpreter prints that runs `code` in the repository."""
    line = [sys.executable, *options, "-c", code]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_modules_are_small():
    lengths = {named(path): len(text.splitlines()) for path, text in SOURCES.items()}
    assert {name: count for name, count in lengths.items() if count >= LINES} == {}
    methods = {name: count for name, count in lengths.items() if "/methods/" in name}
    assert {name: count for name, count in methods.items() if count > METHOD_LINES} == {}


def test_every_room_has_a_floor():
    assert {room(path) for path in MODULES} - {"__init__", "__main__"} <= set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_down(path):
    here = LEVEL.get(room(path), len(FLOORS))
    up = {one for one in imported_rooms(path) if LEVEL.get(one, len(FLOORS)) >= here}
    assert up == set(), f"{named(path)} imports from its own floor or from above"
    relative = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in relative), "imports are written in full"


def test_the_arrow_test_sees_lazy_imports(tmp_path, monkeypatch):
    path = PACKAGE / "errors.py"
    text = "def late():\n    from sslbook.views import colour\n    from sslbook import cli\n"
    monkeypatch.setitem(TREES, path, ast.parse(text))
    assert imported_rooms(path) == {"views", "cli"}


def test_importing_the_book_is_light():
    heavy = f"[name for name in {HEAVY} if name in sys.modules]"
    code = f"import sys, sslbook.{', sslbook.'.join(LIGHT)}; print({heavy})"
    assert python(code) == "[]"


def test_importing_the_book_takes_less_than_a_second():
    code = "import time; t = time.process_time(); import sslbook; print(time.process_time() - t)"
    assert min(float(python(code)) for _ in range(3)) < 1.0


def test_importing_asks_no_network():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    code = (
        "import socket\n"
        "def refuse(*arguments, **options): raise SystemExit('an import asked the network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        f"from importlib import import_module\nfor name in {names}: import_module(name)\n"
        "print('imported')"
    )
    assert python(code) == "imported"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_module_draws_from_a_global_generator(path):
    if path.name == "streams.py":  # the one place that seeds them, and puts them back
        return
    known = syntax.aliases(TREES[path])
    assert list(syntax.unseeded(TREES[path], known)) == []  # NumPy's old functions: ruff, NPY002
    seen = [node for node in ast.walk(TREES[path]) if isinstance(node, (ast.Attribute, ast.Name))]
    assert {syntax.full_name(node, known) for node in seen} & PYTHONS_OWN == set()


def test_no_file_has_a_place_of_one_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    for name in filter(None, listed.stdout.decode("utf-8", "surrogateescape").split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content[:8000]:
            found = PLACE.search(content.decode("utf-8", "replace"))
            assert found is None, f"{name}: {found.group()}"


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (f"saved in /{'home'}/ann", True),
        (f"'/{'Users'}/ann'", True),
        (f"C:\\{'Users'}\\ann", True),
        ("https://example.org/home/a", False),
        ("notebooks/home/a", False),
        ("~/home/a", False),
    ],
)
def test_what_counts_as_a_place(text, bad):
    assert bool(PLACE.search(text)) == bad


def test_reading_notebooks_compiles_no_grammar():
    """3 seconds of every `sslbook run`, where jsonschema has all its formats."""
    code = ("import sys; from sslbook.book import parameters; import nbformat; "
            "nbformat.validate(nbformat.v4.new_notebook()); "
            "print(sys.modules.get('rfc3987_syntax'), 'lark' in sys.modules)")
    assert python(code) == "None False"
