"""What a validation tells MLflow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from torch import nn

from pipelines.evaluation.scores import Summary
from pipelines.training import observer
from pipelines.training.config import smoke
from pipelines.training.metrics import RunMetrics

SUMMARY = Summary(
    psnr=20.0,
    ssim=0.5,
    mae=0.01,
    relative_mae=0.02,
    lpips=None,
    passes=1.0,
    count=4,
    infinite=0,
)


class _Validation:
    summary = SUMMARY

    def __init__(self, config):
        pass

    def run(self, generator):
        return {"progressive": self.summary}, Image.new("RGB", (1, 1))


class _Tracker:
    def __init__(self):
        self.logged = {}

    def metrics(self, step, values):
        self.logged |= values

    def image(self, key, step, image):
        pass


@pytest.mark.parametrize(("lpips", "logged"), [(None, False), (0.3, True)])
def test_only_what_was_measured_is_a_metric(monkeypatch, lpips, logged):
    monkeypatch.setattr(observer, "Validation", _Validation)
    monkeypatch.setattr(_Validation, "summary", replace(SUMMARY, lpips=lpips))
    tracker = _Tracker()
    observer.Observer(smoke(), tracker, RunMetrics("run")).validate(1, nn.Identity())
    assert tracker.logged["validation/progressive/relative_mae"] == 0.02
    assert ("validation/progressive/lpips" in tracker.logged) is logged
    assert None not in tracker.logged.values()
