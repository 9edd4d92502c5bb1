"""When a run cannot be: what a person reads, what is kept, that nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import paths
from helpers.errors import EnvironmentFault, InputError, RunFailed
from helpers.runs import kernels, locking, pipeline, progress, publish


def test_a_failing_cell_is_told_in_ten_lines_and_keeps_the_last_report(reported):
    before = reported.pages()
    reported.change("02_second", 'limits = run.rules["activity"]', 'limits = {}["high"]')
    with pytest.raises(RunFailed) as failed:
        reported.report()
    said = str(failed.value)
    assert len(said.splitlines()) <= 10
    assert '02_second failed in cell "sizes", under "About sizes".' in said
    assert "KeyError: 'high'" in said
    assert "02_second.failed.ipynb" in said
    assert "Not built: weekly." in said
    assert "The last good report was kept: " in said
    assert reported.pages() == before
    assert failed.value.exit_code == 1


def test_an_error_of_ours_in_a_cell_keeps_its_words_and_its_exit_code(project):
    project.change(
        "02_second", 'limits = run.rules["activity"]',
        'from helpers.errors import InputError\nraise InputError("The column is empty.\\n  Fill it.")',
    )  # fmt: skip
    with pytest.raises(InputError) as failed:
        project.report()
    assert "The column is empty." in str(failed.value)
    assert failed.value.exit_code == 2


@pytest.mark.parametrize(
    ("why", "cure"),
    [
        ("Failed to allocate block of 262144 bytes (bad allocation)", "`ulimit -v` may hold it back"),  # what the system has
        ("could not allocate block of size 256.0 KiB (1.0 GiB/1.0 GiB used)", "GROWTH_RINGS_MEMORY=4GB"),  # what we let it have
    ],
)
def test_an_engine_without_memory_is_told_whose_limit_it_met(project, why, cure):
    raised = f'class OutOfMemoryException(Exception): pass\nraise OutOfMemoryException("Out of Memory Error: {why}")'
    project.change("01_first", 'events = run.source("events")', raised)
    with pytest.raises(RunFailed) as failed:
        project.report()
    assert f"  {cure}" in str(failed.value) or f"({cure}" in str(failed.value)


def test_a_step_that_does_not_write_what_it_names_fails(project):
    project.change("02_second", 'run.write("sizes", sizes)', 'run.write("sizes", sizes) if False else None')
    with pytest.raises(RunFailed, match="has not written sizes"):
        project.report()


def test_a_failed_step_is_run_again_and_what_ran_before_it_is_reused(project):
    project.change("02_second", 'limits = run.rules["activity"]', "limits = 1 / 0")
    with pytest.raises(RunFailed, match="No report of this week was published before"):
        project.report()
    project.change("02_second", "limits = 1 / 0", 'limits = run.rules["activity"]')
    assert project.ran() == ["02_second", "weekly"]


def test_a_kernel_that_is_killed_is_told_with_its_cell(project):
    project.change("02_second", 'limits = run.rules["activity"]', "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunFailed, match='02_second: its kernel died in cell "sizes", under "About sizes"'):
        project.report()
    assert not (project.built / "steps" / "02_second.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"given": ("wek=2026-W09",)}, 'Did you mean "week"?'),
        ({"given": ("half_life_days=abc",)}, '"abc" is not'),
        ({"week": "2026-10"}, 'Did you mean "2026-W10"?'),
        ({"week": "2027-W10"}, "no data in that week"),
        ({"only": "02_secnd"}, 'Did you mean "02_second"?'),
    ],
)
def test_bad_input_stops_before_any_kernel_and_writes_nothing(project, monkeypatch, options, said):
    monkeypatch.setattr(kernels, "execute", lambda *_, **__: pytest.fail("a kernel was started"))
    with pytest.raises(InputError) as refused:
        project.report(**options)
    assert said in str(refused.value)
    assert not paths.built("tiny").exists()
    assert not project.reports.exists()


@pytest.mark.parametrize("fault", ["missing", "empty", "role"])
def test_bad_sources_write_nothing_either(project, fault):
    events = project.data / "events.csv"
    if fault == "missing":
        events.unlink()
    if fault == "empty":
        events.write_text("", "utf-8")
    if fault == "role":
        toml = project.data / "dataset.toml"
        toml.write_text(toml.read_text("utf-8").replace('["view"]', '["veiw"]'), "utf-8")
    with pytest.raises(InputError, match=r"events\.csv|veiw"):
        project.report()
    assert not paths.built("tiny").exists()
    assert not project.reports.exists()


def test_a_second_run_waits_for_the_first_and_gives_up_with_its_process(project):
    said = []
    with (
        locking.held(paths.built("tiny"), said.append),
        pytest.raises(EnvironmentFault, match=str(os.getpid())) as refused,
        locking.held(paths.built("tiny"), said.append, wait=0.3),
    ):
        pytest.fail("two runs hold one lock")
    assert refused.value.exit_code == 4
    assert said == [f"Waiting for another run of this dataset (process {os.getpid()}) ..."]


def test_the_lock_of_a_run_that_is_gone_is_free(project):
    code = "from helpers.runs import locking; from pathlib import Path; import os\n"
    code += f"with locking.held(Path({str(paths.built('tiny'))!r}), print): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], cwd=paths.PROJECT)
    with locking.held(paths.built("tiny"), pytest.fail, wait=0):
        pass


def processes_of(marker: str) -> list[int]:
    """Processes whose environment holds the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_kill_9_leaves_the_last_report_and_no_kernel_and_the_next_run_finishes(reported, built_root, tmp_path):
    before = reported.pages()
    flag = tmp_path / "running"
    rules = 'limits = run.rules["activity"]'
    slow = f"import time, pathlib\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(60)"
    reported.change("02_second", rules, f"{rules}\n{slow}")
    code = (
        "from pathlib import Path; from helpers.runs import pipeline, planning\n"
        f"pipeline.report(planning.Request(dataset={str(reported.data)!r}, notebooks=Path({str(reported.books)!r})))"
    )
    marker = f"GROWTH_RINGS_TEST={tmp_path}"
    env = {**os.environ, "GROWTH_RINGS_TEST": str(tmp_path)}
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=paths.PROJECT, env=env)
    end = time.monotonic() + 90
    while not flag.exists() and time.monotonic() < end and runner.poll() is None:
        time.sleep(0.1)
    assert flag.exists()
    assert len(processes_of(marker)) >= 3
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    end = time.monotonic() + 10
    while processes_of(marker) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_of(marker) == []
    assert reported.pages() == before
    reported.change("02_second", "time.sleep(60)", "time.sleep(0)")
    assert "02_second" in reported.ran()


