"""Where values are read, with real HTTP servers behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from isnet.config import InputError
from pipelines import health
from pipelines.monitoring.samples import Window
from pipelines.monitoring.sources import _WANTED, Nodes, Prometheus, open_source

Serve = Callable[[dict[str, str]], str]


@pytest.fixture
def asked() -> list[str]:
    """Paths and queries that servers were asked for."""
    return []


@pytest.fixture
def serve(asked: list[str]) -> Iterator[Serve]:
    """Serve texts by path; return `host:port`."""
    servers = []

    def start(texts: dict[str, str]) -> str:
        class Handler(BaseHTTPRequestHandler):
            pages: ClassVar = texts

            def do_GET(self) -> None:
                asked.append(self.path)
                text = self.pages.get(self.path.partition("?")[0])
                self.send_response(200 if text is not None else 404)
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this machine's newest Ray, and no other Ray."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder = tmp_path / "ray" / "session_latest"
    folder.mkdir(parents=True)
    return folder


def test_nodes_are_read_twice_and_one_that_does_not_answer_is_lost(
    serve: Serve, closed_port: int
) -> None:
    answering = serve({"/metrics": 'ray_node_mem_total{ip="127.0.0.1"} 5\n'})
    targets = [("127.0.0.1", answering), ("127.0.0.2", f"127.0.0.2:{closed_port}")]
    source = Nodes("three", [*targets, ("10.0.0.9", None)])
    before, after = source.window(0.05)
    assert after.at - before.at >= 0.05
    assert after.nodes == {"127.0.0.1": True, "127.0.0.2": False, "10.0.0.9": False}
    assert Window(before, after).total("ray_node_mem_total", "ip") == {("127.0.0.1",): 5}


def test_a_head_knows_its_nodes(serve: Serve, session: Path, closed_port: int) -> None:
    targets = [serve({"/metrics": "ray_x 1\n"}), f"127.0.0.2:{closed_port}"]
    content = [{"labels": {"job": "ray"}, "targets": [*targets, "127.0.0.1:1"]}]
    (session / "prom_metrics_service_discovery.json").write_text(json.dumps(content))
    source = open_source(None)
    _, after = source.window(0)
    assert after.nodes == {"127.0.0.1": True, "127.0.0.2": False}


def test_a_head_that_answers_is_enough_to_begin(
    serve: Serve, session: Path, asked: list[str]
) -> None:
    port = serve({"/metrics": "ray_x 1\n"}).rpartition(":")[2]
    content = [{"labels": {}, "targets": [f"127.0.0.1:{port}", f"localhost:{port}"]}]
    (session / "prom_metrics_service_discovery.json").write_text(json.dumps(content))
    source = open_source(None)
    assert len(asked) == 1
    _, after = source.window(0)
    assert after.nodes == {"127.0.0.1": True, "localhost": True}


def test_a_ray_that_lets_nobody_in_is_found_by_its_port(serve: Serve, session: Path) -> None:
    target = serve({"/metrics": "ray_x 1\n"})
    (session / "metrics_export_port_abc").write_text(target.rpartition(":")[2])
    _, after = open_source(None).window(0)
    assert [sample.value for sample in after.samples] == [1]


def test_without_any_ray_it_is_said_what_to_do(session: Path, closed_port: int) -> None:
    (session / "metrics_export_port_abc").write_text(str(closed_port))
    with pytest.raises(InputError, match=r"no Ray runs on this machine.*submit.*--prometheus"):
        open_source(None)


def answer_of_prometheus(*values: tuple[str, str]) -> dict[str, str]:
    """Answer every query with these values, by instance."""
    result: list[dict[str, Any]] = [
        {"metric": {"__name__": "ray_x", "instance": instance}, "value": [1, value]}
        for instance, value in values
    ]
    return {"/api/v1/query": json.dumps({"status": "success", "data": {"result": result}})}


def test_prometheus_is_asked_for_two_moments(serve: Serve, asked: list[str]) -> None:
    address = serve(answer_of_prometheus(("10.0.0.1:8080", "0.5")))
    before, after = Prometheus(f"http://{address}/").window(30)
    assert after.at - before.at == pytest.approx(30)
    assert (after.samples[0].name, after.samples[0].value) == ("ray_x", 0.5)
    by_moment: dict[float, set[str]] = {}
    for path in asked:
        parameters = dict(parse_qsl(urlsplit(path).query))
        by_moment.setdefault(float(parameters["time"]), set()).add(parameters["query"])
    first, second = sorted(by_moment)
    assert second - first == pytest.approx(30, abs=0.01)
    queries = {f'{{__name__=~"{_WANTED}"}}', 'up{job="ray"}'}
    assert by_moment == {first: queries, second: queries}


def test_a_host_answers_where_any_of_its_targets_does(serve: Serve) -> None:
    """Prometheus has three of the head: the node, the autoscaler and the dashboard."""
    told = [("10.0.0.1:8080", "1"), ("10.0.0.1:44217", "0"), ("10.0.0.2:8080", "0")]
    address = serve(answer_of_prometheus(*told, ("[fd00::3]:8080", "1")))
    _, after = Prometheus(f"http://{address}").window(30)
    assert after.nodes == {"10.0.0.1": True, "10.0.0.2": False, "fd00::3": True}


@pytest.mark.parametrize("texts", [{}, {"/api/v1/query": "<html>"}])
def test_what_is_no_prometheus_is_named_without_its_password(
    serve: Serve, texts: dict[str, str]
) -> None:
    url = f"http://user:secret@{serve(texts)}"
    with pytest.raises(InputError, match="no answer from Prometheus at http") as raised:
        Prometheus(url).window(1)
    assert "secret" not in str(raised.value)


def test_the_command_shows_what_it_finds(
    serve: Serve, session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "REPORTED_EVERY_S", 0.0)
    target = serve({"/metrics": 'ray_isnet_train_active{run="mine"} 1\n'})
    (session / "metrics_export_port_abc").write_text(target.rpartition(":")[2])
    assert health.main(["--window", "0.01"]) == 0
    said = capsys.readouterr().out
    assert "warning: run mine has no worker that trains" in said
    assert health.main(["--window", "0.01", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["runs"][0]["name"] == "mine"


@pytest.mark.parametrize("words", [["--window", "5"], ["--watch", "0"]])
def test_values_that_cannot_work_are_refused(words: list[str]) -> None:
    with pytest.raises(InputError, match=words[0]):
        health.main(words)
