"""A standalone cluster of Spark on this machine: a master and workers, each a Java of its own, as `spark-class` starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from helpers import paths

HERE = "127.0.0.1"
ROOMS = "org.apache.spark.deploy"
GIVEN_UP = 900  # seconds


@dataclass(frozen=True)
class Cluster:
    """The address of the master, the processes of the workers, and the folder of both."""

    folder: Path
    address: str
    workers: list[subprocess.Popen]

    def kill(self, worker: int) -> None:
        """Take a worker away with all that it runs, as if its machine had lost its power."""
        os.killpg(self.workers[worker].pid, signal.SIGKILL)
        self.workers[worker].wait()

    def shuffled(self, worker: int) -> set[Path]:
        """What a worker has worked out so far for the steps of a query that come later, and holds alone."""
        place = self.folder / f"worker-{worker}" / "local"
        return {path for path in paths.below(place) if path.match("shuffle_*.data")}


@contextmanager
def standalone(folder: Path, *, workers: int, env: dict[str, str]) -> Iterator[Cluster]:
    """A cluster of workers with one processor each; it is gone when the block ends."""
    folder.mkdir()
    port = _free_port()
    started = [_started(folder / "master", ["master.Master", "--host", HERE, "--port", str(port), "--webui-port", "0"], env)]
    try:
        address = f"spark://{HERE}:{port}"
        until(lambda: _listens(port), "the master listens")
        for number in range(workers):
            own = ["--host", HERE, "--port", "0", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
            place = folder / f"worker-{number}"
            started.append(_started(place, ["worker.Worker", *own, "--work-dir", str(place), address], env))
        logs = [folder / f"worker-{number}.log" for number in range(workers)]
        until(lambda: all("Successfully registered with master" in log.read_text() for log in logs), "the workers are known")
        yield Cluster(folder, address, started[1:])
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _started(place: Path, what: list[str], env: dict[str, str]) -> subprocess.Popen:
    (place / "local").mkdir(parents=True)
    with place.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [str(Path(find_spec("pyspark").origin).parent / "bin" / "spark-class"), f"{ROOMS}.{what[0]}", *what[1:]],
            stdout=log,
            stderr=log,
            cwd=place,
            env=os.environ | env | {"SPARK_LOCAL_IP": HERE, "SPARK_LOCAL_DIRS": str(place / "local")},
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind((HERE, 0))
        return asked.getsockname()[1]


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((HERE, port), 1).close()
        return True
    return False


def until(holds, what: str) -> None:
    """Wait for something.

    Raises:
        TimeoutError: It has not come; this is no measure of speed, but the end of patience.
    """
    end = time.monotonic() + GIVEN_UP
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.1)
