"""The warm process: imports the heavy libraries once, then forks a kernel for each request. Run as `python -m`.

It listens on a socket that the runner made, and ends, with all its kernels, when its standard input closes: that is
when the runner is gone, however it went. Nothing here may start a thread or a ZeroMQ context: neither survives a fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import helpers

LIBRARIES = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "pandas",
    "helpers.sources.ahead",
    "helpers.runs.opening",
    "helpers.cleaning",
    "helpers.show.charts",
)
NOT_IN_NOTEBOOKS = ("helpers.runs", "helpers.sources.sample", "helpers.__main__")
# Objects made before the collector looks: expressions are millions of small ones, of which hardly any is garbage.
RARELY = (50_000, 20, 50)
PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Warm up, then serve until the runner is gone."""
    listener = socket.socket(fileno=descriptor)
    tempfile.tempdir = str(Path(listener.getsockname()).parent)  # of kernels, too, which are killed and clear nothing away
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # nobody debugs here, and each kernel would import it
    for library in LIBRARIES:
        _load(library)
    _serve(listener, _ours())


def _load(library: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(library)


def _ours() -> Iterator[str]:
    """The modules of this package that a notebook may use, which bring scipy and the rest along."""
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        if not module.name.startswith(NOT_IN_NOTEBOOKS):
            yield module.name
    yield from ("seaborn", "sklearn.linear_model")


def _serve(listener: socket.socket, ahead: Iterator[str]) -> None:
    """Answer requests; while none waits, import what the first notebook can do without."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    for watched in (listener, wake_read, sys.stdin.fileno()):
        selector.register(watched, selectors.EVENT_READ)
    kernels: dict[int, socket.socket] = {}
    loading = True
    while True:
        ready = selector.select(0 if loading else None)
        if not ready and (library := next(ahead, None)):
            _load(library)
        elif not ready:
            loading = False
            gc.collect()
            gc.freeze()
        for key, _ in ready:
            if key.fileobj is listener:
                asked, _ = listener.accept()
                pid = _fork(asked, [listener, *kernels.values()], selector, (wake_read, wake_write))
                if pid:
                    kernels[pid] = asked
            elif key.fileobj == wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 1024)
                _reap(kernels)
            elif not os.read(sys.stdin.fileno(), 1024):
                for pid in kernels:
                    os.kill(pid, signal.SIGKILL)
                shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
                os._exit(0)


def _reap(kernels: dict[int, socket.socket]) -> None:
    """Tell the runner how each ended kernel ended."""
    while kernels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        asked = kernels.pop(pid, None)
        if asked:
            _send(asked, {"ended": os.waitstatus_to_exitcode(status)})
            asked.close()


def _send(asked: socket.socket, message: dict) -> None:
    with contextlib.suppress(OSError):
        asked.sendall(json.dumps(message).encode() + b"\n")


def _fork(asked: socket.socket, others: list[socket.socket], selector, wake: tuple[int, int]) -> int:
    """Fork a kernel for one request; returns its process id in the server, and never in the kernel."""
    with asked.makefile("r", encoding="utf-8") as stream:
        line = stream.readline()
    if not line:
        asked.close()
        return 0
    request = json.loads(line)
    server = os.getpid()
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        _send(asked, {"pid": pid})
        return pid
    try:
        os.setpgid(0, 0)
        _die_with(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        selector.close()
        for held in (asked, *others):
            held.close()
        for descriptor in wake:
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _become_kernel(request)
    except SystemExit:
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Have the kernel killed when the warm process ends, even by a kill -9 (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _become_kernel(request: dict) -> None:
    from ipykernel.kernelapp import IPKernelApp

    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["kernel", "-f", request["connection_file"]]
    gc.unfreeze()
    gc.set_threshold(*RARELY)
    app = IPKernelApp.instance()
    app.initialize([*sys.argv[1:], "--HistoryManager.enabled=False", "--quiet"])
    app.start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
