"""Settings of an endpoint, and who must have a token."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from isnet.config import InputError
from pipelines.machine import cores
from pipelines.serving.application import build_application
from pipelines.serving.config import (
    TOKEN_VARIABLE,
    EndpointSettings,
    LocalServeConfig,
    ServeConfig,
    is_loopback,
    read_tokens,
    require_tokens_unless_loopback,
)
from pipelines.serving.running import resolve
from tests.pipelines.evaluation.checkpoints import UNBOUNDED, write_checkpoint


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kernel_size": 4}, "odd"),
        ({"threshold": 1.5}, r"\[0, 1\]"),
        ({"threshold": float("nan")}, r"\[0, 1\]"),
        ({"max_passes": 0}, "at least 1"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_bytes": 5}, "max_bytes"),
        ({"precision": "fp8"}, "fp32"),
        ({"precision": "int8"}, "int8 is for the backend openvino"),
        ({"backend": "openvino", "job_gpus": 1}, "job_gpus is 1, but the backend openvino"),
        ({"backend": "openvino", "model_gpus": 0.5}, "model_gpus is 0.5, but the backend openvino"),
        ({"scale": 8}, "scale"),
        ({"model_gpus": -1}, "model_gpus"),
        ({"model_replicas": 2, "max_model_replicas": 1}, "max_model_replicas is 1, below"),
        ({"ingress_replicas": 3, "max_ingress_replicas": 2}, "max_ingress_replicas is 2, below"),
        ({"max_pixel": 5}, "max_pixel"),
        ({"job_actors": 0}, "job_actors"),
        ({"job_days": 0}, "job_days"),
        ({"jobs_folder": "/a/jobs", "job_roots": ["/a"]}, "lies in /a of job_roots"),
        ({"jobs_folder": "/a/../b", "job_roots": ["/b/"]}, "lies in /b/ of job_roots"),
        ({"jobs_folder": "s3://b/p/jobs?x=1", "job_roots": ["s3://b/p"]}, "lies in s3://b/p of"),
        ({"checkpoint": None}, "checkpoint"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ServeConfig(**{"checkpoint": "model", **wrong})


def test_values_may_be_text_as_on_a_command_line() -> None:
    config = ServeConfig.model_validate(
        {"checkpoint": "model", "max_seconds": "5", "max_model_replicas": "3", "model_gpus": "0.5"}
    )
    assert (config.max_seconds, config.max_model_replicas, config.model_gpus) == (5, 3, 0.5)


def test_settings_are_what_replicas_go_by_and_nothing_of_the_rest() -> None:
    config = ServeConfig(checkpoint="model", max_pixels=7, model_replicas=3, revision="2")
    assert config.settings() == EndpointSettings(max_pixels=7)
    assert type(config.settings()) is EndpointSettings


def test_another_model_does_not_need_other_replicas() -> None:
    first, second = (ServeConfig(checkpoint=name, revision=name).settings() for name in "ab")
    assert first == second


def test_an_endpoint_of_this_machine_listens_on_it_alone_and_uses_it_all() -> None:
    config = LocalServeConfig(checkpoint="model")
    assert (config.host, config.port) == ("127.0.0.1", 8000)
    assert config.settings().model_cpus == cores()


def test_an_endpoint_serves_the_shipped_model_unless_told_otherwise() -> None:
    assert LocalServeConfig().checkpoint == ServeConfig().checkpoint == "isnet-small"


@pytest.mark.parametrize("port", [0, 65536])
def test_ports_are_ports(port: int) -> None:
    with pytest.raises(ValidationError, match="port"):
        LocalServeConfig(checkpoint="model", port=port)


def test_tokens_come_from_the_environment_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_tokens(EndpointSettings()) == ()
    monkeypatch.setenv(TOKEN_VARIABLE, " one ")
    assert read_tokens(EndpointSettings()) == ("one",)
    file = tmp_path / "tokens"
    file.write_text("two\n\n  three\r\n")
    assert read_tokens(EndpointSettings(tokens_file=str(file))) == ("one", "two", "three")


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", None, b"\xff\xfe", b"tok\xc3\xa9n\n", b"a\tb\n"]
)
def test_a_file_without_usable_tokens_is_refused(
    tmp_path: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "one")  # does not make up for it
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="tokens_file") as caught:
        read_tokens(EndpointSettings(tokens_file=str(file)))
    assert "tokén" not in str(caught.value)


@pytest.mark.parametrize("token", ["schlüssel", "a\nX-Other: b"])
def test_a_token_that_no_header_can_carry_is_refused(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(InputError, match=TOKEN_VARIABLE):
        read_tokens(EndpointSettings())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    require_tokens_unless_loopback(host, ())


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "localhost.example.org"]
)
def test_any_other_does(host: str) -> None:
    with pytest.raises(InputError, match=f"listen on {host}, .* set {TOKEN_VARIABLE}"):
        require_tokens_unless_loopback(host, ())
    require_tokens_unless_loopback(host, ("token",))


@pytest.fixture
def local(small_checkpoint: Path, tmp_path: Path, closed_port: int) -> dict[str, Any]:
    """An endpoint that could be started."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    return {"checkpoint": str(small_checkpoint), "tracking_uri": uri, "port": closed_port}


