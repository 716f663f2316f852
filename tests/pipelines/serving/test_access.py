"""Who may use the endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from tests.pipelines.serving.in_process import HOST, client_of, error_of, refused
from tests.pipelines.serving.pictures import small

pytestmark = pytest.mark.anyio

TOKENS = ("first secret", "second.secret")


@pytest.fixture(scope="module")
async def guarded(build: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(build(TOKENS)) as calling:
        yield calling


@pytest.mark.parametrize(
    "given", [f"Bearer {token}" for token in TOKENS] + ["bearer  second.secret"]
)
async def test_every_token_opens(guarded: httpx.AsyncClient, url: str, given: str) -> None:
    response = await guarded.post(url, **small(), headers={"Authorization": given})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer first",
        b"Bearer first secret and more",
        b"Bearer second.secre\xc3\xa9",
        b"Bearer \xff\xfe",
        b"Basic second.secret",
        b"second.secret",
    ],
)
async def test_anything_else_does_not(
    guarded: httpx.AsyncClient, url: str, given: bytes | None
) -> None:
    headers = [] if given is None else [(b"Authorization", given)]
    response = await guarded.post(url, **small(), headers=headers)
    assert response.status_code == 401
    assert error_of(response)["code"] == "unauthorized"
    assert response.headers["www-authenticate"] == "Bearer"
    assert "secret" not in response.text


async def test_nothing_is_read_of_a_stranger(guarded: httpx.AsyncClient, url: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("read")
        yield b""

    await refused(guarded, url, 401, "unauthorized", content=body())


async def test_the_model_is_described_to_whoever_has_a_token(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/v1/model")).status_code == 401
    headers = {"Authorization": f"Bearer {TOKENS[0]}"}
    assert (await guarded.get("/v1/model", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json"])
async def test_what_shows_nothing_of_pictures_needs_no_token(
    guarded: httpx.AsyncClient, path: str
) -> None:
    assert (await guarded.get(path)).status_code == 200


async def test_the_documentation_says_whether_a_token_is_needed(
    guarded: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    for calling, needed in ((guarded, True), (client, False)):
        described = (await calling.get("/openapi.json")).json()
        for path, operations in described["paths"].items():
            for operation in operations.values():
                assert bool(operation.get("security")) == (needed and path.startswith("/v1/"))


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        "http://127.0.0.1:9000",
        "http://127.0.0.1:8000.elsewhere.example",
        "null",
        "",
        "http://[::1",
    ],
)
async def test_pages_of_other_sites_cannot_use_an_open_endpoint(
    client: httpx.AsyncClient, url: str, origin: str
) -> None:
    await refused(client, url, 403, "foreign_origin", **small(), headers={"Origin": origin})


async def test_a_name_that_was_made_to_lead_here_is_another_site(
    client: httpx.AsyncClient, url: str
) -> None:
    headers = {"Origin": "http://elsewhere.example:8000", "Host": "elsewhere.example:8000"}
    await refused(client, url, 403, "foreign_origin", **small(), headers=headers)


async def test_nothing_is_told_under_a_name_that_was_made_to_lead_here(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/model", headers={"Host": "elsewhere.example:8000"})
    assert (response.status_code, error_of(response)["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("host", [HOST, "localhost:8000", "[::1]:8000", "localhost", "[::1]"])
async def test_the_endpoints_own_page_can(client: httpx.AsyncClient, url: str, host: str) -> None:
    headers = {"Origin": f"http://{host}", "Host": host}
    assert (await client.post(url, **small(), headers=headers)).status_code == 200


async def test_a_token_admits_programs_that_name_any_origin(
    guarded: httpx.AsyncClient, url: str
) -> None:
    headers = {"Origin": "https://elsewhere.example", "Authorization": f"Bearer {TOKENS[0]}"}
    assert (await guarded.post(url, **small(), headers=headers)).status_code == 200
