"""JupyterLab itself: started for real, a prepared notebook run in a browser, a widget moved; nothing is left behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from helpers import paths
from helpers.runs import planning, scratch

pytestmark = pytest.mark.hard
START_SECONDS = 40


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Lab:
    """A server of its own: its own folders, a token, no browser; all of its processes end with it."""

    def __init__(self, folder: Path, root: Path, notebooks: Path, first: Path) -> None:
        self.port, self.token = free_port(), secrets.token_hex(16)
        own = {name: folder / name for name in ("config", "data", "runtime", "workspaces", "settings", "home")}
        for path in own.values():
            path.mkdir(parents=True)
        env = {
            **os.environ, "HOME": str(own["home"]), "JUPYTER_CONFIG_DIR": str(own["config"]),
            "JUPYTER_DATA_DIR": str(own["data"]), "JUPYTER_RUNTIME_DIR": str(own["runtime"]),
            "JUPYTERLAB_WORKSPACES_DIR": str(own["workspaces"]), "JUPYTERLAB_SETTINGS_DIR": str(own["settings"]),
            "IPYTHONDIR": str(own["home"] / "ipython"), paths.BUILT_ROOT_VARIABLE: str(root), "PYTHONPATH": str(paths.PROJECT),
        }  # fmt: skip
        self.log = (folder / "log.txt").open("wb")
        words = [sys.executable, *scratch.lab(notebooks, first, self.port), "--no-browser", "--ip=127.0.0.1"]
        words += [f"--IdentityProvider.token={self.token}", "--ServerApp.port_retries=0"]
        words += ["--allow-root"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            words, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"JupyterLab did not start: {Path(self.log.name).read_text()[-2000:]}")

    def url(self, notebook: str = "") -> str:
        """Where a notebook is opened; without one, where the server leads by itself."""
        return f"http://127.0.0.1:{self.port}{f'/lab/tree/{notebook}' if notebook else '/'}?reset&token={self.token}"

    def kernels(self) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/kernels?token={self.token}") as answer:
            return [kernel["id"] for kernel in json.load(answer)]

    def close(self) -> None:
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            if self.process.poll() is None:
                self.process.send_signal(number)
                try:
                    self.process.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
        self.log.close()


@pytest.fixture
def lab(sample, tmp_path, monkeypatch):
    """JupyterLab on prepared copies of the notebooks, with a built root of its own."""
    shutil.copytree(sample.root, tmp_path / "own-root")
    shutil.copytree(paths.NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns("scratch"))
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(tmp_path / "own-root"))
    made = scratch.prepare(planning.Request(notebooks=tmp_path / "notebooks"))
    opened = Lab(tmp_path / "lab", tmp_path / "own-root", tmp_path / "notebooks", made.first)
    try:
        opened.wait()
        yield opened
    finally:
        opened.close()


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes whose environment names a folder."""
    found = []
    for own in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (own / "environ").read_bytes() and int(own.name) != os.getpid():
                found.append((own / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def run_all(page) -> None:
    page.locator(".jp-Notebook").first.wait_for(timeout=60_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']").click()


def test_a_prepared_notebook_runs_in_the_browser_and_a_widget_changes_its_figure(lab, browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab.url())
    run_all(page)
    box = page.locator(".gr-explore", has=page.locator(".gr-figure")).first
    # JupyterLab attaches what it draws, and nothing is drawn here unless a picture is asked for.
    wait_until(lambda: page.screenshot() and box.count(), seconds=60)
    box.scroll_into_view_if_needed()
    figure, menu = box.locator(".gr-figure"), box.locator("select").first
    before, values = figure.inner_html(), menu.locator("option").all_inner_texts()
    menu.select_option(values[1])
    began = time.monotonic()
    wait_until(lambda: figure.inner_html() != before)
    assert time.monotonic() - began < 5
    box.get_by_role("button", name="Copy as code").click()
    code = box.locator(".gr-code textarea")
    assert code.is_visible() and code.input_value().startswith("charts.")
    box.get_by_role("button", name="Undo").click()
    wait_until(lambda: figure.inner_html() == before)
    assert box.locator(".gr-busy").count() == 0 and page.locator(".jp-RenderedText[data-mime-type*='stderr']").count() == 0
    assert [url for url in asked if f"127.0.0.1:{lab.port}" not in url and not url.startswith(("data:", "blob:"))] == []
    page.close()
    assert len(lab.kernels()) == 1
    lab.close()
    wait_until(lambda: processes_of(tmp_path) == [])


def wait_until(holds, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)
