"""Bad days: runs are killed, stopped, suspended, crowded, starved of memory, cut off from the network."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import processes
import pytest
from processes import ended, until

from helpers import paths
from helpers.errors import InputError, RunFailed
from helpers.runs import locking

pytestmark = pytest.mark.hard
DAYS = 'days = run.read("days")'
LIMITS = 'limits = run.rules["activity"]'


@pytest.fixture
def machine(tmp_path: Path):
    with processes.machine(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a run that nothing happens to publishes."""
    with processes.machine(tmp_path_factory.mktemp("undisturbed")) as made:
        assert made.run()[0] == 0
        assert made.strays() == []
        return made.content()


# Killed


def kill(machine: processes.Machine, runner, how: str) -> None:
    if how == "everything":
        for process in machine.processes():
            os.kill(process, signal.SIGKILL)
    elif how == "group":
        os.killpg(runner.pid, signal.SIGKILL)
    else:
        runner.kill()


@pytest.mark.parametrize("how", ["runner", "group", "everything"])
def test_a_run_killed_at_any_moment_leaves_nothing_alive_and_the_next_goes_on_to_the_same_report(machine, undisturbed, how):
    moments = random.Random(f"killed: {how}")
    for number in range(3):
        before = machine.content()
        runner = machine.start(*(["--force"] if before and number % 2 else []))
        until(lambda: runner.poll() is not None, seconds=moments.uniform(0.2, 4))  # noqa: B023
        kill(machine, runner, how)
        ended(runner)
        assert until(lambda: not machine.processes())
        assert machine.content() in (before, undisturbed)
    finished = machine.records()
    code, out, err = machine.run()
    assert (code, err) == (0, "")
    assert "nothing has changed" in out or re.findall(r"^  (\w+) +reused", out, re.M) == finished
    assert machine.content() == undisturbed
    assert machine.strays() == []
    runs = Counter(line.rsplit(",", 1)[1] for line in (machine.reports / "published.csv").read_text("utf-8").splitlines()[1:])
    assert set(runs.values()) == {1}


def test_what_a_killed_run_left_beside_the_events_goes_when_it_is_old(project):
    project.report()
    events = paths.built("tiny") / "events"
    for name in ("0123456789abcdef.parquet", "again-0123456789abcdef.parquet", "fresh.parquet"):
        (events / name).touch()
        os.utime(events / name, None if name == "fresh.parquet" else (1, 1))
    with (project.data / "events.csv").open("a") as stream:
        stream.write("u0,2026-03-08 12:00:00,view\n")
    project.report()
    empty = [path.name for path in events.iterdir() if not path.stat().st_size]
    assert empty == ["fresh.parquet"]  # another process may be at work on it


# Out of memory


KILLED = "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)"


def test_a_kernel_killed_for_its_memory_is_told_with_its_cell_and_the_next_run_resumes(reported):
    before = reported.pages()
    reported.change("02_second", LIMITS, LIMITS + KILLED)
    with pytest.raises(RunFailed) as failed:
        reported.report()
    assert str(failed.value).startswith('02_second: its kernel died in cell "sizes", under "About sizes".\n')
    for said in ("ran out of memory", "run the same command again", "GROWTH_RINGS_MEMORY=1GB", "The last good report was kept"):
        assert said in str(failed.value)
    assert reported.pages() == before
    assert list(paths.built("tiny").glob("*/steps/.*")) == []
    reported.change("02_second", KILLED, "")
    assert reported.ran() == ["02_second"] and reported.pages() == before


@pytest.mark.parametrize(
    ("cell", "memory", "said"),
    [
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\nheld = bytearray(2**31)", "1GB", "ulimit -v"),
        ("import numpy\nheld = numpy.ones((2**24, 2**24))", "1GB", "more memory"),
        ("1", "1MB", "GROWTH_RINGS_MEMORY=4GB lets"),
        ("1", "plenty", "GROWTH_RINGS_MEMORY=plenty: write it as 500MB or 4GB."),
    ],
)
def test_memory_that_does_not_suffice_is_told_with_the_cure(project, monkeypatch, cell, memory, said):
    project.change("01_first", 'events = run.source("events")', f'{cell}\nevents = run.source("events")')
    monkeypatch.setenv("GROWTH_RINGS_MEMORY", memory)
    with pytest.raises(InputError if memory == "plenty" else RunFailed) as failed:
        project.report()
    assert said in str(failed.value) and '01_first failed in cell "days", under "About days".' in str(failed.value)


