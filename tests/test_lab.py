"""JupyterLab itself: started for real, prepared notebooks run in a browser, their widgets used; nothing is left behind."""

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
import tomllib
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest

from helpers import paths
from helpers.runs import planning, scratch
from helpers.show.words import word

pytestmark = pytest.mark.hard
PATIENCE = 120  # seconds; the machine may be busy with other tests
PATIENCE_MS = 1000 * PATIENCE
KERNEL = {"name": "python3", "display_name": "Python 3"}
SLOW = """
import time
from helpers.show import controls
controls.explore(lambda seconds: time.sleep(seconds) or f"after {seconds} s", seconds=[0, 4])
"""


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
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self._asked("kernels").close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"JupyterLab did not start: {Path(self.log.name).read_text()[-2000:]}")

    def url(self, notebook: str = "") -> str:
        """Where a notebook is opened; without one, where the server leads by itself."""
        return f"http://127.0.0.1:{self.port}{f'/lab/tree/{notebook}' if notebook else '/'}?reset&token={self.token}"

    def kernels(self) -> list[dict]:
        """The kernels there are; asked again while one is just coming or going, of which the server can tell nothing (500)."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self._asked("kernels") as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as fault:
                if fault.code != 500 or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def end_kernels(self) -> None:
        for own in self.kernels():
            with suppress(urllib.error.HTTPError):  # it has ended meanwhile
                self._asked(f"kernels/{own['id']}", "DELETE").close()
        wait_until(lambda: not self.kernels())

    def _asked(self, what: str, method: str = "GET"):
        address = f"http://127.0.0.1:{self.port}/api/{what}?token={self.token}"
        return urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=PATIENCE)

    def close(self) -> None:
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            if self.process.poll() is None:
                self.process.send_signal(number)
                try:
                    self.process.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
        self.log.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(built_once, home):
    """JupyterLab on prepared copies of the notebooks, with a built root and a dataset's folder of its own."""
    shutil.copytree(built_once.root, home / "own-root", symlinks=True)
    shutil.copytree(paths.NOTEBOOKS, home / "notebooks", ignore=shutil.ignore_patterns("scratch"))
    shutil.copytree(paths.PROJECT / "data" / "sample", home / "sample", ignore=shutil.ignore_patterns("raw", "built"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(home / "own-root"))
        made = scratch.prepare(planning.Request(dataset=str(home / "sample"), notebooks=home / "notebooks"))
        opened = Lab(home / "lab", home / "own-root", home / "notebooks", made.first)
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


def run_all(lab: Lab, page) -> None:
    """Run every cell, once the page is at the kernel's other end: what it is asked for earlier, it forgets."""
    page.locator(".jp-Notebook").first.wait_for(timeout=PATIENCE_MS)
    wait_until(lambda: any(own["connections"] and own["execution_state"] == "idle" for own in lab.kernels()))
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=PATIENCE_MS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']").click()


@contextmanager
def opened(lab: Lab, browser, name: str = ""):
    """A notebook opened and run; it asks no other server for anything, and its kernel ends with it."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab.url(name))
    try:
        run_all(lab, page)
        yield page
    finally:
        page.close()
        lab.end_kernels()
    assert [url for url in asked if f"127.0.0.1:{lab.port}" not in url and not url.startswith(("data:", "blob:"))] == []


def copy_of(home: Path, name: str) -> str:
    """A prepared copy, as the server calls it."""
    [path] = (home / "notebooks" / "scratch").glob(f"*/{name}.ipynb")
    return path.relative_to(home / "notebooks").as_posix()


def test_a_prepared_notebook_runs_in_the_browser_and_a_widget_changes_its_figure(lab, browser):
    with opened(lab, browser) as page:
        box = page.locator(".gr-explore", has=page.locator(".gr-figure")).first
        box.wait_for(timeout=PATIENCE_MS)
        box.scroll_into_view_if_needed()
        figure, menu = box.locator(".gr-figure"), box.locator("select").first
        before, values = figure.inner_html(), menu.locator("option").all_inner_texts()
        menu.select_option(values[1])
        wait_until(lambda: figure.inner_html() != before)
        box.get_by_role("button", name="Copy as code").click()
        code = box.locator(".gr-code textarea")
        assert code.is_visible() and code.input_value().startswith("charts.")
        box.get_by_role("button", name="Undo").click()
        wait_until(lambda: figure.inner_html() == before)
        assert page.locator(".jp-RenderedText[data-mime-type*='stderr']").count() == 0
        assert len(lab.kernels()) == 1


def test_a_condition_is_saved_as_a_rule_by_a_click_and_taken_out_by_another(lab, browser, home):
    rules = home / "sample" / "rules.toml"
    before = rules.read_bytes()
    with opened(lab, browser, copy_of(home, "03_segments")) as page:
        box = page.locator(".gr-explore", has=page.locator(".gr-form"))
        box.wait_for(timeout=PATIENCE_MS)
        box.scroll_into_view_if_needed()
        box.get_by_placeholder(word("conditions.name")).fill("of one click")
        box.get_by_role("button", name=word("conditions.save")).click()
        box.locator(".gr-say.good").wait_for(timeout=PATIENCE_MS)
        assert "of one click" in tomllib.loads(rules.read_text())["segments"]
        box.get_by_role("button", name=word("conditions.drop")).click()
        wait_until(lambda: rules.read_bytes() == before)


def test_a_missing_run_is_built_by_its_button(lab, browser, home):
    missing = max((home / "own-root" / "data" / "sample" / "built").glob("2*/experiment_health.parquet"))
    missing.unlink()
    with opened(lab, browser, copy_of(home, "weekly")) as page:
        button = page.get_by_role("button", name=word("live.build"))
        button.wait_for(timeout=PATIENCE_MS)
        assert "make report" in page.locator(".gr-say.warn").inner_text()
        button.click()
        page.locator(".gr-say.good").wait_for(timeout=3 * PATIENCE_MS)
        assert missing.exists() and button.is_disabled()


def test_an_answer_that_takes_over_a_second_shows_a_spinner_and_a_bar_until_it_is_there(lab, browser, home):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)], metadata={"kernelspec": KERNEL})
    nbformat.write(book, home / "notebooks" / "scratch" / "slow.ipynb")
    with opened(lab, browser, "scratch/slow.ipynb") as page:
        box = page.locator(".gr-explore")
        box.get_by_text("after 0 s").wait_for(timeout=PATIENCE_MS)
        waiting = box.locator(".gr-wait")
        assert not waiting.is_visible()
        box.locator("select").select_option("4")
        waiting.locator("[role=progressbar]").wait_for(timeout=PATIENCE_MS)
        assert waiting.inner_text() == word("explore.busy")
        box.get_by_text("after 4 s").wait_for(timeout=PATIENCE_MS)
        waiting.wait_for(state="hidden", timeout=PATIENCE_MS)


def test_nothing_is_left_running_when_the_server_ends(lab, browser, home):
    with opened(lab, browser, "scratch/slow.ipynb"):
        assert len(lab.kernels()) == 1
    lab.close()
    wait_until(lambda: processes_of(home) == [])


def wait_until(holds) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)
