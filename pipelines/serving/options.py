"""What a client can ask for beside the picture and its mask."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from isnet.masks import Polarity
from isnet.strategies import Strategy
from pipelines.codec import Format


class InpaintOptions(BaseModel):
    """How to fill, and what the answer is to look like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Strategy = Field(
        "original",
        description="original: the network sees the whole picture; crop: windows round the holes, "
        "for large pictures with small holes; resize: the picture at the scale the network was "
        "trained at, its fill enlarged.",
    )
    passes: int | None = Field(
        None, ge=1, le=11, description="Most passes of the reconstruction; 1 is one-shot."
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Hole ratio under which the reconstruction stops."
    )
    mask_polarity: Polarity = Field(
        "white-hole", description="Which colour of the mask marks the hole."
    )
    format: Format = Field(
        "same", description="Of the answer; `same` is the picture's own where it can hold it."
    )
    quality: int = Field(95, ge=1, le=100, description="Of lossy formats.")


class InpaintBody(InpaintOptions):
    """A request in JSON."""

    image: str = Field(
        min_length=1,
        json_schema_extra={"contentEncoding": "base64"},
        description="The picture's file in base64.",
    )
    mask: str = Field(
        min_length=1,
        json_schema_extra={"contentEncoding": "base64"},
        description="The mask's file in base64: the picture's size in display orientation.",
    )
