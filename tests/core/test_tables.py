"""What is made from the cards says what the cards say."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_readme_has_the_table_of_the_cards() -> None:
    command = [sys.executable, "scripts/make_tables.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
