"""Write the files for `ray up` from what source/ says of each, and of all of them.

python cluster/launcher/build.py            # after a change in source/
python cluster/launcher/build.py --check    # exit code 1 where a file is not as it would be written

A line `# common.yaml: KEY` of a source gives its place to the part of common.yaml with that key.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "source"
sys.path.insert(0, str(FOLDER.parent))

from writing import keep  # noqa: E402 (found by the line above)

HEAD = "# Written by build.py from source/{name} and source/common.yaml: change it there.\n"


def parts(text: str) -> dict[str, str]:
    """The parts of common.yaml, which blank lines divide, by the first key of each."""
    keyed = {}
    for part in text.rstrip("\n").split("\n\n"):
        if key := re.search(r"^(\w+):", part, re.MULTILINE):
            keyed[key[1]] = part
    return keyed


def built(name: str) -> str:
    """One file, as it should be."""
    common = parts((SOURCE / "common.yaml").read_text(encoding="utf-8"))
    text = (SOURCE / name).read_text(encoding="utf-8")
    filled = re.sub(r"^# common\.yaml: (\w+)$", lambda line: common[line[1]], text, flags=re.M)
    return HEAD.format(name=name) + filled


if __name__ == "__main__":
    names = sorted(path.name for path in SOURCE.glob("*.yaml") if path.name != "common.yaml")
    sys.exit(keep({FOLDER / name: built(name) for name in names}))
