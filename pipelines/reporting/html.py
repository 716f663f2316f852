"""A report as one HTML file: styles and pictures inside, no scripts, nothing fetched."""

from __future__ import annotations

import base64
import re
from io import BytesIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.reporting.document import Document, Picture

_TEMPLATE = "report.html.jinja"
_JPEG_QUALITY = 92


def to_html(document: Document) -> str:
    """Write a document as HTML; whatever a user named is escaped."""
    environment = Environment(
        loader=PackageLoader("pipelines.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbols"] = _with_subscripts
    environment.filters["data_uri"] = _data_uri
    return environment.get_template(_TEMPLATE).render(document=document)


def _with_subscripts(text: str) -> Markup:
    """Set the paper's symbols, such as L_perc, with their subscripts."""
    # The escaped text holds no tags, so that the pattern cannot cut one in two.
    return Markup(
        re.sub(r"\bL_(l1|D|style|perc|FM)\b", r"<i>L</i><sub>\1</sub>", str(escape(text)))
    )


def _data_uri(picture: Picture) -> str:
    """Put a picture into the page; photographs as JPEG, a tenth of their PNG."""
    file = BytesIO()
    if picture.photographic:
        picture.image.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        picture.image.save(file, "PNG", optimize=True)
    kind = "jpeg" if picture.photographic else "png"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
