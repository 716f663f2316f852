"""How a job ended."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.progress import clock

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the pictures of a job."""

    total: int
    done: int
    """Filled, by earlier starts too."""
    kept: int
    """Filled by earlier starts."""
    failed: int
    reasons: dict[str, int]
    """Failures by reason, most frequent first."""
    failures: tuple[dict[str, str], ...]
    """The first of them: input, reason, error."""
    seconds: float
    """Spent on filling, by this start."""
    stopped: bool
    """Whether it was stopped after too many failures."""

    @property
    def images_per_second(self) -> float:
        """Pictures that this start has tried each second."""
        return (self.done + self.failed - self.kept) / max(self.seconds, 1e-9)

    @property
    def exit_code(self) -> int:
        """0 where every picture is filled, else 1."""
        return 0 if self.done == self.total else 1

    def lines(self) -> list[str]:
        """Say how it ended, and why what failed did."""
        kept = f", {self.kept:,} of them by an earlier start" if self.kept else ""
        lines = [
            f"{self.done:,} of {self.total:,} pictures filled{kept}; {self.failed:,} failed; "
            f"{clock(self.seconds)}, {self.images_per_second:.3g} images/s"
        ]
        lines += [f"failed: {count:,} {reason}" for reason, count in self.reasons.items()]
        lines += [f"  {each['input']}: {each['error']}" for each in self.failures[:_SHOWN]]
        if self.failed > _SHOWN and not self.stopped:
            lines.append("  ... the results table has all of them")
        if self.stopped:
            lines.append("stopped: more failures than --max-failures; the same command goes on")
        return lines