def test_what_can_be_served_is_resolved_to_absolute_paths(
    local: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(local["checkpoint"])
    (tmp_path / "tokens").write_text("one\n")
    given = {"checkpoint": "model", "tokens_file": "tokens", "job_roots": ["photos", "s3://b/p"]}
    resolved = resolve(LocalServeConfig(**{**local, **given}))
    assert resolved.jobs_folder == str(tmp_path / "runs" / "jobs")
    assert resolved.job_roots == (str(tmp_path / "photos"), "s3://b/p")
    assert resolved.checkpoint == str(tmp_path / "model")
    assert resolved.tokens_file == str(tmp_path / "tokens")


def test_the_name_of_a_shipped_model_stays_a_name(local: dict[str, Any]) -> None:
    assert resolve(LocalServeConfig(**{**local, "checkpoint": "isnet-small"})).checkpoint == (
        "isnet-small"
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": "0.0.0.0"}, "without a token"),
        ({"checkpoint": "/nowhere/model"}, "no checkpoint at /nowhere/model"),
        ({"host": "203.0.113.7", "tokens_file": "tokens"}, "cannot listen on 203.0.113.7"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_starts(
    local: dict[str, Any],
    wrong: dict[str, Any],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tokens").write_text("one\n")
    with pytest.raises(InputError, match=words):
        resolve(LocalServeConfig(**{**local, **wrong}))


def test_int8_is_refused_for_a_network_that_cannot_have_it(
    local: dict[str, Any], tmp_path: Path
) -> None:
    given = {**local, "backend": "openvino", "precision": "int8"}
    assert resolve(LocalServeConfig(**given)).precision == "int8"
    given["checkpoint"] = str(write_checkpoint(tmp_path / "base", config=UNBOUNDED))
    with pytest.raises(InputError, match="int8 needs activations between -1 and 1"):
        resolve(LocalServeConfig(**given))


def test_a_port_that_is_taken_is_refused_with_the_fix(local: dict[str, Any]) -> None:
    with (
        socket.create_server(("127.0.0.1", local["port"])),
        pytest.raises(InputError, match="choose another --port"),
    ):
        resolve(LocalServeConfig(**local))


def test_jobs_may_lie_beside_their_roots() -> None:
    config = ServeConfig(checkpoint="model", jobs_folder="/photos-jobs", job_roots=("/photos",))
    assert build_application(config) is not None


def test_neither_links_nor_uris_hide_that_jobs_lie_in_a_root(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("photos")
    folder = str(tmp_path / "photos" / "jobs")
    for root in (str(tmp_path / "link"), (tmp_path / "photos").as_uri()):
        with pytest.raises(ValueError, match="of job_roots"):
            ServeConfig(checkpoint="model", jobs_folder=folder, job_roots=(root,))


@pytest.mark.parametrize(
    "wrong", [{"jobs_folder": "runs/jobs"}, {"jobs_folder": "/jobs", "job_roots": ("photos",)}]
)
def test_places_of_jobs_mean_the_same_on_every_node(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is relative"):
        build_application(ServeConfig(checkpoint="model", **wrong))
