"""What tests share: a built root of their own, the sample's report built once, the real data where they are."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import paths
from helpers.runs.warm import RARELY
from helpers.show import gate

REAL = Path(os.environ.get("GROWTH_RINGS_DATA") or paths.PROJECT.parent / "shared" / "data")
FORBID_SKIPS = "GROWTH_RINGS_FORBID_SKIPS"
LONGEST = "test_spark_walk"  # minutes, in which the other worker would have nothing left to do
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
gc.set_threshold(*RARELY)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what is made once a module run on one worker, so that it is made once; the longest of all begins first."""
    items.sort(key=lambda item: item.path.stem != LONGEST)
    for item in items:
        made = item._fixtureinfo.name2fixturedefs if hasattr(item, "_fixtureinfo") else {}
        shared = [name for name in getattr(item, "fixturenames", []) if name in made and made[name][-1].scope == "module"]
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.module.__name__} {shared[0]}"))


@pytest.fixture(autouse=True)
def built_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the project: everything built goes below this temporary folder."""
    root = tmp_path / "built-root"
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(root))
    monkeypatch.delenv("GROWTH_RINGS_SOURCES", raising=False)
    monkeypatch.delenv("GROWTH_RINGS_HEADLESS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return root


@pytest.fixture(autouse=True)
def plain_gate() -> None:
    """No test meets the words and limits that the dataset of another has set."""
    gate.configure()


@pytest.fixture
def real_data():
    """Gives the folder or file of a real data set by name; skips, naming it, where it is missing."""

    def find(name: str) -> Path:
        folder = REAL / name
        if not folder.exists():
            said = f"the real data set {name} is not here; GROWTH_RINGS_DATA names the folder that holds it"
            if os.environ.get(FORBID_SKIPS):
                pytest.fail(said)
            pytest.skip(said)
        return folder

    return find


@pytest.fixture(scope="session")
def real_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests on the real data build, so that these are read once."""
    return tmp_path_factory.mktemp("real")


@dataclass(frozen=True)
class Built:
    """The sample's report, built once for all tests: read it, don't change it."""

    root: Path

    @property
    def reports(self) -> Path:
        return self.root / "reports" / "sample"

    @property
    def pages(self) -> Path:
        return self.reports / "latest"


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sample's report; the first worker that asks builds it, the others wait for it."""
    from helpers.runs import pipeline

    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    root = shared / "sample-root"
    with (shared / "sample.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(root))
        if not (root / "reports" / "sample" / "latest").exists():
            pipeline.report(pipeline.Request())
    return Built(root)


@pytest.fixture
def sample(built_once: Built, built_root: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    """The same, with the environment pointing at it, so that `helpers.open_run()` opens it."""
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(built_once.root))
    return built_once


@pytest.fixture(scope="session")
def warm():
    """One warm process for all tests of a worker, since its start is most of a small run."""
    from helpers.runs import kernels

    process = kernels.Warm()
    kernels.load_driver()
    yield process
    process.close()


@pytest.fixture
def project(tmp_path: Path, warm, monkeypatch: pytest.MonkeyPatch):
    """A tiny dataset with tiny notebooks, and `project.report(...)` to run them."""
    import tiny

    from helpers.runs import pipeline

    monkeypatch.setattr(pipeline.Kernels, "start", lambda self: warm)
    return tiny.Project(*tiny.write_project(tmp_path / "project"))


@pytest.fixture(scope="session")
def reported_once(tmp_path_factory: pytest.TempPathFactory, warm) -> Path:
    """A tiny project whose report was built: `project`, and `built-root` beside it."""
    import tiny

    from helpers.runs import pipeline

    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.BUILT_ROOT_VARIABLE, str(folder / "built-root"))
        patch.setattr(pipeline.Kernels, "start", lambda self: warm)
        tiny.Project(*tiny.write_project(folder / "project")).report()
    return folder


@pytest.fixture
def reported(tmp_path: Path, reported_once: Path, warm, monkeypatch: pytest.MonkeyPatch):
    """A copy of it for one test, with everything in it that makes a second run reuse the first."""
    import tiny

    from helpers.runs import pipeline

    monkeypatch.setattr(pipeline.Kernels, "start", lambda self: warm)
    shutil.copytree(reported_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tiny.Project(tmp_path / "project" / "tiny", tmp_path / "project" / "notebooks")


@pytest.fixture(scope="session")
def peopled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import people

    return people.built_once(tmp_path_factory.mktemp("peopled"))


@pytest.fixture
def shop(tmp_path: Path, built_root: Path, peopled_once: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop with pseudonyms and one week built, in which one person stands everywhere."""
    import people

    from helpers.sources import privacy

    monkeypatch.setenv(privacy.KEY_VARIABLE, people.KEY)
    shutil.copytree(peopled_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "shop"


@pytest.fixture
def week(shop: Path) -> Path:
    """The folder of that week's artefacts."""
    import people

    return people.built() / "2026-W10"


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright; skips, naming it, where it is missing."""
    if not CHROMIUM:
        said = "no browser: install Debian's chromium"
        pytest.fail(said) if os.environ.get(FORBID_SKIPS) else pytest.skip(said)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
