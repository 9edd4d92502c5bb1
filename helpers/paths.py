"""Where things lie: the project's own folders, and the one environment variable that moves what is built."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = PROJECT / "notebooks"
DEFAULTS = PROJECT / "helpers" / "defaults"
BUILT_ROOT_VARIABLE = "GROWTH_RINGS_BUILT"


def built_root() -> Path:
    """The folder below which `data/<name>/built`, the simulated raw files and `reports/` are written."""
    return Path(os.environ.get(BUILT_ROOT_VARIABLE) or PROJECT).resolve()


def built(dataset: str) -> Path:
    """User-level artefacts of a dataset; readable by their owner alone."""
    return built_root() / "data" / dataset / "built"


def reports(dataset: str) -> Path:
    """What may be passed around."""
    return built_root() / "reports" / dataset
