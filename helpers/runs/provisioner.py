"""What jupyter_client needs to know of forked kernels. Apart from `kernels`, since it costs an import of Jupyter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
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

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**{**kwargs, "transport": "ipc", "connection_file": str(warm.folder / f"{label}.json")})

    return WarmKernelManager
