"""Requests that are no requests: broken bodies, wrong types, wrong paths."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.pipelines.serving.in_process import client_of, error_of, refused
from tests.pipelines.serving.pictures import encoded, hole, mask_of, noise, small

pytestmark = pytest.mark.anyio

BOUNDARY = "b" * 20


def parts(*contents: tuple[str, bytes], end: bytes = b"--\r\n") -> dict[str, Any]:
    """Build a multipart body by hand, of dispositions and contents."""
    body = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for disposition, content in contents
    )
    return {
        "content": body + f"--{BOUNDARY}".encode() + end,
        "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    }


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"passes": "3"}, 422, "invalid_option"),
        ({"passes": True}, 422, "invalid_option"),
        ({"quality": 9.5}, 422, "invalid_option"),
        ({"threshold": []}, 422, "invalid_option"),
        ({"image": 5}, 422, "invalid_option"),
        ({"image": ""}, 422, "invalid_option"),
        ({"mask": None}, 422, "invalid_option"),
        ({"colour": "red"}, 422, "invalid_option"),
        ({"image": "not base64"}, 400, "bad_request"),
        ({"mask": "YQ"}, 400, "bad_request"),
        ({"mask": "YQ==\n"}, 400, "bad_request"),
        ({"image": "ä"}, 400, "bad_request"),
    ],
)
async def test_json_of_wrong_types_is_refused_by_name(
    client: httpx.AsyncClient, url: str, wrong: dict[str, Any], status: int, code: str
) -> None:
    files = {"image": encoded(noise()), "mask": mask_of(hole())}
    texts = {name: base64.b64encode(data).decode() for name, data in files.items()}
    error = await refused(client, url, status, code, json={**texts, **wrong})
    assert error["message"].startswith(next(iter(wrong)))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b"[]", b'"x"', b"\xff", b'{"image": "YQ=="}', b"[" * 5000]
)
async def test_json_that_is_no_request_is_malformed(
    client: httpx.AsyncClient, url: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    await refused(client, url, 400, "bad_request", content=body, headers=headers)


async def test_json_with_countless_values_is_refused_at_once(
    client: httpx.AsyncClient, url: str
) -> None:
    members = ",".join(f'"{number}":1' for number in range(500_000))
    request = {"content": f"{{{members}}}", "headers": {"Content-Type": "application/json"}}
    error = await refused(client, url, 400, "bad_request", **request)
    assert error["message"].startswith("more than 32 fields")


@pytest.mark.parametrize("long", [{"x" * 5000: "y"}, {"format": "y" * 5000}, {"passes": 10**4000}])
async def test_what_a_client_made_up_is_not_repeated_at_length(
    client: httpx.AsyncClient, url: str, long: dict[str, Any]
) -> None:
    texts = {"image": "YQ==", "mask": "YQ=="}
    error = await refused(client, url, 422, "invalid_option", json={**texts, **long})
    assert len(error["message"]) < 250


@pytest.mark.parametrize("kept", ["image", "mask", None])
async def test_a_missing_file_is_named(
    client: httpx.AsyncClient, url: str, kept: str | None
) -> None:
    files = {"image": encoded(noise()), "mask": mask_of(hole())}
    sent = {kept: files[kept]} if kept else {"image": b"", "mask": files["mask"]}
    error = await refused(client, url, 400, "bad_request", files=sent)
    assert f"'{'mask' if kept == 'image' else 'image'}'" in error["message"]


async def test_a_field_that_is_there_twice_is_refused(client: httpx.AsyncClient, url: str) -> None:
    request = small()
    request["files"] = [*request["files"].items(), ("mask", ("c", mask_of(~hole())))]
    error = await refused(client, url, 400, "bad_request", **request)
    assert "twice" in error["message"]


async def test_an_option_that_is_a_file_is_refused(client: httpx.AsyncClient, url: str) -> None:
    request = small()
    request["files"]["quality"] = ("q", b"50")
    error = await refused(client, url, 422, "invalid_option", **request)
    assert "'quality'" in error["message"]


async def test_a_picture_that_is_no_file_part_is_refused_with_the_fix(
    client: httpx.AsyncClient, url: str
) -> None:
    request = parts(('name="image"', encoded(noise())), ('name="mask"', mask_of(hole())))
    error = await refused(client, url, 400, "bad_request", **request)
    assert "file name" in error["message"]


@pytest.mark.parametrize(
    "request_",
    [
        parts(('name="image"; filename="a"', b"x"), end=b""),
        parts(("filename=a", b"x")),
        {"content": b"no parts", "headers": parts()["headers"]},
        {"content": b"", "headers": parts()["headers"]},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary="}},
        {**parts(*[(f'name="{number}"', b"x") for number in range(40)])},
        {
            **parts(),
            "headers": {"Content-Type": f"{parts()['headers']['Content-Type']}; charset=\0"},
        },
    ],
)
async def test_broken_multipart_is_malformed(
    client: httpx.AsyncClient, url: str, request_: dict[str, Any]
) -> None:
    await refused(client, url, 400, "bad_request", **request_)


@pytest.mark.parametrize("kind", ["image/png", "application/x-www-form-urlencoded", "", "a;b,c"])
async def test_other_types_of_content_are_refused(
    client: httpx.AsyncClient, url: str, kind: str
) -> None:
    error = await refused(
        client,
        url,
        415,
        "unsupported_media_type",
        content=encoded(noise()),
        headers={"Content-Type": kind},
    )
    assert "multipart/form-data" in error["message"]


async def test_paths_and_methods_that_do_not_exist_are_refused_in_the_same_form(
    client: httpx.AsyncClient,
) -> None:
    missing = await client.get("/v2/inpaint")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "not_found")
    for gone in ("/static/../api.py", "/static/%2e%2e/api.py", "/docs/files/nothing"):
        assert error_of(await client.get(gone))["code"] == "not_found"
    wrong = await client.get("/v1/inpaint")
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


async def test_a_mistake_of_ours_is_told_in_the_same_form(
    build: Callable[..., FastAPI],
) -> None:
    api = build()

    async def broken() -> None:
        raise KeyError("secret")

    api.add_api_route("/broken", broken)
    async with client_of(api, raising=False) as client:
        response = await client.get("/broken")
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal"
    assert "secret" not in response.text
