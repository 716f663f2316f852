"""What cluster/README.md says to a shell."""

from __future__ import annotations

import re
import shlex

from tests.cluster.dockerfile import ROOT

README = ROOT / "cluster" / "README.md"


def blocks(heading: str) -> str:
    """What a section says to a shell, a command a line or several."""
    pattern = rf"^###? {heading}\n(.*?)(?=^###? |\Z)"
    (section,) = re.findall(pattern, README.read_text(), re.MULTILINE | re.DOTALL)
    found = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return "".join(found).replace("\\\n", " ")


def commands(line: str) -> list[str]:
    """The first words of a line's commands, which `;`, `&&` or `|` join; comments are none."""
    first, found = True, []
    for token in shlex.shlex(line, posix=True, punctuation_chars=";&|"):
        if first:
            found.append(token)
        first = token in (";", "&&", "||", "|")
    return [word for word in found if word != "done"]


def given(heading: str) -> list[str]:
    """The first words of all commands of a section."""
    return [word for line in blocks(heading).splitlines() for word in commands(line)]
