"""Write the dashboards from what source/ says of them; a panel is a line.

python cluster/grafana/build.py            # after a change in source/
python cluster/grafana/build.py --check    # exit code 1 where a file is not as it would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER / "source"), str(FOLDER.parent)]

import bulk  # noqa: E402 (found by the line above)
import serve  # noqa: E402
import training  # noqa: E402
import tune  # noqa: E402
from writing import keep  # noqa: E402

import cluster  # noqa: E402

BOARDS = [module.BOARD for module in (training, tune, bulk, serve, cluster)]


def text(board: dict[str, Any]) -> str:
    """Write a dashboard so that a change of a panel is a change of a line."""
    panels = ",\n  ".join(json.dumps(panel) for panel in board["panels"])
    rest = json.dumps({**board, "panels": []}, indent=1)
    return rest.replace('"panels": []', f'"panels": [\n  {panels}\n ]') + "\n"


if __name__ == "__main__":
    sys.exit(keep({FOLDER / f"{board.name}.json": text(board.json()) for board in BOARDS}))
