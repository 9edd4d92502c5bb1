"""Disks that fail: a process harmed at the nth of its system calls of a kind, and a small disk of its own.

Imports cost most of a short process, so one process under strace does them once, and each trial is a fork of it. strace counts
the calls of a process by kind and harms the one of the number `HARMED`; before its work a trial makes so many idle calls that
this is the nth of its own.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from helpers import paths
from helpers.errors import GrowthRingsError

HARMED = 500
NO_FILE = 10**6
NEW_MOUNTS = 0x20000  # CLONE_NEWNS of <sched.h>
IDLE = {
    "rename": lambda: os.rename("/nowhere/a", "/nowhere/b"),  # noqa: PTH104
    "fsync": lambda: os.fsync(NO_FILE),
    "write": lambda: os.write(NO_FILE, b""),
    "symlink": lambda: os.symlink("/nowhere/a", "/nowhere/b"),  # noqa: PTH211
}


@dataclass(frozen=True)
class Said:
    """How a trial ended: killed, or by itself with an exit code and what it had to say."""

    killed: bool
    code: int = 0
    text: str = ""


@contextmanager
def harmed(work: Callable, harms: dict[str, str]) -> Iterator[Callable[..., Said]]:
    """Gives `trial(kind, n, *arguments)`: do the work with these arguments, harmed at its nth call of a kind; at none with 0.

    Args:
        work: A function of a module, which imports all that it needs.
        harms: By kind of call what strace does then, such as `signal=KILL` or `error=ENOSPC`.
    """
    command = [*strace(harms, str(HARMED)), sys.executable, __file__, work.__module__, work.__name__]
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{paths.PROJECT}"}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def trial(kind: str, n: int, *arguments: object) -> Said:
        process.stdin.write(json.dumps([kind, n, *map(str, arguments)]) + "\n")
        process.stdin.flush()
        return Said(*json.loads(process.stdout.readline()))

    try:
        yield trial
    finally:
        process.stdin.close()
        process.wait()


def strace(harms: dict[str, str], when: str = "1+", place: Path | None = None) -> tuple[str, ...]:
    """What to put before a command so that in each of its processes those calls of a kind are harmed; of one place alone."""
    if not shutil.which("strace"):
        lack("no strace: install it")
    signals = any(harm.startswith("signal") for harm in harms.values())
    fast = () if signals else ("--seccomp-bpf",)  # stops at these calls alone, and can send no signal there
    chosen = [f"--inject={kind}:{harm}:when={when}" for kind, harm in harms.items()] + ([f"-P{place}"] if place else [])
    return ("strace", "-f", "-qqq", "-o", os.devnull, *fast, f"--trace={','.join(harms)}", *chosen)


def serve(work: Callable) -> None:
    """A fork for each line that comes in, and a line for how it ended."""
    for line in sys.stdin:
        kind, n, *arguments = json.loads(line)
        here, there = socket.socketpair()
        child = os.fork()
        if not child:
            for _ in range(HARMED - n if n else 0):
                with suppress(OSError):
                    IDLE[kind]()
            there.sendall(json.dumps(_done(work, arguments)).encode())  # no call of a kind that is harmed
            os._exit(0)
        there.close()
        text = here.makefile().read()
        killed = os.waitpid(child, 0)[1] != 0
        print(json.dumps([killed, *(json.loads(text) if text else [])]), flush=True)  # noqa: T201
        here.close()


def _done(work: Callable, arguments: list[str]) -> tuple[int, str]:
    try:
        work(*arguments)
    except GrowthRingsError as fault:
        return fault.exit_code, str(fault)
    except Exception as fault:
        return -1, repr(fault)
    return 0, ""


@contextmanager
def own_mounts() -> Iterator[None]:
    """What is mounted in the block only this thread sees, and what it starts; it is gone with the last of them."""
    library, here = ctypes.CDLL(None, use_errno=True), Path.cwd()
    with Path("/proc/thread-self/ns/mnt").open() as before:
        if library.unshare(NEW_MOUNTS):
            lack(f"no mounts of a test's own ({os.strerror(ctypes.get_errno())}): run as root")
        try:
            if subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode:
                lack("nothing can be mounted here: run on a machine where root may")
            yield
        finally:
            assert library.setns(before.fileno(), NEW_MOUNTS) == 0
            os.chdir(here)


def lack(said: str) -> NoReturn:
    """This machine cannot do what the test asks for."""
    pytest.fail(said) if os.environ.get("GROWTH_RINGS_FORBID_SKIPS") else pytest.skip(said)


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """A small disk in memory at a folder, with options such as `size=1m` or `nr_inodes=100`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody, not even root, can write to."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


if __name__ == "__main__":
    serve(getattr(importlib.import_module(sys.argv[1]), sys.argv[2]))
