"""JupyterLab in a real browser: a chapter runs in preset check, and its sliders move figures."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import Page, opened, program

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "notebooks/decorrelate/barlow_twins.ipynb"
TOKEN = "only-for-this-test"
# No question about news, and every cell of a notebook on the page, not only those in sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"  # on every card


@pytest.fixture
def lab(tmp_path):
    """(address of JupyterLab on loopback, the folder it shows: a copy of the notebooks)."""
    program()
    shutil.copytree(ROOT / "notebooks", tmp_path / "book" / "notebooks")
    for name, value in SETTINGS.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if k not in ("SSLBOOK_HEADLESS", "MPLBACKEND")}
    env |= {"SSLBOOK_HOME": str(tmp_path / "home"), "SSLBOOK_PRESET": "check",
            "SSLBOOK_OFFLINE": "1", "OMP_NUM_THREADS": "1",
            "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "IPYTHONDIR": str(tmp_path / "ipython")}
    line = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--allow-root",
            f"--ServerApp.root_dir={tmp_path / 'book'}", "--ServerApp.port_retries=0"]
    with open(tmp_path / "lab.log", "w", encoding="utf-8") as log:
        server = subprocess.Popen(line, env=env, stdout=log, stderr=log, cwd=tmp_path)
        try:
            address = f"http://127.0.0.1:{port}"
            wait(f"{address}/api?token={TOKEN}", server)
            yield address, tmp_path / "book"
        finally:
            server.terminate()  # ends its kernels, too
            server.wait(timeout=30)


def wait(address: str, server: subprocess.Popen) -> None:
    """Until the server answers."""
    for _ in range(240):
        assert server.poll() is None, "JupyterLab ended"
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail("JupyterLab does not answer")


@pytest.mark.slow
def test_a_chapter_runs_in_jupyterlab_and_a_slider_moves_its_figure(lab):
    address, book = lab
    with opened() as browser:
        reader = Page(browser, address)
        page = reader.page
        page.set_default_timeout(120_000)
        page.route(BADGE, lambda route: route.fulfill(content_type="image/svg+xml", body="<svg/>"))
        page.goto(f"{address}/lab/tree/{CHAPTER}?token={TOKEN}")
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
        accept_kernel(page)
        run_all(page)
        page.keyboard.press("Control+s")
        saved = book / CHAPTER
        until(lambda: all(c["execution_count"] for c in code_cells(saved)), "a saved notebook", 60)
        bad = [out for c in code_cells(saved) for out in c["outputs"]
               if out["output_type"] == "error" or out.get("name") == "stderr"]
        assert bad == []
        # The cell's code is collapsed, its figure and sliders are not.
        box = page.locator(".jp-OutputArea", has=page.locator("[role=slider]")).first
        box.scroll_into_view_if_needed()
        handle = box.locator("[role=slider]").first
        shown = box.locator("img").last
        before = shown.get_attribute("src")
        reader.keep("lab-before")
        handle.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        until(lambda: shown.get_attribute("src") != before, "another figure", 60)
        reader.keep("lab-after")
        assert set(reader.strangers) <= {BADGE}
        assert reader.errors == []


def accept_kernel(page) -> None:
    """Until the kernel is there; JupyterLab asks where it does not know the notebook's."""
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle], .jp-Dialog")
    if page.locator(".jp-Dialog").count():
        page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def run_all(page) -> None:
    """Run all cells and wait for the last; a kernel that is still connecting loses the request."""
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    for _ in range(10):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_timeout(3000)
        if "*" in last.inner_text():
            until(lambda: "*" not in last.inner_text(), "the end of the chapter", 400)
            return
    pytest.fail("no cell was run")


def code_cells(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def until(found, what: str, seconds: float) -> None:
    """Until `found()`; fails, naming what did not come, after these seconds."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.5)
