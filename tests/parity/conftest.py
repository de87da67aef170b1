"""`--parity DIR`: the folder whose fixtures are run; the project's own copies where left out."""

from __future__ import annotations

from pathlib import Path

import pytest

OWN = Path(__file__).parent / "fixtures"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fixture_file" not in metafunc.fixturenames:
        return
    folder = Path(metafunc.config.getoption("--parity"))
    files = sorted(folder.glob("*.json"))
    if not files:
        msg = f"--parity {folder}: there is no fixture in this folder"
        raise pytest.UsageError(msg)
    metafunc.parametrize("fixture_file", files, ids=[file.stem for file in files])
