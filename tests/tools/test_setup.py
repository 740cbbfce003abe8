"""The set-up: what is installed, the targets, the checks, licences and versions agree."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import sslbook

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")
TARGETS = {"run", "test", "test-all", "lab", "site", "lint", "check-exemplar"}
# What Colab has: no floor may be above it.
COLAB = {
    "torch": "2.11", "torchvision": "0.26", "numpy": "2.1", "pandas": "2.2.2",
    "scikit-learn": "1.6", "matplotlib": "3.10", "timm": "1.0.28", "typer": "0.27",
    "ipywidgets": "7.7.1",
}  # fmt: skip
# Imported names that differ from the package's, and libraries that a declared one is made of.
PROVIDED = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "IPython": "ipywidgets",
            "fastjsonschema": "papermill", "jinja2": "jupyterlab",
            "ipykernel": "jupyterlab", "jupyter_client": "jupyterlab", "nbformat": "papermill",
            "nbclient": "papermill", "nbconvert": "jupyterlab", "scipy": "scikit-learn",
            "pygments": "jupyterlab", "click": "typer", "traitlets": "ipywidgets"}  # fmt: skip


def script(name: str) -> ModuleType:
    """A tool as a fresh module, so that a test may change it."""
    sys.modules.pop(f"tools.{name}", None)
    return importlib.import_module(f"tools.{name}")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """tools/make.py on a folder of its own; `made` counts environments, `installs` pip's runs."""
    module = script("make")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    module.made, module.installs = [], []

    def create() -> None:
        module.made.append(1)
        python = module.inside("python")
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(module, "create_environment", create)
    monkeypatch.setattr(module, "works", lambda: module.inside("python").exists())
    monkeypatch.setattr(module, "pip_install", lambda: module.installs.append(1))
    return module


def requirements(*names: str) -> list[str]:
    """What the package and its extras ask for, each once (dev has what the tests of others use)."""
    extras = PROJECT["optional-dependencies"]
    parts = [extras[name] for name in names or ("graphs", "cluster", "site", "dev")]
    return list(dict.fromkeys(sum(parts, PROJECT["dependencies"])))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_environment_yml_equals_pyproject():
    listed = yaml.safe_load(CONDA)["dependencies"]
    (from_pypi,) = (entry["pip"] for entry in listed if isinstance(entry, dict))
    assert from_pypi == [*requirements(), "-e ."]
    (python,) = (e for e in listed if isinstance(e, str) and e.startswith("python>"))
    assert python.split(",")[0] == "python" + PROJECT["requires-python"]


def test_every_line_of_environment_yml_says_its_use():
    for line in CONDA.splitlines():
        assert re.search(r"#\s*\S", line), line


def test_every_requirement_is_a_floor_and_none_is_above_colab():
    floors = {}
    for requirement in requirements():
        found = re.fullmatch(r"([A-Za-z0-9_-]+)>=([0-9.]+)", requirement)
        assert found, f"{requirement} is not a plain floor"
        floors[found[1]] = found[2]
    for name, version in COLAB.items():
        assert numbers(floors[name]) <= numbers(version), name


