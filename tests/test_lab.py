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

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "notebooks/decorrelate/barlow_twins.ipynb"
TOKEN = "only-for-this-test"
# No question about news, and every cell of a notebook on the page, not only those in sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}
DONE = """() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
  const shown = prompts.map(prompt => prompt.textContent).filter(text => text); // not folded away
  return shown.length > 20 && shown.every(text => /\\[\\d+\\]/.test(text));
}"""
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"  # on every card


@pytest.fixture
def lab(tmp_path):
    """The address of JupyterLab on loopback, over a copy of the notebooks."""
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
            yield address
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
    with opened() as browser:
        reader = Page(browser, lab)
        page = reader.page
        page.set_default_timeout(120_000)
        page.route(BADGE, lambda route: route.fulfill(content_type="image/svg+xml", body="<svg/>"))
        page.goto(f"{lab}/lab/tree/{CHAPTER}?token={TOKEN}")
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell")
        accept_kernel(page)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_timeout(1000)  # the stored counts give way to [*]
        page.wait_for_function(DONE, timeout=300_000)
        assert page.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
        box = page.locator(".jp-OutputArea:has(.widget-slider) >> nth=0")
        box.scroll_into_view_if_needed()
        handle = box.locator("[role=slider] >> nth=0")
        shown = box.locator("img >> nth=-1")
        before = shown.get_attribute("src")
        reader.keep("lab-before")
        handle.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([box, old]) => [...box.querySelectorAll('img')].at(-1)?.src.length > 0 && "
            "[...box.querySelectorAll('img')].at(-1).src !== old",
            arg=[box.element_handle(), before])
        reader.keep("lab-after")
        assert shown.get_attribute("src") != before
        assert set(reader.strangers) <= {BADGE}
        assert reader.errors == []


def accept_kernel(page) -> None:
    """JupyterLab asks for a kernel where it does not know the notebook's."""
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle], .jp-Dialog")
    if page.locator(".jp-Dialog").count():
        page.locator(".jp-Dialog .jp-mod-accept").click()
