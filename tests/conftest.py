"""Options and fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests run in as many processes as there are cores: one thread each, or they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity",
        default=str(Path(__file__).parent / "parity" / "fixtures"),
        help="folder of parity fixtures to run",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: run with -m slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def data_set():
    """A function that gives a data set's folder, or skips the test naming the set."""
    from vitruvian.core.files import data_root

    def find(name: str) -> Path:
        root = data_root() if data_root().is_dir() else ROOT / "../shared/data"
        folder = (root / name).resolve()
        if not folder.exists():
            pytest.skip(f"the data set {name!r} is not at {folder} (set VITRUVIAN_DATA)")
        return folder

    return find
