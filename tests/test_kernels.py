"""Kernels forked from one warm process: what they inherit, how they end, that none is left over."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import tiny

from helpers import paths
from helpers.errors import EnvironmentFault
from helpers.runs import kernels


def executed(folder, warm, source, env=None, cwd=None, **parameters):
    tiny.write_notebook(folder / "one.ipynb", [("parameters", "x: int = 1"), ("work", source)])
    output = folder / "out.ipynb"
    kernels.execute(folder / "one.ipynb", output, parameters, warm=warm, cwd=cwd or folder, env=env or dict(os.environ))
    cells = {cell["id"]: cell for cell in json.loads(output.read_text("utf-8"))["cells"]}
    return "".join(cells["work"]["outputs"][0]["text"]).strip()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids, seconds=10.0) -> bool:
    end = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def test_a_kernel_has_its_parameters_its_folder_and_only_its_environment(tmp_path, warm):
    env = {"ONLY": "this", "TZ": "Asia/Shanghai", "PATH": os.environ["PATH"]}
    said = executed(
        tmp_path, warm, "import os, time\nprint(x, os.getcwd(), os.environ.get('ONLY'), os.environ.get('HOME'), time.tzname[0])",
        env=env, x=5,
    )  # fmt: skip
    assert said == f"5 {tmp_path} this None CST"


def test_a_kernel_is_forked_with_the_heavy_libraries_already_there(tmp_path, warm):
    code = "import os, sys\nprint(os.getppid(), *(name in sys.modules for name in {}))"
    said = executed(tmp_path, warm, code.format(["pandas", "ibis.backends.duckdb", "matplotlib"]))
    assert said == f"{warm.process.pid} True True True"
    end = time.monotonic() + 60
    while said != f"{warm.process.pid} True True" and time.monotonic() < end:
        said = executed(tmp_path, warm, code.format(["scipy.stats", "seaborn"]))
    assert said == f"{warm.process.pid} True True"


def test_kernels_do_not_see_each_other(tmp_path, warm):
    executed(tmp_path, warm, "import pandas\npandas.changed = True\nprint(1)")
    assert executed(tmp_path, warm, "import pandas\nprint(hasattr(pandas, 'changed'))") == "False"


def test_a_kernel_is_gone_when_its_notebook_is_done(tmp_path, warm):
    assert gone([int(executed(tmp_path, warm, "import os\nprint(os.getpid())"))])


def test_a_cell_that_raises_leaves_the_executed_notebook(tmp_path, warm):
    from papermill.exceptions import PapermillExecutionError

    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        executed(tmp_path, warm, "1 / 0")
    assert "ZeroDivisionError" in (tmp_path / "out.ipynb").read_text("utf-8")


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "os._exit(3)"])
def test_a_kernel_that_ends_by_itself_is_noticed(tmp_path, warm, how):
    from nbclient.exceptions import DeadKernelError

    with pytest.raises(DeadKernelError):
        executed(tmp_path, warm, f"import os\n{how}")
    assert executed(tmp_path, warm, "print('next')") == "next"


def test_braces_in_a_path_are_no_template(tmp_path, warm):
    folder = tmp_path / "{x}"
    folder.mkdir()
    assert executed(folder, warm, "print(x)", x=2) == "2"


def test_no_text_in_a_parameter_is_run(tmp_path, warm):
    text = '"; import os; os._exit(1) #\\'
    assert executed(tmp_path, warm, "print(len(y))", y=text) == str(len(text))


START = """
import sys, time
from helpers.runs import kernels
warm = kernels.Warm()
forked = warm.fork(connection_file=sys.argv[1], cwd="/", env={})
print(warm.process.pid, forked.pid, warm.folder, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, *(pytest.param(number, marks=pytest.mark.hard) for number in (signal.SIGTERM, signal.SIGINT))]
)
def test_kernels_and_the_warm_process_end_with_their_runner_however_it_ends(tmp_path, number):
    runner = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path / "kernel.json")], cwd=paths.PROJECT, stdout=subprocess.PIPE, text=True
    )
    server, kernel, folder = runner.stdout.readline().split()
    assert alive(int(server))
    runner.send_signal(number)
    runner.wait()
    assert gone([int(server), int(kernel)])
    assert not Path(folder).exists()


def test_kernels_end_with_a_warm_process_that_is_killed(tmp_path):
    process = kernels.Warm()
    forked = process.fork(connection_file=str(tmp_path / "kernel.json"), cwd="/", env={})
    process.process.kill()
    assert gone([forked.pid])
    assert forked.wait(5) == -signal.SIGKILL
    process.close()
    assert not process.folder.exists()


def test_no_place_for_temporary_files_is_told_with_the_cure(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(EnvironmentFault, match=r"No temporary folder can be made .*TMPDIR=/path/to/folder"):
        kernels.Warm()


def test_closing_ends_every_kernel_and_leaves_no_folder(tmp_path):
    process = kernels.Warm()
    forked = [process.fork(connection_file=str(tmp_path / f"{n}.json"), cwd="/", env={}) for n in range(2)]
    process.close()
    assert gone([each.pid for each in forked], seconds=3)
    assert not process.folder.exists()
