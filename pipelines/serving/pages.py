"""What people look at in a browser: the pages that fill holes, and the documentation of the API."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

_SWAGGER = Path(str(files("fastapi_offline"))) / "static"
_PAGE = Path(__file__).parent / "page"

# Swagger UI starts from a script inside its page, and styles itself.
_DOCS_POLICY = (
    "default-src 'self'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)


def add_pages(api: FastAPI) -> None:
    """Serve `/`, `/jobs` and `/docs`, with every file that they need."""

    @api.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @api.get("/jobs", include_in_schema=False)
    async def jobs() -> FileResponse:
        return FileResponse(_PAGE / "jobs.html", headers={"Cache-Control": "no-cache"})

    @api.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        html = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="ISNet inpainting",
            swagger_js_url="/docs/files/swagger-ui-bundle.js",
            swagger_css_url="/docs/files/swagger-ui.css",
            swagger_favicon_url="/docs/files/favicon.png",
        )
        html.headers["Content-Security-Policy"] = _DOCS_POLICY
        return html

    api.mount("/docs/files", StaticFiles(directory=_SWAGGER), name="docs-files")
    api.mount("/static", StaticFiles(directory=_PAGE), name="static")
