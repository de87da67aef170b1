"""Runs every fixture of a folder: `pytest tests/parity --parity DIR -k NAME`."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.parity.adapters import find_adapter
from tests.parity.fixture import Fixture


def test_published_outputs(fixture_file: Path) -> None:
    fixture = Fixture(fixture_file)
    adapter = find_adapter(fixture)
    with torch.no_grad():
        fixture.check(adapter(fixture))
