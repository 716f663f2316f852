"""Nobody without the token gets at the cluster, and nobody at all from outside at its dashboard."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request

from rehearsal import network
from rehearsal.cluster import WORKERS
from rehearsal.dashboard import ask
from rehearsal.outcome import Told, expect
from rehearsal.stage import Stage
from rehearsal.tracking import URI

_DASHBOARD, _JOB_AGENT, _CLIENT = 8265, 52365, 10001
"""Ports of the head. The agent begins jobs, for the dashboard; Ray Client is a way in for code."""

_DOORS = (
    ("GET", "/api/jobs/"),
    ("POST", "/api/jobs/"),
    ("GET", "/nodes?view=summary"),
    ("GET", "/api/serve/applications/"),
)
_HEAD = network.ADDRESSES["head"]
_WRONG = "0" * 64


def play(stage: Stage) -> Told:
    """Knock at every door without a key, with a wrong one, and from outside."""
    cluster = stage.cluster
    answers = {
        f"{method} {path} {case}": ask(cluster.head, path, token=token, method=method)[0]
        for method, path in _DOORS
        for case, token in (("without a token", ""), ("with a wrong token", _WRONG))
    }
    for what, status in answers.items():
        expect(status in (401, 403), f"the dashboard answers {status} to {what}")
    expect(not _listens(_HEAD, _DASHBOARD), "from another host one reaches the dashboard")
    expect(_client_is_heard(stage, cluster.token), "Ray Client does not hear the token either")
    expect(not _client_is_heard(stage, _WRONG), "Ray Client hears one without the token")
    agent = _status(f"http://{_HEAD}:{_JOB_AGENT}/api/job_agent/jobs/none")
    expect(agent == 401, f"the agent that begins jobs answers {agent} to one without a token")
    expect(not _joins(stage), "a host without the token has joined the cluster")
    status = _status(URI, Host="example.com")
    expect(status == 403, f"the MLflow server answers {status} to a foreign Host")
    return Told(
        lost="the token, and the way through the tunnel",
        survived="dashboard, Jobs API and job agent answer 401 and 403, the dashboard's port is "
        "closed to other hosts, no host joins, Ray Client hears nobody, MLflow answers to no "
        "foreign name",
        facts={"answers": answers, "foreign_host": status},
    )


def _joins(stage: Stage) -> bool:
    """Whether a host that has a wrong token becomes a node; with the right one all others did."""
    cluster = stage.cluster
    guest = cluster.hosts["guest"]
    guest.boot()
    try:
        joining = guest.start("ray", "start", "--address", f"{_HEAD}:6379", RAY_AUTH_TOKEN=_WRONG)
        joined = joining.wait(timeout=180) == 0
        return joined or cluster.workers() != list(WORKERS)
    finally:
        guest.kill()


def _client_is_heard(stage: Stage, token: str) -> bool:
    """Whether Ray Client, whose port is open, begins a session for one who has that token.

    It need not succeed: an answer of the server's is enough.
    """
    code = f"import ray; ray.init('ray://{_HEAD}:{_CLIENT}')"
    environment = stage.cluster.desk() | {"RAY_AUTH_TOKEN": token}
    del environment["RAY_ADDRESS"]
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode == 0 or "failure from server" in done.stderr


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
