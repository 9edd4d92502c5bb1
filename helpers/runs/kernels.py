"""Kernels forked from one warm process, and papermill driving a notebook in one of them."""

from __future__ import annotations

import json
import logging
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVISIONER = "growth-rings-warm"
START_SECONDS = 120
PREFIX, ADDRESS = "gr-", "warm"
LONGEST_PLACE = 60
_LOADING = Lock()


class Warm:
    """The warm process as the runner sees it: started at once, ready a few seconds later, gone with the runner."""

    def __init__(self) -> None:
        self.folder = _new_folder()
        self.address = str(self.folder / ADDRESS)
        self.log = self.folder / "log"
        self.own = {"IPYTHONDIR": str(self.folder / "ipython")}
        try:
            self.process = self._started()
        except BaseException:  # Ctrl-C, too
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _started(self) -> subprocess.Popen:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.address + "-soon")
        listener.listen(16)
        Path(self.address + "-soon").rename(self.address)  # by this name it is never found without a listener
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "helpers.runs.warm", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=paths.PROJECT,
                env={**os.environ, **self.own},
                start_new_session=True,
            )
        listener.close()
        return process

    def fork(self, *, connection_file: str, cwd: str, env: dict[str, str]) -> Forked:
        """A new kernel; what a person has set up for IPython, programs that run at its start among it, is not of a report.

        Raises:
            EnvironmentFault: The warm process has died; shows the end of its log.
        """
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        env = {**env, **self.own}
        try:
            asked.connect(self.address)
            asked.sendall(json.dumps({"connection_file": connection_file, "cwd": cwd, "env": env}).encode() + b"\n")
            asked.settimeout(START_SECONDS)
            answer = _line(asked)
        except OSError as fault:
            raise EnvironmentFault(f"No kernel could be started ({fault}). {self.last_words()}") from None
        if "pid" not in answer:
            raise EnvironmentFault(f"No kernel could be started. {self.last_words()}")
        return Forked(answer["pid"], asked)

    def last_words(self) -> str:
        with suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return " ".join(lines[-2:])
        return ""

    def close(self) -> None:
        """End the warm process and every kernel of it."""
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Forked:
    """A forked kernel, with as much of `subprocess.Popen`'s face as a provisioner looks at."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, asked: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._asked = asked
        self._asked.setblocking(False)

    def poll(self) -> int | None:
        if self.returncode is None:
            with suppress(BlockingIOError):
                self.returncode = _line(self._asked).get("ended", -signal.SIGKILL)
                self._asked.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.poll() is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._asked, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired("kernel", timeout or 0)
            self.poll()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _line(asked: socket.socket) -> dict[str, Any]:
    """The next message of the warm process; {} when it has hung up."""
    text = asked.recv(1024)
    return json.loads(text.splitlines()[0]) if text.strip() else {}


def _new_folder() -> Path:
    """A folder of this run, short enough for a socket's name, which has 107 bytes at most.

    Raises:
        EnvironmentFault: There is no place for it.
    """
    try:
        place = Path(tempfile.gettempdir())
        place = place if len(str(place)) < LONGEST_PLACE else Path("/tmp")
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    except OSError as fault:
        raise EnvironmentFault(
            f"No temporary folder can be made ({fault}). Make /tmp writable and free some space there, or name another "
            f"folder, of under {LONGEST_PLACE} letters: TMPDIR=/path/to/folder."
        ) from None
    _sweep(place)
    return made


def _sweep(place: Path) -> None:
    """Remove the folders of runs that were killed together with their warm process: nobody listens there any more."""
    for address in place.glob(f"{PREFIX}*/{ADDRESS}"):
        with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
            asked.setblocking(False)
            try:
                asked.connect(str(address))
            except ConnectionRefusedError:
                shutil.rmtree(address.parent, ignore_errors=True)


@contextmanager
def _without_rfc3987() -> Iterator[None]:
    """Two thirds of papermill's import is this optional module of jsonschema, which checks addresses; we have none."""
    absent = "rfc3987_syntax" not in sys.modules
    if absent:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules["rfc3987_syntax"]


def load_driver() -> None:
    """Import papermill and make the provisioner known; worth doing while the warm process is still importing.

    One thread does it while others wait: two that import Jupyter's libraries at once find them half imported.
    """
    with _LOADING:
        with _without_rfc3987():
            import papermill  # noqa: F401
        from jupyter_client.provisioning.factory import KernelProvisionerFactory
    # What it logs of a failing cell is said by the runner, in better words.
    logging.getLogger("papermill").addHandler(logging.NullHandler())
    logging.getLogger("papermill").propagate = False
    KernelProvisionerFactory.provisioners[PROVISIONER] = EntryPoint(
        PROVISIONER, "helpers.runs.provisioner:WarmProvisioner", KernelProvisionerFactory.GROUP_NAME
    )


def execute(
    notebook: Path, output: Path, parameters: dict[str, Any], *, warm: Warm, cwd: Path, env: dict[str, str]
) -> None:
    """Run a notebook by papermill in a fresh kernel; the executed notebook is written to `output`.

    Raises:
        papermill.exceptions.PapermillExecutionError: A cell raised; `output` is written all the same.
        nbclient.exceptions.DeadKernelError: The kernel ended by itself or was killed.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    from helpers.runs.provisioner import manager_of

    begun: list[str] = []
    try:
        papermill.execute_notebook(
            str(notebook).replace("{", "{{").replace("}", "}}"),
            str(output).replace("{", "{{").replace("}", "}}"),
            parameters,
            kernel_name="python3",
            progress_bar=False,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            start_timeout=START_SECONDS,
            iopub_timeout=START_SECONDS,
            on_cell_execute=lambda cell, cell_index: begun.append(cell.source),
            kernel_manager_class=manager_of(warm, cwd, env, secrets.token_hex(4)),
            shutdown_kernel="immediate",
            store_widget_state=False,
        )
    except DeadKernelError as fault:
        fault.source = begun[-1] if begun else None
        raise
