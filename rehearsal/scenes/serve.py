"""The endpoint on both hosts, one of which loses its power under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from PIL import Image

from pipelines.client import Client, InpaintError
from rehearsal.machine import ROOT
from rehearsal.outcome import Told, expect
from rehearsal.stage import Stage
from rehearsal.tracking import URI
from rehearsal.waiting import wait_until

ENDPOINT = "http://head:8000"
CLIENTS = 3
REPLICA = "ServeReplica:isnet:Model"
_UNDER_LOAD = 10.0
"""Seconds of load before and after."""


def play(stage: Stage) -> Told:
    """Kill `worker-2` under load; clients that try again get every answer."""
    cluster = stage.cluster
    folder = _configuration(stage)
    cluster.submit("deploy", "serve", "deploy", "serve.yaml", folder=folder).finish()
    try:
        cluster.await_on_both(REPLICA)
        with Client(ENDPOINT, token=cluster.endpoint_token) as client:
            wait_until("endpoint", client.ready)
        refused = [_post(), _post(Authorization="Bearer wrong")]
        expect(refused == [401, 401], f"without the token the endpoint answers {refused}")
        with _load(stage) as load:
            time.sleep(_UNDER_LOAD)
            before = load.answered
            cluster.hosts["worker-2"].kill()
            cluster.add("worker-2")
            cluster.await_on_both(REPLICA)
            time.sleep(_UNDER_LOAD)
    finally:
        cluster.submit("shutdown", "serve", "shutdown", "--yes", folder=folder).finish()
    expect(not load.errors, f"{len(load.errors)} requests failed: {load.errors[:3]}")
    expect(load.answered > before > 0, f"{load.answered} answers, {before} before the loss")
    return Told(
        lost=f"worker-2, without power after {before} answers",
        survived=f"all {load.answered} requests of {CLIENTS} clients were answered, the slowest "
        f"after {load.slowest:.1f} s; the lost replicas were replaced; 401 without the token",
        facts={"answered": load.answered, "before": before, "refused": refused},
    )


@dataclass
class _Load:
    """What clients saw."""

    answered: int = 0
    slowest: float = 0.0
    errors: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, token: str, picture: Path, mask: Path) -> None:
        """Ask for fills, one after the other, until told to stop."""
        with Client(ENDPOINT, token=token) as client:
            while not self.stopping.is_set():
                started = time.monotonic()
                try:
                    client.inpaint(picture, mask)
                except InpaintError as error:
                    with self.lock:
                        self.errors.append(str(error))
                    continue
                with self.lock:
                    self.answered += 1
                    self.slowest = max(self.slowest, time.monotonic() - started)


@contextmanager
def _load(stage: Stage) -> Iterator[_Load]:
    """Let clients ask at the same time for as long as the context lasts."""
    folder, load = stage.folder("load"), _Load()
    with Image.open(next((ROOT / "samples").glob("*.jpg"))) as photo:
        photo.convert("RGB").resize((64, 64)).save(folder / "photo.png")
    hole = Image.new("L", (64, 64))
    hole.paste(255, (16, 16, 40, 40))
    hole.save(folder / "mask.png")
    arguments = (stage.cluster.endpoint_token, folder / "photo.png", folder / "mask.png")
    clients = [threading.Thread(target=load.ask, args=arguments) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for client in clients:
            client.join()


def _post(**headers: str) -> int:
    with httpx.Client(timeout=30) as client:
        return client.post(f"{ENDPOINT}/v1/inpaint", headers=headers).status_code


def _configuration(stage: Stage) -> Path:
    """The project's own configuration, for this model, open to other hosts (hence with a token)."""
    content = yaml.safe_load((ROOT / "cluster" / "serve.yaml").read_text(encoding="utf-8"))
    content["http_options"]["host"] = "0.0.0.0"
    (application,) = content["applications"]
    application["args"] |= {"tracking_uri": URI, "max_model_replicas": 2}
    (model,) = application["deployments"]
    model["max_replicas_per_node"] = 1  # a host of its own for each
    model["user_config"]["checkpoint"] = stage.model
    folder = stage.folder("serve")
    (folder / "serve.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder
