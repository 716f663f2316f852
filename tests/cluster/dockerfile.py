"""What cluster/Dockerfile says, and how its steps are replayed without Docker.

Only the part of Docker's language that the file uses is known; anything else is an error, so that
the file cannot outgrow its tests in silence.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rehearsal.machine import ROOT

DOCKERFILE = ROOT / "cluster" / "Dockerfile"
IMAGE = re.search(r"--tag (\S+)", DOCKERFILE.read_text()).group(1)  # type: ignore[union-attr]
"""The name that the file's own comment gives to the image."""

KNOWN = ("ARG", "COPY", "ENV", "FROM", "RUN", "USER", "WORKDIR")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction: its name, and what follows with the continued lines joined."""

    name: str
    text: str


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile in their order.

    Raises:
        ValueError: an instruction, or a flag of COPY or RUN, that the replay does not know.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    found = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name not in KNOWN or (name in ("COPY", "RUN") and rest.startswith("--")):
            raise ValueError(f"the replay knows no `{line}`; it knows {', '.join(KNOWN)}")
        found.append(Instruction(name=name, text=rest.strip()))
    return found


def assignments(instruction: Instruction) -> dict[str, str]:
    """The KEY=VALUE words of an ARG or an ENV."""
    return dict(word.split("=", 1) for word in shlex.split(instruction.text))


def written() -> list[Instruction]:
    """The instructions of the project's own Dockerfile."""
    return instructions(DOCKERFILE.read_text())


def context(folder: Path) -> Path:
    """Copy to a folder what `docker build .` sends: the project's files, less .dockerignore's."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() and not is_ignored(name, patterns):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def is_ignored(name: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps a file out: the last pattern for it, or a folder of it, says."""
    ignored = False
    for line in patterns:
        pattern = line.strip().removeprefix("!")
        if pattern and not line.startswith("#") and _matches(name, pattern):
            ignored = not line.startswith("!")
    return ignored


def _matches(name: str, pattern: str) -> bool:
    parts = name.split("/")
    ends = range(1, len(parts) + 1)
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
    if "/" in pattern:
        raise ValueError(f"the replay knows no pattern of several folders: {pattern}")
    return any(fnmatch.fnmatchcase("/".join(parts[:end]), pattern) for end in ends)


class Replay:
    """The image's file system below a folder, with an environment's Python in the image's place."""

    SYSTEM = ("apt-get", "useradd")
    """What the RUN steps begin with that are about Debian, and are not replayed."""

    def __init__(self, folder: Path, **arguments: str) -> None:
        """Make a fresh environment; `arguments` are build arguments."""
        self.files = folder / "files"
        self.context = context(folder / "context")
        self.python = folder / "environment" / "bin" / "python"
        self.workdir = self.files
        self.user = "root"
        self._arguments = arguments
        self.workdir.mkdir(parents=True)
        kept = {key: value for key, value in os.environ.items() if not _leads_astray(key)}
        path = f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin"
        cache = {"PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip")}  # of the home that we leave
        self.environment = cache | kept | {"PATH": path, "HOME": str(folder)}
        subprocess.run([sys.executable, "-m", "venv", self.python.parents[1]], check=True)

    def run(self, instruction: Instruction) -> None:
        """Do what one instruction says.

        Raises:
            ValueError: a RUN that begins with a program the replay does not know.
            subprocess.CalledProcessError: a step that fails.
        """
        match instruction.name:
            case "ARG":
                self.environment |= assignments(instruction) | self._arguments
            case "ENV":
                self.environment |= assignments(instruction)
            case "WORKDIR":
                self.workdir = self.files / instruction.text.lstrip("/")
                self.workdir.mkdir(parents=True)
            case "COPY":
                self._copy(*instruction.text.split())
            case "USER":
                self.user = instruction.text
            case "RUN":
                self._run(instruction.text)

    def execute(self, *words: str) -> str:
        """Run a command as in the finished image; return what it printed."""
        ended = subprocess.run(
            words, cwd=self.workdir, env=self.environment, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{words}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"
        return ended.stdout

    def _copy(self, *words: str) -> None:
        *sources, target = words
        for source in sources:
            chosen = self.context / source
            if chosen.is_dir():
                shutil.copytree(chosen, self.workdir / target, dirs_exist_ok=True)
            else:
                shutil.copy2(chosen, self.workdir / target)

    def _run(self, text: str) -> None:
        program = text.split()[0]
        if program in self.SYSTEM:
            return
        if program != "python":
            raise ValueError(f"the replay knows no RUN that begins with {program}")
        self.execute("/bin/sh", "-ec", with_pips_cache(text))


def with_pips_cache(step: str) -> str:
    """A step of the image that may take packages, gigabytes of them, from this machine's cache.

    What is installed is the same: an image alone has no use for a cache.
    """
    return step.replace(" --no-cache-dir", "")


def _leads_astray(variable: str) -> bool:
    """Whether a variable of this process would show in a build."""
    return variable.startswith(("PYTHON", "RAY_", "MLFLOW_", "VIRTUAL_ENV"))
