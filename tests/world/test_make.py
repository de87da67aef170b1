"""`vitruvian world make`: the same bytes however it is made, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.core.errors import InputError
from vitruvian.world import make as making
from vitruvian.world.dataset import World
from vitruvian.world.make import Plan, Progress, make, samples_for
from vitruvian.world.sample import Setting, render_sample, sample_crowd
from vitruvian.world.writers import find_writer, writers

SETTING = Setting(64, 80)
COUNT = 5


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def plan(name="coco", **changes):
    writer = replace(find_writer(name), shard=2)
    return Plan(writer, **{"samples": COUNT, "setting": SETTING, "seed": 3} | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder made in one go."""
    folder = tmp_path_factory.mktemp("whole") / "coco"
    make(plan(), folder)
    return contents(folder)


def test_nothing_but_the_set_is_left(whole):
    assert [name for name in whole if name.split("/")[-1].startswith(".")] == []
    assert {name for name in whole if name.endswith(".jpg")} == {
        f"{plan().part(index)}2017/{index + 1:012d}.jpg" for index in range(COUNT)
    }
    assert json.loads(whole["world.json"])["people"] == COUNT


def test_two_processes_make_the_same_bytes(whole, tmp_path):
    told = []
    done = Progress(lambda *totals: told.append(totals), told.append)
    assert make(plan(), tmp_path / "set", workers=2, progress=done)["people"] == COUNT
    assert contents(tmp_path / "set") == whole
    assert told == [(0, COUNT), *[1] * COUNT]


def test_a_run_that_is_stopped_anywhere_goes_on(whole, tmp_path, monkeypatch):
    """Each write of a file is the last one before a stop, in turn."""
    out = tmp_path / "set"
    write, kept = making.whole_file, making.render_all
    rendered = []

    def count_jobs(function, jobs, workers):
        rendered.append(len(jobs))
        return kept(function, jobs, workers)

    monkeypatch.setattr(making, "render_all", count_jobs)
    for allowed in (1, 4, 6, 30):
        left = [allowed]

        def stop(path, left=left):
            if not left[0]:
                (out / ".part-of-a-killed-run").write_text("half")
                raise KeyboardInterrupt
            left[0] -= 1
            return write(path)

        monkeypatch.setattr(making, "whole_file", stop)
        if allowed < 30:
            with pytest.raises(KeyboardInterrupt):
                make(plan(), out)
        else:
            make(plan(), out)
    assert contents(out) == whole
    assert rendered == sorted(rendered, reverse=True)
    assert rendered[-1] < COUNT


def test_kill_9_and_the_same_command_again(tmp_path):
    out, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    command = [
        *(sys.executable, "-c", "from vitruvian.cli import main; main()"),
        *("world", "make", "--as", "lsp", "--out", str(out), "--count", "8"),
        *("--workers", "1", "--size", "64", "80"),
    ]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 60
    while not list(out.glob("images/*.jpg")) and time.monotonic() < patience:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (out / "joints.mat").exists()
    lsp = Plan(find_writer("lsp"), 8, SETTING)
    for folder in (out, unbroken):
        make(lsp, folder)
    assert contents(out) == contents(unbroken)


def test_what_is_made_is_not_made_again(whole, tmp_path, monkeypatch):
    make(plan(), tmp_path / "set")
    monkeypatch.setattr(making, "render_all", None)
    assert make(plan(), tmp_path / "set") == {"samples": COUNT, "people": COUNT}


def test_a_full_disk_is_one_sentence(capsys, tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write = Path.write_bytes

    def fail(path, data):
        if path.suffix == ".jpg":
            raise full
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    code, _, err = run(
        *(capsys, "world", "make", "--as", "lsp", "--count", 1, "--out", tmp_path / "set"),
        *("--size", 64, 80),
    )
    assert code == 1
    assert "No space left on device" in err.splitlines()[-1]
    assert not list(tmp_path.rglob("*.jpg"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 4}, "seed: 3 there, 4 asked"),
        ({"samples": 6}, "number of samples: 5 there, 6 asked"),
        ({"setting": Setting(64, 96)}, "height: 80 there, 96 asked"),
        ({"name": "lsp"}, "format: coco there, lsp asked"),
        ({"shares": (0.5, 0.5)}, "parts:"),
    ],
)
def test_a_folder_of_another_configuration_is_refused(tmp_path, change, sentence):
    out = tmp_path / "set"
    making._begin(plan(), out)
    before = contents(out)
    with pytest.raises(InputError, match=sentence):
        make(plan(**change), out)
    assert contents(out) == before


