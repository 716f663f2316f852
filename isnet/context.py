"""How far a generator looks: the pixels of its input that a pixel of its prediction depends on."""

from __future__ import annotations

from dataclasses import dataclass

from isnet.config import PHASES, GeneratorConfig


@dataclass(frozen=True)
class _Reach:
    """Features of which each stands for a square of `stride` pixels, and depends on more."""

    stride: int = 1
    radius: int = 0
    """Pixels round its square that a feature depends on."""

    def convolved(self, kernel: int = 3, *, dilation: int = 1) -> _Reach:
        return _Reach(self.stride, self.radius + dilation * (kernel // 2) * self.stride)

    def through_blocks(self, blocks: int, *, dilation: int) -> _Reach:
        reach = self
        for _ in range(blocks):
            reach = reach.convolved(dilation=dilation).convolved()
        return reach

    def halved(self, steps: int) -> _Reach:
        """3x3 convolutions of stride 2: a feature covers one more square on its left."""
        reach = self
        for _ in range(steps):
            reach = _Reach(2 * reach.stride, reach.radius + reach.stride)
        return reach

    def sub_pixel(self, steps: int) -> _Reach:
        """3x3 convolutions whose features are each cut into four."""
        reach = self
        for _ in range(steps):
            wider = reach.convolved()
            reach = _Reach(wider.stride // 2, wider.radius + wider.stride // 2)
        return reach

    def bilinear(self, steps: int) -> _Reach:
        """Features between which others are put; each looks at a neighbour."""
        return _Reach(self.stride // 2**steps, self.radius + 2 * self.stride)

    def joined(self, other: _Reach) -> _Reach:
        assert self.stride == other.stride
        return _Reach(self.stride, max(self.radius, other.radius))


def context_of(config: GeneratorConfig) -> int | None:
    """Say how many pixels away a generator looks at most.

    Returns:
        the radius in pixels, along either axis: what lies further from a pixel has no influence on
        its prediction. None for unet_like, whose instance norm looks at the whole image.

    """
    if config.design == "unet_like":
        return None
    high, low = _through_phases(config)
    if config.design == "base":
        return high.radius
    back = low.sub_pixel(PHASES) if config.design == "isnet" else low.bilinear(PHASES)
    return high.joined(back).convolved(7).convolved(3).radius


def _through_phases(config: GeneratorConfig) -> tuple[_Reach, _Reach]:
    """Follow both branches through `Phase.forward`, from the stem on."""
    high = _Reach().convolved().convolved()
    low: _Reach | None = None
    for index in range(PHASES):
        high = high.through_blocks(config.blocks, dilation=1)
        to_low = high.halved(index + 1)
        if low is not None:
            low = low.through_blocks(config.blocks, dilation=2)
            to_low = to_low.joined(low.halved(1))
            raised = low.sub_pixel(index) if config.design == "isnet" else low.bilinear(index)
            high = high.joined(raised)
        high, low = high.convolved(), to_low.convolved()
    assert low is not None
    return high, low
