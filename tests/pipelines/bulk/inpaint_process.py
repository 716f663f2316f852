"""`inpaint.py` as a process of its own."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from pyarrow import parquet

from tests.pipelines.bulk.pictures import results_of
from tests.pipelines.command_process import CommandProcess


class InpaintProcess(CommandProcess):
    """A job on given pictures, in a folder of its own."""

    def __init__(self, folder: Path, checkpoint: Path, pictures: Path, masks: Path) -> None:
        """Plan it."""
        super().__init__("inpaint.py", folder)
        self.out = folder / "out"
        given = {"checkpoint": checkpoint, "input": pictures, "masks": masks, "output": self.out}
        given |= {"reconstruction.kernel-size": 3, "reconstruction.threshold": 0.001}
        given |= {"tracking.uri": f"sqlite:///{folder}/mlflow.db"}
        self.words = [f"--{name}={value}" for name, value in given.items()]

    def parts(self) -> dict[str, int]:
        """The parts that are there, and when each was written."""
        found = self.out.glob(".inpaint/parts/*.parquet")
        return {path.name: path.stat().st_mtime_ns for path in found}

    def wait_for_parts(self, count: int) -> bool:
        """Wait until so many units are done; False where the command ended before."""
        until = time.monotonic() + 300
        while len(self.parts()) < count:
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < until, self.output[-4000:]
            time.sleep(0.01)
        return True

    def actors(self) -> list[psutil.Process]:
        """The processes that fill."""
        return self.children("Filler")

    def results(self) -> dict[str, bytes]:
        """The results by their paths."""
        return results_of(self.out)

    def rows(self) -> list[dict[str, object]]:
        """The table, without the times."""
        table = parquet.read_table(self.out / "results.parquet").drop_columns("milliseconds")
        return table.to_pylist()
