"""The model that MLflow loads for a registered generator: pictures and masks in, PNG out.

MLflow runs this file when it loads the model ("models from code"), so nothing is pickled.
"""

from __future__ import annotations

import io
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image

from isnet.checkpoint import load_generator
from isnet.images import open_image
from isnet.inpainter import Inpainter


class RegisteredInpainter(PythonModel):
    """Wraps `isnet.Inpainter` for `mlflow.pyfunc.load_model` and `mlflow models serve`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the generator from the checkpoint directory registered with the model."""
        self.inpaint = Inpainter(load_generator(context.artifacts["checkpoint"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Fill holes.

        Args:
            context: not needed.
            model_input: columns `image` and `mask`, bytes of picture files of the same size.
            params: `polarity` of the masks, `white-hole` (default) or `black-hole`.

        Returns:
            Column `image`: bytes of PNG files, in the order of the input.

        Raises:
            InputError: a file that is no picture or too large, or a pair that does not fit.

        """
        polarity = (params or {}).get("polarity", "white-hole")
        pairs = zip(model_input["image"], model_input["mask"], strict=True)
        filled = [
            _png(self.inpaint(open_image(image), open_image(mask), polarity=polarity))
            for image, mask in pairs
        ]
        return pd.DataFrame({"image": filled})


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


mlflow.models.set_model(RegisteredInpainter())