def test_the_package_imports_only_what_it_declares():
    extras = requirements("graphs", "cluster", "teach")
    declared = {re.split(r"[>=]", name)[0] for name in extras}
    for path in (ROOT / "sslbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node) - set(sys.stdlib_module_names) - {"sslbook"}:
                assert PROVIDED.get(name, name) in declared, f"{path.name} imports {name}"


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return {node.module.split(".")[0]}
    return set()


def test_targets_are_one_python_command_each():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^([a-z-]+):\n((?:\t.*\n)+)", text, flags=re.MULTILINE))
    assert set(rules) == TARGETS == set(script("make").TARGETS)
    for name, recipe in rules.items():
        more = " $(ARGUMENTS)" * name.startswith("test")
        assert recipe == f"\t@$(PYTHON) tools/make.py {name}{more}\n"
    assert re.search(r"^PYTHON \?= python3$", text, flags=re.MULTILINE)


LAB = """
import sys
from jupyterlab.labapp import LabApp
from jupyter_server.serverapp import ServerApp
server = ServerApp()
server.parse_command_line(sys.argv[1:])
who = server.identity_provider_class(parent=server)
print(server.ip, server.allow_remote_access, server.disable_check_xsrf, len(who.token))
"""


def test_the_lab_listens_on_loopback_and_asks_for_a_token(make, tmp_path):
    """What Jupyter's own server makes of the command line, without the user's configuration."""
    python, module, program, *arguments = make.command("lab")
    assert (python, module, program) == (str(make.inside("python")), "-m", "jupyterlab")
    assert not [part for part in arguments if re.search("token|password|allow|0[.]0[.]0[.]0", part)]
    env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    env |= {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_NO_CONFIG": "1"}
    line = [sys.executable, "-c", LAB, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=120)
    assert done.stdout.split() == ["127.0.0.1", "False", "False", "48"], done.stderr


def test_the_scheduled_workflow_audits_what_is_installed():
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    flow = yaml.safe_load(text)
    steps = [step.get("run", "") for job in flow["jobs"].values() for step in job["steps"]]
    assert any("pip_audit" in step for step in steps)
    assert flow[True]["schedule"]  # YAML reads `on` as true


def test_the_scheduled_workflow_runs_the_chapters_as_colab_would():
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(text)["jobs"]["colab"]
    count = len(job["strategy"]["matrix"]["part"])
    line = f"python -m tools.colab --shard ${{{{ matrix.part }}}}/{count}"
    assert line in [step.get("run", "") for step in job["steps"]]


def test_the_scheduled_workflow_runs_every_test_once():
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
    parts = [part["tests"].split(",")
             for part in yaml.safe_load(text)["jobs"]["tests"]["strategy"]["matrix"]["include"]]
    (rest,) = (part for part in parts if part[0] == "tests")
    apart = sorted(name for part in parts if part is not rest for name in part)
    assert sorted(one.removeprefix("--ignore=") for one in rest[1:]) == apart
    assert all((ROOT / name).is_dir() for name in apart)


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """tools/colab.py without an environment: versions before and after, chapters that run."""
    checks = script("checks")
    module = script("colab")
    module.had = {"torch": "2.11.0", "numpy": "2.1.3"}
    module.has = [module.had, {**module.had, "sslbook": "0.1.0"}]
    module.bad = set()
    monkeypatch.setattr(module, "make_environment", lambda folder: folder)
    monkeypatch.setattr(module, "versions", lambda programs: module.has.pop(0))
    monkeypatch.setattr(module, "run", lambda one, *_: (one.name, 1.5, one.name not in module.bad))
    monkeypatch.setattr(checks, "build_wheel", lambda folder: folder / "sslbook.whl")
    return module


def test_colab_lists_every_chapter_and_what_was_added(colab, capsys):
    assert colab.main([]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows[2:-2]] == [one.name for one in colab.checks.book()]
    assert rows[-2:] == ["added: sslbook", "changed: nothing of 2 libraries"]


def test_colab_fails_where_a_chapter_or_a_library_did(colab, capsys):
    colab.bad = {"dcl"}
    assert colab.main(["--chapters", "simclr,dcl"]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[-1] for row in rows[2:4]] == ["yes", "NO"]
    colab.bad, colab.has = set(), [colab.had, {"torch": "2.12.0"}]
    assert colab.main(["--chapters", "dcl"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "changed: torch 2.11.0 -> 2.12.0, numpy 2.1.3 -> removed of 2 libraries"


def test_colab_has_what_the_floors_are_held_against():
    text = " ".join(script("colab").LIBRARIES)
    for name, version in COLAB.items():
        assert f"{name}=={version}" in text


def test_colab_builds_the_sliders_and_leaves_the_book_as_it_is(colab):
    (chapter,) = (one for one in colab.checks.book() if one.name == "simclr")
    before = chapter.path.read_bytes()
    cells = colab.with_sliders(chapter.path)["cells"]
    place = next(i for i, cell in enumerate(cells) if cell["id"] == "live")
    assert "sec:install" in cells[place - 1]["metadata"]["tags"]
    assert chapter.path.read_bytes() == before


def test_lint_runs_ruff_and_bandit_and_fails_with_either(monkeypatch):
    checks = script("checks")
    for bad in ("", "ruff", "bandit"):
        ran = []

        def call(line, *, env, ran=ran, bad=bad):
            ran.append(line[2])
            return line[2] != bad

        monkeypatch.setattr(checks, "call", call)
        assert checks.lint(None) == (bad == "")
        assert ran == ["ruff", "bandit"]


def test_bandit_finds_what_is_risky_and_is_told_why_not():
    line = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-"]
    code = "import pickle\npickle.loads(b'')\n"
    found = subprocess.run(line, cwd=ROOT, input=code, capture_output=True, text=True, timeout=120)
    assert (found.returncode, "B301" in found.stdout) == (1, True)
    for folder in ("sslbook", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for text in path.read_text(encoding="utf-8").splitlines():
                if "# nosec" in text:
                    assert re.search(r"# nosec B\d{3} # \w", text), f"{path.name}: {text}"


@pytest.mark.parametrize("name", ["make", "checks"])
def test_scripts_import_only_the_standard_library_at_the_top(name):
    tree = ast.parse((ROOT / "tools" / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body if name == "checks" else ast.walk(tree):
        assert imported(node) <= {*sys.stdlib_module_names, "tools"}


def test_versions_and_licences_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == sslbook.__version__
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "CC BY 4.0" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")


def test_the_second_time_nothing_is_installed(make):
    make.install()
    make.install()
    assert (make.made, make.installs) == ([1], [1])


def test_a_changed_pyproject_is_installed_into_the_same_environment(make):
    make.install()
    (make.ROOT / "pyproject.toml").write_text("[project]\nname = 'new'\n")
    make.install()
    assert (make.made, make.installs) == ([1], [1, 1])


def test_a_broken_off_installation_starts_afresh(make, monkeypatch):
    def broken() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(make, "pip_install", broken)
        assert make.main(["test"]) == 130
    make.install()
    assert (make.made, make.installs) == ([1, 1], [1])


def test_an_environment_without_a_working_python_is_made_again(make):
    make.install()
    make.inside("python").unlink()
    make.install()
    assert (make.made, make.installs) == ([1, 1], [1, 1])


def test_a_python_too_old_is_named_with_a_newer_one(make, monkeypatch, capsys):
    newer = {"python3.12": "/usr/bin/python3.12"}
    monkeypatch.setattr(make.shutil, "which", newer.get)
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 1))
    assert make.main(["lint"]) == 1
    said = capsys.readouterr().err
    assert "needs Python 3.11 or newer; this is 3.9" in said
    assert "python3.12 tools/make.py lint" in said
    assert make.made == []


def test_a_missing_venv_module_is_explained(monkeypatch, tmp_path, capsys):
    module = script("make")
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    said = "The virtual environment was not created: ensurepip is not available."
    failed = subprocess.CompletedProcess([], 1, stdout=said)
    monkeypatch.setattr(module.subprocess, "run", lambda *a, **k: failed)
    assert module.main(["test"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "sudo apt install python3." in error


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("WARNING: Location 'x' is ignored\nERROR: NewConnectionError: no route", "No connection"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch", "Try Python 3.11-3.13"),
        ("something else", "open an issue"),
    ],
)
def test_a_failing_pip_is_explained(said, hint):
    message = script("make").why_pip_failed(said)
    assert hint in message
    assert "is ignored" not in message
    assert said.splitlines()[-1] in message


def test_the_target_runs_to_its_end_and_its_exit_code_is_returned():
    make = script("make")
    assert make.run([sys.executable, "-c", "raise SystemExit(5)"]) == 5


def test_checks_go_on_after_a_failure_and_count_it(monkeypatch, capsys):
    checks = script("checks")

    def good(options) -> bool:
        """passes"""
        return True

    def bad(options) -> bool:
        """fails"""
        return False

    def broken(options) -> bool:
        """raises"""
        raise RuntimeError("a step's own mistake")

    monkeypatch.setattr(checks, "STEPS", {"bad": bad, "broken": broken, "good": good})
    assert checks.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 2 failed"
    assert checks.main(["--only", "good"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"


def test_shards_are_all_chapters_each_once():
    checks = script("checks")
    parts = [checks.chosen(checks.parse(["--shard", f"{part}/3"])) for part in (1, 2, 3)]
    assert sorted((one for part in parts for one in part), key=checks.book().index) == checks.book()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(SystemExit):
        checks.parse(["--shard", "4/3"])


@pytest.mark.slow  # it imports the book
@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
def test_a_warm_kernel_is_a_fork_that_hears_interrupts_and_dies_with_its_client(
    tmp_path, monkeypatch
):
    from jupyter_client import KernelManager
    from tiny_book import alive, wait_for

    env = {**os.environ, "PYTHONPATH": str(ROOT), "MARK": "server"}
    with script("warm").serving(tmp_path, env) as found:
        monkeypatch.setenv("JUPYTER_PATH", found["JUPYTER_PATH"])
        manager = KernelManager(kernel_name="warm")
        manager.start_kernel(cwd=str(tmp_path), env={**os.environ, "MARK": "mine"})
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=120)
        said = []

        def run(code: str) -> str:
            said.clear()
            reply = client.execute_interactive(
                code, timeout=60, output_hook=lambda m: said.append(m["content"].get("text", "")))
            return reply["content"].get("ename") or "".join(said).strip()

        assert run("import os; print(os.getcwd(), os.environ['MARK'])") == f"{tmp_path} mine"
        assert run("import sys; print('sslbook.run.run' in sys.modules)") == "True"
        pid = int(run("print(os.getpid())"))
        timer = threading.Timer(1.0, manager.interrupt_kernel)
        timer.start()
        assert run("import time; time.sleep(30)") == "KeyboardInterrupt"
        assert alive(pid)
        manager.provisioner.process.kill()
        wait_for(lambda: not alive(pid), "the end of the fork")
        client.stop_channels()
        manager.cleanup_resources()


def test_a_step_ends_with_all_its_processes(monkeypatch, tmp_path):
    checks = script("checks")
    monkeypatch.setattr(checks, "STEP_SECONDS", 1)
    late = tmp_path / "late"
    child = f"import time, pathlib; time.sleep(3); pathlib.Path({str(late)!r}).touch()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert not checks.call([sys.executable, "-c", parent], env=checks.environment())
    time.sleep(3)
    assert not late.exists()


def test_the_variables_of_whoever_runs_the_checks_do_not_reach_them(monkeypatch):
    checks = script("checks")
    monkeypatch.setenv("SSLBOOK_PRESET", "full")
    monkeypatch.setenv("SSLBOOK_DATA", "somewhere")
    env = checks.environment(SSLBOOK_STRICT="1")
    assert "SSLBOOK_PRESET" not in env
    assert (env["SSLBOOK_DATA"], env["SSLBOOK_STRICT"]) == ("somewhere", "1")
