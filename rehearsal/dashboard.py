"""Asking a dashboard that listens to its own host alone."""

from __future__ import annotations

import subprocess
import sys

from rehearsal.host import Host

DASHBOARD = "http://127.0.0.1:8265"
"""On the head's loopback; from elsewhere through a tunnel."""

_ASK = """
import os, sys, urllib.error, urllib.request
method, url, token = sys.argv[1], sys.argv[2], os.environ.get("TOKEN")
headers = {"Authorization": f"Bearer {token}"} if token else {}
data = b"{}" if method == "POST" else None
request = urllib.request.Request(url, data=data, headers=headers, method=method)
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.status, answer.read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), end="")
except OSError as error:
    print(0, error, end="")
"""


def ask(head: Host, path: str, *, token: str, method: str = "GET") -> tuple[int, str]:
    """Send a request through the head's network; return status and body, 0 where nobody answers.

    Args:
        head: whose dashboard it is.
        path: below the dashboard's address.
        token: an empty one sends none.
        method: GET, or POST with an empty object.

    """
    command = head.over(sys.executable, "-c", _ASK, method, f"{DASHBOARD}{path}")
    # Not among the words: other processes of a machine can read those.
    done = subprocess.run(
        command, env={"TOKEN": token}, capture_output=True, text=True, check=True, timeout=60
    )
    status, _, body = done.stdout.partition(" ")
    return int(status), body