# Crowded


def add_a_week(machine: processes.Machine) -> None:
    with (machine.project.data / "events.csv").open("a") as stream:
        stream.writelines(f"u{user},2026-03-{day:02d} 10:00:00,view\n" for user in range(20) for day in range(9, 16))


def read_all_the_time(machine: processes.Machine, done: threading.Event, seen: list, torn: list) -> None:
    """As a web server does, which follows the link for each page; and as one who opens the folder that it leads to."""
    while not done.is_set():
        for week in ("2026-W10", "2026-W11", "latest"):
            link = machine.reports / week
            if not link.is_symlink():
                continue
            try:
                seen.append(machine.content(week)["week"])
                page, history = link / "index.html", machine.reports / "index.html"
                torn += [path for path in (page, history) if path.exists() and "</html>" not in path.read_text("utf-8")]
            except (OSError, ValueError, AssertionError) as fault:
                torn.append(fault)
        done.wait(0.005)


def test_four_runs_at_once_follow_each_other_and_readers_see_whole_reports(machine):
    add_a_week(machine)
    lock = machine.root / "data" / "tiny" / "built" / ".lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(str(os.getpid()), "utf-8")  # of a run that is gone; its number is another's now
    done, seen, torn = threading.Event(), [], []
    reader = threading.Thread(target=read_all_the_time, args=(machine, done, seen, torn))
    reader.start()
    weeks = ["2026-W10", "2026-W11"] * 2
    runs = [machine.start("--week", week, "--force") for week in weeks]
    said = [ended(run) for run in runs]
    done.set()
    reader.join()
    for code, out, err in said:  # on a busy machine one may wait too long
        assert (code, err) == (0, "") or (code == 4 and re.search(r"Another run .* \(process \d+\) is still at work\. Wait", err))
        assert out
    assert any("Waiting for another run of this dataset (process " in out for _, out, _ in said)
    assert torn == [] and seen
    published = (machine.reports / "published.csv").read_text("utf-8").splitlines()[1:]
    made = [line.split(",") for line in published]
    finished = [week for week, (code, *_) in zip(weeks, said, strict=True) if code == 0]
    assert sorted(line[0] for line in made) == sorted(finished) and len({line[-1] for line in made}) == len(finished) > 1
    assert {line[3] for line in made} == {"2.0"}
    assert {week: machine.content(week)["week"] for week in finished} == {week: week for week in finished}
    assert machine.content()["week"] == max(finished)
    assert machine.strays() == []


def test_a_run_with_bad_input_takes_nothing_away_from_those_that_wait_for_it(machine):
    wrong = machine.start("--week", "2027-W10")
    right = [machine.start() for _ in range(2)]
    code, _, err = ended(wrong)
    assert code == 2 and "no data in that week" in err
    assert [ended(run)[::2] for run in right] == [(0, "")] * 2
    assert machine.strays() == []


def test_a_run_that_waits_for_another_can_be_stopped(machine, monkeypatch):
    monkeypatch.setenv(paths.BUILT_ROOT_VARIABLE, str(machine.root))
    with locking.held(paths.built("tiny"), pytest.fail):
        waiting = machine.start()
        assert until(lambda: "Waiting" in waiting.stdout.readline())
        waiting.send_signal(signal.SIGTERM)
        code, _, err = ended(waiting)
    assert code == 143 and err.count("\n") == 2 and "Stopped by SIGTERM." in err


# Asked to end, suspended


def warming_up(machine: processes.Machine) -> bool:
    return any(machine.temporary.glob("gr-*/log"))


def setting_up_a_kernel(machine: processes.Machine) -> bool:
    return any(machine.temporary.glob("gr-*/*.json"))


def publishing(machine: processes.Machine) -> bool:
    return any(machine.reports.glob(".runs/*"))


MOMENTS = [warming_up, setting_up_a_kernel, publishing]
ENDS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C", signal.SIGHUP: "SIGHUP"}


