"""`analyze --futures`: who goes where, drawn into a clip from its own tracks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.people.fakes import FakeDetector, person_at, write_clip
from vitruvian.cli import main
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.records import Frame
from vitruvian.motion.dscmp import Dscmp
from vitruvian.people.futures import FutureDrawer, load_predictor
from vitruvian.people.options import RunOptions
from vitruvian.people.run import run
from vitruvian.people.video import VideoReader


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network whose futures go straight on, but for what the latent adds."""
    torch.manual_seed(0)
    system = Dscmp(hidden=8, unit="heights", metre=0.6)
    torch.nn.init.zeros_(system.network.out.weight)
    torch.nn.init.zeros_(system.network.out.bias)
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    system.save(file)
    return str(file)


def frames(count, rate=25.0, people=1):
    """People 40 pixels tall who go to the right by 20 pixels a second."""
    for number in range(count):
        seconds = number / rate
        there = tuple(
            replace(person_at(30 + 20 * seconds, 40 + 60 * place), id=place + 1)
            for place in range(people)
        )
        yield Frame("clip.mp4", number, seconds, 320, 120, there, ())


def test_a_walk_to_the_right_is_drawn_to_the_right(weights):
    drawer = FutureDrawer(load_predictor(weights, "cpu"))
    for frame in frames(76):
        image = np.zeros((120, 320, 3), dtype=np.uint8)
        drawer.draw(image, frame)
        if frame.seconds < 0.7:
            assert not image.any()  # too short a past
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    now = 30 + 20 * 3.0
    assert columns.min() >= now - 8  # nothing behind
    assert columns.max() == pytest.approx(now + 4.8 * 20, abs=35)
    rows = np.flatnonzero(image.any(axis=(1, 2)))
    assert abs(rows.mean() - 60) < 15  # at the feet, the lower edge of the box


def test_who_is_gone_or_odd_is_not_drawn(weights):
    drawer = FutureDrawer(load_predictor(weights, "cpu"))
    found = list(frames(76))
    image = np.zeros((120, 320, 3), dtype=np.uint8)
    for frame in found[:-1]:
        drawer.draw(np.zeros_like(image), frame)
    empty = Frame("clip.mp4", 75, 3.0, 320, 120, (), ())
    drawer.draw(image, empty)
    assert not image.any()
    still = FutureDrawer(load_predictor(weights, "cpu"))
    for _ in range(3):  # a clip whose clock stands still
        still.draw(image, found[0])
    assert not image.any()


def go(clip, out, **options):
    options = RunOptions(device="cpu", smooth=False, **options)
    return run([str(clip)], out, options, make_detector=lambda _o, _t: FakeDetector())


def test_a_run_draws_them_and_remembers_that_it_did(tmp_path, weights):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, frames=30)
    go(clip, tmp_path / "plain")
    go(clip, tmp_path / "drawn", futures=weights)
    same = [(tmp_path / out / "people.jsonl").read_bytes() for out in ("plain", "drawn")]
    assert same[0] == same[1]
    last = []
    for out in ("plain", "drawn"):
        with VideoReader(str(tmp_path / out / "annotated" / "clip.mp4")) as reader:
            last.append([frame.image for frame in reader][-1].astype(int))
    assert np.abs(last[0] - last[1]).max() > 60
    record = json.loads((tmp_path / "drawn" / "run.json").read_text())
    assert record["options"]["futures"] == weights
    assert [item["system"] for item in record["systems"]] == ["pose/fake", "motion/dscmp"]
    with pytest.raises(InputError, match="overwrite"):
        go(clip, tmp_path / "plain", futures=weights)


def test_weights_in_body_heights_come_along_and_others_are_refused(tmp_path, weights):
    assert load_predictor(device="cpu").unit == "heights"
    other = tmp_path / "metres.safetensors"
    Dscmp(hidden=8).save(other)
    with pytest.raises(WeightsError, match="is for tracks in m, and a clip's are in body heights"):
        load_predictor(str(other), "cpu")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--futures-weights", "w.safetensors"], "give both"),
        (["--futures", "--no-annotate"], "leave --no-annotate out"),
        (["--futures", "--futures-weights", "absent.safetensors"], "no checkpoint at absent"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_done(tmp_path, capsys, options, sentence):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, frames=3)
    with pytest.raises(SystemExit) as leaving:
        main(["analyze", str(clip), "--out", str(tmp_path / "out"), *options])
    assert leaving.value.code == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
