"""A Ray head with the dashboard, as on a cluster, and Serve's own commands on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil
import yaml

from tests.pipelines.command_process import ROOT
from tests.pipelines.serving.endpoint_process import READY_SECONDS, free_port, ready_replicas

SCRIPTS = Path(sys.executable).parent


class ServeCluster:
    """One node, reachable from this machine only, with a token."""

    def __init__(self, folder: Path) -> None:
        """Plan it."""
        self._folder = folder
        # Short: Ray puts sockets below it, whose paths may have 107 characters.
        self._temporary = Path("/tmp") / f"ray-serve-{os.getpid()}"
        self._ports = {name: free_port() for name in ("gcs", "dashboard", "agent", "client")}
        clean = {name: value for name, value in os.environ.items() if "RAY_" not in name}
        self._environment = clean | {
            "PATH": f"{SCRIPTS}:{clean['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": f"127.0.0.1:{self._ports['gcs']}",
            "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{self._ports['dashboard']}",
        }
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start the head."""
        ports = {"port": "gcs", "dashboard-port": "dashboard"}
        ports |= {"dashboard-agent-listen-port": "agent", "ray-client-server-port": "client"}
        options = [f"--{option}={self._ports[name]}" for option, name in ports.items()]
        options += ["--num-cpus=6", f"--temp-dir={self._temporary}"]
        self._head = self.start("ray", "start", "--head", "--block", *options)
        self._wait_for_dashboard()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill it: `ray stop` would stop every Ray of this user."""
        for process in [*self.family(), self._head]:
            process.kill()
        self._head.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def family(self) -> list[psutil.Process]:
        """Every process of the node."""
        return psutil.Process(self._head.pid).children(recursive=True)

    def models(self) -> list[psutil.Process]:
        """The processes of model replicas that are ready."""
        return ready_replicas(self.family(), "Model")

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command against the cluster; its output goes to `output`."""
        with (self._folder / "output.log").open("a") as log:
            return subprocess.Popen(
                [str(word) for word in words],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                text=True,
            )

    @property
    def output(self) -> str:
        """Everything that commands have printed."""
        return (self._folder / "output.log").read_text()

    def deploy(self, arguments: dict[str, object], **user_config: object) -> None:
        """`serve deploy` our configuration, with other arguments, and with another model."""
        configuration = yaml.safe_load((ROOT / "cluster" / "serve.yaml").read_text())
        configuration["http_options"]["port"] = self.port
        (application,) = configuration["applications"]
        application["args"] |= arguments
        (model,) = application["deployments"]
        model["user_config"] = user_config
        written = self._folder / "serve.yaml"
        written.write_text(yaml.safe_dump(configuration))
        assert self.start("serve", "deploy", written).wait(timeout=120) == 0, self.output[-4000:]

    def model(self) -> dict[str, Any]:
        """What `/v1/model` says; nothing while there is no endpoint."""
        try:
            answer = httpx.get(f"{self.url}/v1/model", timeout=30)
        except httpx.HTTPError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def wait_for_model(self, **wanted: str) -> dict[str, Any]:
        """Wait until `/v1/model` says these things, or contains them; return what it says."""
        until = time.monotonic() + READY_SECONDS
        while True:
            said = self.model()
            if said and all(part in str(said[name]) for name, part in wanted.items()):
                return said
            assert time.monotonic() < until, (said, self.output[-4000:])
            time.sleep(0.3)

    def _wait_for_dashboard(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.get(self._environment["RAY_DASHBOARD_ADDRESS"], timeout=5)
                return
            except httpx.HTTPError:
                assert self._head.poll() is None, self.output[-4000:]
                assert time.monotonic() < until, self.output[-4000:]
                time.sleep(0.5)
