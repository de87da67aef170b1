"""The world's tests need the extra `world`."""

from __future__ import annotations

import importlib.util

import pytest

missing = [name for name in ("anny", "warp") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if missing else []


@pytest.fixture(scope="session")
def samples():
    """A few samples of one person, and a crowd, by name."""
    from vitruvian.world.sample import Setting, render_sample

    single = [render_sample(11, index) for index in range(6)]
    crowd = Setting(width=320, height=200, people=(4, 6))
    return [*single, render_sample(12, 0, crowd), render_sample(12, 1, crowd)]
