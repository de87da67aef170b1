"""`vitruvian bench world`."""

from __future__ import annotations

import json

import pytest

from vitruvian.cli import main


def test_people_a_second(capsys, monkeypatch):
    from vitruvian.world import bench
    from vitruvian.world.sample import Setting

    monkeypatch.setattr(bench, "CROWD", Setting(width=96, height=64, people=(2, 2)))
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "world", "--runs", "2", "--json"])
    assert leaving.value.code == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["people_per_second"] > 0
    assert report["people a second"]["person 192×256, cpu"] == report["people_per_second"]
    stages = report["person 192×256, cpu"]
    assert stages["all"]["median"] > stages["rays"]["median"] > 0