@pytest.mark.parametrize(
    ("number", "moment"),
    [*((signal.SIGINT, moment) for moment in MOMENTS), (signal.SIGTERM, warming_up), (signal.SIGHUP, setting_up_a_kernel)],
)
def test_a_run_that_is_asked_to_end_says_so_in_a_line_and_leaves_nothing(machine, number, moment):
    runner = machine.start()
    assert until(partial(moment, machine))
    os.killpg(runner.pid, number)
    code, _, err = ended(runner)
    assert machine.strays() == []
    if moment is not publishing or code:  # publishing takes a moment, and may be over
        assert code == 128 + number
        said = f"Stopped by {ENDS[number]}. What was finished is kept; the same command goes on from there."
        assert err.strip().splitlines() == [said]


def test_a_run_asked_to_end_within_a_step_keeps_those_that_are_finished(machine):
    flag = machine.slow("02_second", DAYS)
    runner = machine.start()
    assert until(flag.exists) and until(lambda: "03_third" in machine.records())
    os.killpg(runner.pid, signal.SIGINT)
    os.killpg(runner.pid, signal.SIGINT)  # one who is impatient
    code, _, err = ended(runner)
    assert code == 130 and err.strip().startswith("Stopped by Ctrl-C.") and err.strip().count("\n") == 0
    assert machine.strays() == [] and machine.content() is None
    code, out, _ = machine.run()
    assert code == 0 and re.findall(r"^  (\w+) +reused", out, re.M) == ["01_first", "03_third"]


def test_a_run_that_sleeps_with_the_machine_and_ignores_the_terminal_s_end_goes_on(machine):
    flag = machine.slow("02_second", DAYS)
    runner = machine.start(before=("nohup",))
    assert until(flag.exists)
    asleep = machine.processes()
    for process in asleep:
        os.kill(process, signal.SIGSTOP)
    threading.Event().wait(5)
    flag.unlink()
    for process in asleep:
        os.kill(process, signal.SIGCONT)
    os.killpg(runner.pid, signal.SIGHUP)
    os.killpg(runner.pid, signal.SIGSTOP)  # Ctrl-Z: the kernels go on
    threading.Event().wait(5)
    os.killpg(runner.pid, signal.SIGCONT)
    code, out, err = ended(runner)
    assert (code, err) == (0, "") and "2 kinds of events." in out
    assert machine.strays() == []


# A poor place


NO_HOME = {"HOME": None, "XDG_CONFIG_HOME": None, "TZ": "Nowhere/Atall", "LANG": "tr_TR.UTF-8", "LC_ALL": None}
PROXY = "http://127.0.0.1:9"
PROXIES = {"HOME": "/dev/null", "http_proxy": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY, "no_proxy": "", "LC_ALL": "POSIX"}
STARTUP = "import os\nos._exit(3)\n"


@pytest.mark.parametrize(("up", "changed"), [("true", NO_HOME), ("ip link set lo up", PROXIES)])
def test_without_a_network_or_a_home_and_in_an_odd_place_the_report_is_the_same(machine, undisturbed, up, changed):
    """What a person has set up for IPython, which would end every kernel here, runs in no report."""
    ipython = machine.folder / "ipython"
    (ipython / "profile_default" / "startup").mkdir(parents=True)
    (ipython / "profile_default" / "startup" / "mine.py").write_text(STARTUP, "utf-8")
    network = ("unshare", "-n", "sh", "-c", f'{up} && exec "$@"', "sh")
    code, _, err = machine.run(before=network, IPYTHONDIR=str(ipython), **changed)
    assert (code, err) == (0, "")
    assert machine.content() == undisturbed
    assert machine.strays() == []


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("typer", "typer is not installed."), ("rich", "rich is not installed."), ("pytz", "pytz is not installed."),
        ("papermill", "papermill is not installed."), ("duckdb=2.0.0", "duckdb 2.0.0 does not work here: >=1.5,<2 is needed."),
    ],
)  # fmt: skip
def test_a_library_that_is_missing_or_of_the_wrong_version_is_told_before_anything_is_done(machine, without, said):
    code, out, err = machine.run(TINY_WITHOUT=without)
    assert code == 4 and out == "" and "Traceback" not in err
    assert f"{said} Run `make setup`" in err
    assert not machine.root.exists() and machine.strays() == []