def test_another_body_model_is_refused(tmp_path, monkeypatch):
    making._begin(plan(), tmp_path / "set")
    monkeypatch.setattr(making, "rig_file", lambda: Path("anny-9.9-rank64.npz"))
    with pytest.raises(InputError, match=r"body model: anny-\S+ there, anny-9\.9-rank64 asked"):
        make(plan(), tmp_path / "set")


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        make(plan(), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--as", "coco-wholebdy"), "Did you mean 'coco-wholebody'?"),
        (("--size", 4, 4), "from 16 to 4096"),
        (("--crowd", 3, 40), "within 1 to 12"),
        (("--activity", "waking"), "Did you mean 'walking'?"),
        (("--people", 0), "one sample or more"),
        (("--people", 2, "--count", 2), "not both"),
        (("--workers", 0), "1 or more"),
        (("--as", "coco", "--split", "0.5"), "train, val"),
        (("--as", "coco", "--split", "half"), "0.8,0.2"),
    ],
)
def test_bad_input_is_one_sentence(capsys, tmp_path, arguments, sentence):
    code, _, err = run(capsys, "world", "make", "--out", tmp_path / "set", *arguments)
    assert code == 1
    assert sentence in err
    assert not list(tmp_path.rglob("*.jpg"))


def test_people_are_counted_without_rendering():
    crowd = Setting(64, 64, (1, 3))
    rendered = [len(render_sample(5, index, crowd).people) for index in range(3)]
    assert rendered == [sample_crowd(5, index, crowd) for index in range(3)]
    assert samples_for(sum(rendered), 5, crowd) == 3
    assert samples_for(7, 5, Setting(people=(3, 3))) == 3


def test_parts_are_spread_by_index_alone():
    parts = [plan(samples=1000).part(index) for index in range(1000)]
    assert parts.count("val") == pytest.approx(100, abs=2)
    assert parts[:50] == [plan(samples=50).part(index) for index in range(50)]
    assert {plan("crowdpose", samples=20).part(index) for index in range(20)} == {
        *("train", "val", "test")
    }


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native") / "shards"
    make(plan("native", samples=3, setting=Setting(64, 48, (1, 2))), folder)
    return folder


def test_shards_give_what_rendering_gives(native):
    read, fresh = World(root=native), World(3, 3, Setting(64, 48, (1, 2)))
    assert len(read) == len(fresh) == 3
    for place in (2, 0):
        one, other = read[place], fresh[place]
        assert one.keys() == other.keys()
        for key, value in one.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == other[key].dtype, key
                np.testing.assert_array_equal(value, other[key], err_msg=key)
            else:
                assert value == other[key], key
    assert list(World(2, first=1, root=native)[1]["image"].ravel()) == list(
        read[2]["image"].ravel()
    )


def test_an_item_agrees_with_itself(native):
    item = World(root=native)[0]
    assert item["image"].shape == (48, 64, 3)
    for place in range(len(item["people"])):
        own = item["person"] == place + 1
        assert (item["full_masks"][place] >= own).all()
        rows, columns = np.nonzero(own)
        x1, y1, x2, y2 = item["boxes"][place]
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x1, y1, x2, y2)
    assert ((item["depth"] > 0) >= (item["person"] > 0)).all()
    np.testing.assert_array_equal(item["iuv"][..., 0] > 0, item["person"] > 0)
    assert item["joints"].shape[1] == len(item["names"])


def test_folders_that_cannot_be_read(tmp_path, native):
    with pytest.raises(InputError, match=r"world\.json"):
        World(root=tmp_path)
    making._begin(plan("native"), tmp_path / "begun")
    with pytest.raises(InputError, match="not whole"):
        World(root=tmp_path / "begun")
    making._begin(plan("lsp"), tmp_path / "lsp")
    with pytest.raises(InputError, match="as lsp"):
        World(root=tmp_path / "lsp")
    with pytest.raises(InputError, match="3 samples"):
        World(9, root=native)
    with pytest.raises(IndexError):
        World(root=native)[3]


def test_formats_are_listed(capsys):
    code, out, _ = run(capsys, "world", "formats", "--json")
    assert code == 0
    assert set(json.loads(out)["formats"]) == set(writers())
    for name, writer in writers().items():
        assert name == writer.name
        assert writer.title.endswith(".")
