"""What jupyter_client needs to know of forked kernels. Apart from `kernels`, since it costs an import of Jupyter."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbclient.exceptions import DeadKernelError
from traitlets import Any as AnyTrait

from helpers.runs.kernels import PROVISIONER, Warm


class WarmProvisioner(LocalProvisioner):
    """Asks the warm process for a kernel, where its parent would start a program."""

    warm: Warm = AnyTrait()
    folder: str = AnyTrait()
    variables: dict[str, str] = AnyTrait()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        connection_file = self.parent.connection_file
        self.process = self.warm.fork(connection_file=connection_file, cwd=self.folder, env=self.variables)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and see it gone, which takes milliseconds; Jupyter would look again after 100."""
        await super().kill(restart)
        while self.process is not None and self.process.poll() is None:
            await asyncio.sleep(0.003)


class WarmClient(AsyncKernelClient):
    """A client that takes a kernel for ready at its first answer, where Jupyter's own waits half a second longer."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers and its outputs reach us.

        Raises:
            DeadKernelError: It died, or `timeout` seconds have passed.
        """
        end = time.monotonic() + (timeout or 60)
        while True:
            self.kernel_info()
            try:
                await self.shell_channel.get_msg(timeout=1)
                await self.iopub_channel.get_msg(timeout=0.2)
                return
            except Empty:
                if not await self.parent.is_alive():
                    raise DeadKernelError("The kernel died before it answered.") from None
                if time.monotonic() > end:
                    raise DeadKernelError(f"The kernel did not answer within {timeout} s.") from None


def manager_of(warm: Warm, cwd: Path, env: dict[str, str], label: str) -> type[AsyncKernelManager]:
    """A kernel manager class whose kernels are forked from `warm`, over sockets in the warm process's folder."""
    config = {"warm": warm, "folder": str(cwd), "variables": env}
    spec = KernelSpec(
        argv=["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3",
        language="python",
        metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config}},
    )

    class WarmKernelManager(AsyncKernelManager):
        """The manager of one notebook's kernel."""

        kernel_spec = spec
        client_class = "helpers.runs.provisioner.WarmClient"
        client_factory = WarmClient

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**{**kwargs, "transport": "ipc", "connection_file": str(warm.folder / f"{label}.json")})

    return WarmKernelManager