def test_the_commands_exit_codes(project, tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, "-m", "helpers", *words], cwd=paths.PROJECT, capture_output=True, text=True)

    wrong = run("report", str(project.data), "-p", "wek=2026-W09")
    assert (wrong.returncode, 'Did you mean "week"?' in wrong.stderr) == (2, True)
    assert "Traceback" not in wrong.stderr
    missing = run("report", str(tmp_path / "nowhere"))
    assert missing.returncode == 2
    assert run("report", "--wek").returncode == 2
    helped = run("report", "--help")
    assert helped.returncode == 0
    for name in ("half_life_days", "--week", "--root", "--only", "--force"):
        assert name in helped.stdout


def test_a_full_disk_is_told_as_a_fault_of_the_machine_and_keeps_the_last_report(reported, monkeypatch):
    before = reported.pages()
    reported.change("03_third", "## About kinds", "## Of kinds")

    flush_all = paths.flush_all

    def full(path):
        if path.parent.name == publish.RUNS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        flush_all(path)

    with monkeypatch.context() as patch:
        patch.setattr(paths, "flush_all", full)
        with pytest.raises(EnvironmentFault, match=r"No space left on device\)\. Free some space") as failed:
            reported.report()
    assert failed.value.exit_code == 4
    assert reported.pages() == before
    reported.report()
    assert reported.pages() != before


def test_lines_that_nobody_reads_any_more_are_no_fault_of_the_disk(project):
    closed = progress.Plain()
    closed.say = lambda _: (_ for _ in ()).throw(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
    with pytest.raises(BrokenPipeError):
        pipeline.report(project.request(), closed)


def test_killed_between_run_json_and_the_links_the_next_call_finishes(project, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(publish, "show", lambda *_: None)
        project.report()
    assert not (project.reports / "2026-W10").exists()
    outcome = project.report()
    assert outcome.front.exists()
    assert (project.reports / "published.csv").read_text("utf-8").count("\n") == 2


def test_a_file_that_a_killed_run_left_half_written_goes_with_the_next_run_and_a_fresh_one_stays(project):
    project.built.mkdir(parents=True)
    old, fresh = (paths.beside(project.built / f"{name}.parquet") for name in ("old", "fresh"))
    old.touch()
    fresh.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    project.report()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_bad_input_leaves_nothing_of_a_dataset_that_was_never_built(project):
    (project.data / "events.csv").write_text("uid,time,type\n", "utf-8")
    with pytest.raises(InputError, match="a header and no rows"):
        project.report()
    assert not paths.built("tiny").parent.exists()
    assert not project.reports.exists()
