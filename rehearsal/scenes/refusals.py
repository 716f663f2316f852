"""Nobody without the token gets at the cluster, and nobody at all from outside at its dashboard."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request

from rehearsal import network
from rehearsal.outcome import Told, expect
from rehearsal.stage import Stage
from rehearsal.tracking import URI

_DASHBOARD, _JOB_AGENT, _CLIENT = 8265, 52365, 10001
"""Ports of the head. The agent begins jobs, for the dashboard; Ray Client is a way in for code."""


_HEAD = network.ADDRESSES["head"]


def play(stage: Stage) -> Told:
    """Knock at every door without a key, with a wrong one, and from outside."""
    cluster = stage.cluster
    answers = {
        f"{path} {case}": cluster.ask(path, token=token)[0]
        for path in ("/api/jobs/", "/nodes?view=summary", "/api/serve/applications/")
        for case, token in (("without a token", ""), ("with a wrong token", "0" * 64))
    }
    for what, status in answers.items():
        expect(status in (401, 403), f"the dashboard answers {status} to {what}")
    expect(not _listens(_HEAD, _DASHBOARD), "from another host one reaches the dashboard")
    expect(not _client_gets_in(stage), "Ray Client takes code from one without the token")
    agent = _status(f"http://{_HEAD}:{_JOB_AGENT}/api/job_agent/jobs/none")
    expect(agent == 401, f"the agent that begins jobs answers {agent} to one without a token")
    expect(not _joins(stage), "a host without the token has joined the cluster")
    status = _status(URI, Host="example.com")
    expect(status == 403, f"the MLflow server answers {status} to a foreign Host")
    return Told(
        lost="the token, and the way through the tunnel",
        survived="dashboard, Jobs API and job agent answer 401 and 403, the dashboard's port is "
        "closed to other hosts, no host joins, Ray Client lets nobody in, MLflow answers to no "
        "foreign name",
        facts={"answers": answers, "foreign_host": status},
    )


def _joins(stage: Stage) -> bool:
    """Whether a host that has a wrong token becomes a node."""
    cluster = stage.cluster
    guest = cluster.hosts["worker-3"]
    guest.boot()
    before = cluster.workers()
    try:
        command = ["ray", "start", "--address", f"{_HEAD}:6379"]
        joining = guest.start(*command, RAY_AUTH_TOKEN="0" * 64)
        expect(joining.wait(timeout=60) != 0, "`ray start` with a wrong token succeeded")
        return cluster.workers() != before
    finally:
        guest.kill()


def _client_gets_in(stage: Stage) -> bool:
    """Whether Ray Client, whose port is open, lets somebody in who has a wrong token."""
    code = f"import ray; ray.init('ray://{_HEAD}:{_CLIENT}'); print('in')"
    environment = stage.cluster.desk() | {"RAY_AUTH_TOKEN": "0" * 64, "RAY_ADDRESS": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode == 0 or "in" in done.stdout.split()


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


def _status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=10
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
