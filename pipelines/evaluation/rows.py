"""The per-image table: one row for each item, model, method and picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

Method = Literal["one-shot", "PRA", "fill"]
"""How a network fills; `fill` is what a classical method does."""

ONE_SHOT: Method = "one-shot"
PRA: Method = "PRA"
FILL: Method = "fill"

Picture = Literal["composite", "prediction"]
"""What was measured: the composite, as the paper does, or the network's raw output."""

COMPOSITE: Picture = "composite"
PREDICTION: Picture = "prediction"

PICTURES: Mapping[Method, tuple[Picture, ...]] = {
    ONE_SHOT: (COMPOSITE, PREDICTION),
    PRA: (COMPOSITE, PREDICTION),
    FILL: (COMPOSITE,),
}
"""What is measured; a classical method has no output of its own beside the composite."""

VERSION = 1
"""Version of how rows are made: another one's are not taken over."""

LPIPS_COLUMNS = {"alexnet": "lpips_alexnet", "vgg16": "lpips_vgg16"}
"""Column of each network of LPIPS."""

SCHEMA = pa.schema(
    [
        ("item", pa.int32()),  # its place in the plan
        ("image", pa.string()),
        ("mask", pa.string()),
        ("turns", pa.int8()),  # quarter turns of the mask
        ("hole_ratio", pa.float32()),
        ("bucket", pa.int8()),  # index into isnet.masks.BUCKETS
        ("model", pa.string()),
        ("method", pa.string()),
        ("picture", pa.string()),
        ("passes", pa.int16()),
        ("psnr", pa.float32()),  # dB; infinite where nothing differs
        ("ssim", pa.float32()),
        ("mae", pa.float32()),  # in [0, 1]
        ("relative_mae", pa.float32()),  # Table 2's unit, a fraction
        ("lpips_alexnet", pa.float32()),  # null where it was not measured
        ("lpips_vgg16", pa.float32()),
        ("error", pa.string()),  # null, or why there are no scores
    ]
)
"""Columns of the table; the scores of a row with an error are null."""
