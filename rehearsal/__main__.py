"""Start a cluster of separate hosts on this machine, and lose one in each scene.

    sudo make rehearsal                        # every scene
    python -m rehearsal train bulk             # some of them, as root

Scenes: refusals (who gets in); train, tune, evaluate, serve and bulk, each of which submits its
work as the README does, takes a host away in the middle, and checks what came of the work; head
(which loses its power) and restore (of the tracking server, from a backup). What was lost and what
survived is printed at the end; exit code 1 where something did not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from isnet.config import InputError
from pipelines.cli import parse, run_main
from rehearsal import report
from rehearsal.cluster import Cluster
from rehearsal.desk import sit_down
from rehearsal.machine import missing
from rehearsal.outcome import Outcome
from rehearsal.scenes import SCENES
from rehearsal.stage import Stage


@dataclass(frozen=True, kw_only=True)
class RehearsalConfig:
    """Which scenes, and where their traces stay."""

    scenes: Annotated[tuple[str, ...], tyro.conf.Positional] = tuple(SCENES)
    """Scenes to play; all unless given."""
    folder: str | None = None
    """Empty folder for the hosts' logs, the jobs' output and outcomes.json; a new one in the
    folder of temporary files unless given. The database's user must be able to enter it."""


def main(argv: Sequence[str]) -> int:
    """Play scenes; return how many failed, at most 1."""
    config = parse(RehearsalConfig, argv, description=__doc__)
    _check(config)
    folder = _folder(config.folder)
    sit_down(["--folder", folder, *config.scenes], folder)
    outcomes: list[Outcome] = []
    with Cluster(folder / "cluster") as cluster:
        stage = Stage(cluster)
        for name in config.scenes:
            print(f"{name}: playing; its output is in {cluster.logs}", flush=True)
            outcomes.append(_play(name, stage))
            report.write(outcomes, folder)
    print(f"\n{report.summary(outcomes)}\nlogs of the hosts: {folder}")
    return int(any(outcome.error for outcome in outcomes))


def _play(name: str, stage: Stage) -> Outcome:
    """Play one scene; what goes wrong in it must not keep the next from the stage."""
    started = time.monotonic()
    try:
        stage.cluster.await_workers()  # also those that an earlier scene took away
        told = asdict(SCENES[name](stage))
    except Exception as error:  # noqa: BLE001
        told = {"error": f"{type(error).__name__}: {error}"}
        stage.cluster.recover()
    outcome = Outcome(scene=name, seconds=time.monotonic() - started, **told)
    print(f"{name}: {'FAILED' if outcome.error else 'went well'}", flush=True)
    return outcome


def _check(config: RehearsalConfig) -> None:
    """Refuse what cannot be played here, before anything is started."""
    unknown = [name for name in config.scenes if name not in SCENES]
    if unknown:
        raise InputError(f"no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    lacking = missing()
    if lacking:
        raise InputError(f"a rehearsal needs {'; '.join(lacking)}")


def _folder(given: str | None) -> Path:
    if given is None:
        folder = Path(tempfile.mkdtemp(prefix="isnet-rehearsal-"))
        folder.chmod(0o755)  # the database has a user of its own
        return folder
    folder = Path(given).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "cluster").exists():
        raise InputError(f"--folder {folder} holds an earlier rehearsal; name another")
    return folder


if __name__ == "__main__":
    run_main(main)
