"""What is too much for a pass."""

from __future__ import annotations

import numpy as np
import pytest

from isnet.config import InputError
from pipelines.codec import CodecError
from pipelines.tasks import require_fitting


def test_a_network_without_a_context_computes_the_whole_region():
    hole = np.zeros((100, 60), dtype=bool)
    hole[3, 3] = True
    require_fitting(hole, context=None, max_region_pixels=112 * 64)
    require_fitting(hole, context=10, max_region_pixels=64 * 64)
    with pytest.raises(CodecError) as caught:
        require_fitting(hole, context=None, max_region_pixels=112 * 64 - 1)
    assert caught.value.code == "region_too_large"
    assert "compute 7,168 pixels in a pass over a region of 60x100" in str(caught.value)


def test_a_context_that_no_tile_has_room_for_is_a_mistake_too():
    with pytest.raises(InputError, match="no room beside a context of 1100"):
        require_fitting(np.ones((3000, 3000), bool), context=1100, max_region_pixels=2**30)
