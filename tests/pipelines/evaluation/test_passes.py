"""The picture of the passes: every pass has its column."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isnet.config import ReconstructionConfig
from pipelines.evaluation import passes
from pipelines.evaluation.samples import Sample
from pipelines.evaluation.work import WorkItem


class KnownShare(torch.nn.Module):
    """Predicts grey, the lighter the more is known; so that passes differ."""

    def __init__(self):
        super().__init__()
        self.full = torch.nn.Parameter(torch.ones(()))

    def forward(self, image):
        return self.full * torch.full_like(image, (image > 0).float().mean().item())


def _sample(hole_side, bucket):
    valid = torch.ones(1, 32, 32, dtype=torch.bool)
    valid[:, 3 : 3 + hole_side, 3 : 3 + hole_side] = False
    rgb = np.full((32, 32, 3), 100, dtype=np.uint8)
    return Sample(item=WorkItem(image="i", mask="m", turns=0, bucket=bucket), rgb=rgb, valid=valid)


@pytest.fixture
def drawn(monkeypatch):
    """What `draw_passes` hands to the grid."""
    seen = {}

    def grid(rows, headers, *, notes):
        seen.update(rows=rows, headers=headers, notes=notes)

    monkeypatch.setattr(passes, "comparison_grid", grid)
    return seen


def test_each_of_eleven_passes_is_shown(drawn):
    config = ReconstructionConfig(kernel_size=3, threshold=0.0001, max_passes=11)
    passes.draw_passes([_sample(8, 0), _sample(26, 3)], KnownShare().eval(), config)
    assert drawn["headers"] == [
        *("ground truth", "corrupted", "pass 1 = one-shot"),
        *(f"pass {number}" for number in range(2, 12)),
        "PRA = last pass",
    ]
    small, big = drawn["rows"]
    assert len(small) == len(big) == 14
    assert drawn["notes"] == ["hole 6%, 5 passes", "hole 66%, 11 passes"]
    assert len({picture.tobytes() for picture in big[2:13]}) == 11
    assert (big[13] == big[12]).all()
    # The small hole was closed after five: empty until its last pass is shown again.
    assert small[7:13] == [None] * 6
    assert (small[13] == small[6]).all()


def test_one_pass_needs_no_more_columns(drawn):
    config = ReconstructionConfig(max_passes=1)
    passes.draw_passes([_sample(26, 3)], KnownShare().eval(), config)
    assert drawn["headers"][2:] == ["pass 1 = one-shot", "PRA = last pass"]


def test_the_picture_has_room_for_every_pass():
    config = ReconstructionConfig(kernel_size=3, threshold=0.0001, max_passes=11)
    picture = passes.draw_passes([_sample(26, 3)], KnownShare().eval(), config)
    assert picture.width == 14 * 166 + 6
