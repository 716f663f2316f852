"""What is wrong with a picture, for programs and for people."""

from __future__ import annotations

from typing import Literal

from isnet.config import InputError

ErrorCode = Literal[
    "unsupported_format",
    "undecodable",
    "animated",
    "too_many_bytes",
    "too_many_pixels",
    "region_too_large",
    "size_mismatch",
    "no_mask",
    "unsafe_name",
    "crashed",
    "invalid_option",
]


class CodecError(InputError):
    """A picture that cannot be read, or not be written as asked for."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        """Take a code for programs and one sentence for people."""
        super().__init__(code, message)  # both, so that it can be sent between processes
        self.code = code

    def __str__(self) -> str:
        """Return the sentence."""
        return str(self.args[1])
