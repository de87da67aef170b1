"""Track files: windows as the published loader cuts them, and a sentence for what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import COCO17
from vitruvian.motion.data import TrackData
from vitruvian.motion.datasets.files import read_tracks
from vitruvian.motion.datasets.sdd import TEST, TRAIN, Sdd, read_sdd
from vitruvian.motion.datasets.trajnet import TrajNet, read_trajnet
from vitruvian.motion.observe import observe
from vitruvian.motion.tracks import cut_windows, is_nonlinear, join_windows, make_tracks, read_text


def walk(people=3, frames=25, spacing=10):
    """Rows of people who walk along x, one metre a step, in lanes."""
    return [
        (frame * spacing, person, float(frame), 2.0 * person)
        for frame in range(frames)
        for person in range(1, people + 1)
    ]


def write(file, rows):
    file.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return file


def test_windows_are_of_those_who_stay(tmp_path):
    rows = [row for row in walk() if not (row[1] == 3 and row[0] == 100)]  # 3 is away once
    windows = cut_windows(read_text(write(tmp_path / "a.txt", rows)))
    assert len(windows) == 6  # 25 frames, 20 in a window
    assert windows.tracks.shape == (12, 20, 2)
    assert windows.people.tolist() == [1, 2] * 6
    assert windows.frames.tolist() == [0, 10, 20, 30, 40, 50]
    second = windows.tracks[windows.rows(1)]
    assert second[1, 0].tolist() == [1, 4]
    assert second[0, -1].tolist() == [20, 2]


def test_a_stride_and_a_least_number_of_people(tmp_path):
    tracks = read_text(write(tmp_path / "a.txt", walk(people=2)))
    assert cut_windows(tracks, stride=2).frames.tolist() == [0, 20, 40]
    assert len(cut_windows(tracks, least=3)) == 0
    alone = read_text(write(tmp_path / "b.txt", walk(people=1)))
    assert len(cut_windows(alone)) == 0
    assert len(cut_windows(alone, least=1)) == 6
    both = join_windows([cut_windows(tracks), cut_windows(alone, least=1)])
    assert both.starts.tolist() == [0, 2, 4, 6, 8, 10, 12, 13, 14, 15, 16, 17, 18]
    assert both.sources[0] != both.sources[-1]


def test_order_of_rows_repeats_and_separators_do_not_matter(tmp_path):
    rows = walk()
    plain = cut_windows(read_text(write(tmp_path / "a.txt", rows)))
    mixed = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))] + rows[:5]
    text = "# frame, person, x, y\n\n" + "".join(f"{f}, {p};{x} {y}\n" for f, p, x, y in mixed)
    (tmp_path / "b.txt").write_text(text)
    other = cut_windows(read_text(tmp_path / "b.txt"))
    assert np.array_equal(plain.tracks, other.tracks)
    assert np.array_equal(plain.people, other.people)


def test_coordinates_have_four_decimals(tmp_path):
    rows = [(frame, person, x + 0.123456, y) for frame, person, x, y in walk()]
    windows = cut_windows(read_text(write(tmp_path / "a.txt", rows)))
    assert windows.tracks[0, 0, 0] == np.float32(0.1235)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no tracks"),
        ("# nothing\n", "holds no tracks"),
        ("1 1 2 3\n1 2 nan 3\n", "line 2 holds a number that is not finite"),
        ("1 1 2 3\n\n1 2 inf 3\n", "line 3 holds a number that is not finite"),
        ("1 1 2 3\n1 2 3\n", "line 2 is not a row of frame, person, x and y"),
        ("1 1 2 x\n", "line 1 is not a row"),
        ("1.5 1 2 3\n", "line 1 holds a frame or a person that is no whole number"),
        ("1 1e300 2 3\n", "line 1 holds a frame or a person that is no whole number"),
        ("1 1 2 3\n2 1 2 3\n1 1 2 4\n", "line 3 puts a person at a second place"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(text, sentence, tmp_path):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_tracks(tmp_path / "t.txt")
    assert str(tmp_path / "t.txt") in str(caught.value)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_tracks(tmp_path / "none.txt")
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="is no text"):
        read_tracks(tmp_path / "t.txt")


def test_the_flag_of_tracks_that_bend():
    steps = np.arange(12.0)
    assert not is_nonlinear(np.stack([steps, 0.1 * steps**2], axis=-1))  # a parabola is a fit
    assert is_nonlinear(np.stack([steps, np.sin(steps)], axis=-1))


def test_a_moment_has_pasts_and_truth(tmp_path):
    tracks = read_text(write(tmp_path / "a.txt", walk(people=2)))
    found = observe(tracks, 100)
    assert found.people.tolist() == [1, 2]
    assert found.past[1].tolist() == [[x, 4.0] for x in range(3, 11)]
    assert found.truth[0].tolist() == [[x, 2.0] for x in range(11, 23)]
    assert found.frames.tolist() == list(range(110, 230, 10))
    late = observe(tracks)
    assert late.frame == 240
    assert np.isnan(late.truth).all()


def test_gaps_are_bridged_and_short_pasts_go_on_backwards(tmp_path):
    rows = [row for row in walk(people=3) if not (row[1] == 1 and row[0] in (80, 90))]
    rows = [row for row in rows if not (row[1] == 2 and row[0] < 90)]  # two steps at frame 100
    rows = [row for row in rows if not (row[1] == 3 and row[0] < 100)]  # one step
    found = observe(read_text(write(tmp_path / "a.txt", rows)), 100)
    assert found.past[0, :, 0].tolist() == list(range(3, 11))
    assert found.past[1, :, 0].tolist() == list(range(3, 11))
    assert found.past[2, :, 0].tolist() == [10.0] * 8
    assert found.seen.tolist() == [8, 2, 1]


def test_another_pace_is_brought_to_ours():
    rows = np.array(walk(people=1, frames=121, spacing=1), dtype=float)
    tracks = make_tracks(rows[:, 0], rows[:, 1], rows[:, 2:], "film", step=0.1)  # 10 a second
    found = observe(tracks, 60)
    assert found.past[0, :, 0].tolist() == list(range(32, 61, 4))
    assert found.frames.tolist() == list(range(64, 109, 4))


def test_nobody_there_is_a_sentence(tmp_path):
    tracks = read_text(write(tmp_path / "a.txt", walk(people=1)))
    with pytest.raises(InputError, match="nobody in frame 999: its frames go from 0 to 240"):
        observe(tracks, 999)


def box_rows(frames, lost_after):
    for frame in range(frames):
        for track in (0, 1):
            x, lost = 10 + frame, int(track == 1 and frame > lost_after)
            box = f"{x} {100 * track} {x + 20} {100 * track + 40}"
            yield f'{track} {box} {frame} {lost} 0 0 "Pedestrian"'
        yield f'7 0 0 9 9 {frame} 0 0 0 "Biker"'


def write_films(folder, films):
    for film in films:
        (folder / "annotations" / film).mkdir(parents=True)
        file = folder / "annotations" / film / "annotations.txt"
        file.write_text("\n".join(box_rows(300, 300)) + "\n")
    return folder


def test_sdd(tmp_path):
    for film in ("quad/video0", "deathCircle/video1"):
        (tmp_path / "annotations" / film).mkdir(parents=True)
        file = tmp_path / "annotations" / film / "annotations.txt"
        file.write_text(
            "\n".join(box_rows(*((1500, 1500) if film[0] == "d" else (300, 280)))) + "\n"
        )
    tracks = read_sdd(tmp_path / "annotations" / "quad" / "video0" / "annotations.txt")
    assert tracks.unit == "px"
    assert tracks.positions[0].tolist() == [20, 20]
    assert np.unique(tracks.people).tolist() == [0, 1]
    test = Sdd("test", tmp_path)
    assert len(test) == 5  # the second one is lost at step 25: one window fewer
    assert np.allclose(np.diff(test.windows.tracks[0, :, 0]), 12)
    assert len(Sdd("train", tmp_path)) > len(Sdd("val", tmp_path)) > 0
    assert len(TRAIN) == 30
    assert len(TEST) == 17
    assert not set(TRAIN) & set(TEST)
    data = TrackData("sdd", root=str(tmp_path))
    assert len(data.windows("test")) == 5
    assert len(data.windows("val")) == len(Sdd("val", tmp_path))
    with pytest.raises(InputError, match="holds no film of Stanford Drone Dataset for its part"):
        Sdd("test", write_films(tmp_path / "other", ["bookstore/video5"]))
    (tmp_path / "bad.txt").write_text('0 1 2 3 4 12 0 0 0 "Pedestrian"\n0 1 2 3 4 x 0 0 0 "Cart"\n')
    with pytest.raises(InputError, match=r"bad\.txt, line 2"):
        read_sdd(tmp_path / "bad.txt")


def test_trajnet(tmp_path):
    lines = [json.dumps({"scene": {"id": 0, "p": 2, "s": 0, "e": 200, "fps": 2.5}})]
    for frame, person, x, y in walk():
        lines.append(json.dumps({"track": {"f": frame, "p": person, "x": x, "y": y}}))
    guess = {"f": 0, "p": 1, "x": 9.0, "y": 9.0, "prediction_number": 0, "scene_id": 0}
    lines.append(json.dumps({"track": guess}))
    (tmp_path / "val").mkdir()
    file = tmp_path / "val" / "a.ndjson"
    file.write_text("\n".join(lines) + "\n")
    found = TrackData("trajnet", root=str(tmp_path)).windows("val")
    assert len(found) == 1  # the scene's last 20 of 21 frames, not every window of the file
    assert found.frames.tolist() == [10]
    assert found.people.tolist() == [2, 1, 3]  # whom the scene asks for comes first
    assert found.tracks[0, :, 0].tolist() == list(range(1, 21))
    assert found.tracks[0, 0, 1] == 4
    file.write_text("\n".join(lines[1:]) + "\n")
    assert len(TrajNet("val", tmp_path)) == 6
    observed = [line for line in lines if '"f": 1' not in line and '"f": 2' not in line]
    file.write_text("\n".join(observed) + "\n")
    with pytest.raises(InputError, match="a part whose futures are in it"):
        TrajNet("val", tmp_path)
    file.write_text(lines[0].replace('"s": 0', '"s": null') + "\n")
    with pytest.raises(InputError, match="line 1 is no line of TrajNet"):
        TrajNet("val", tmp_path)
    file.write_text("\n".join(lines) + "\n")
    assert len(read_tracks(file)[0]) == 75
    file.write_text(lines[1] + '\n{"track": {"f": 1}}\n')
    with pytest.raises(InputError, match="line 2 is no line of TrajNet"):
        read_trajnet(file)


def person(number, x, height):
    box = np.array([x, 100 - height, x + 10, 100], dtype=np.float32)
    return Person(0.9, box, Pose(COCO17, np.zeros((17, 3), dtype=np.float32)), id=number)


def test_people_of_a_clip_in_body_heights(tmp_path):
    frames = [
        Frame("a.mp4", n, n / 25, 640, 480, (person(1, 2.0 * n, 50), person(2, 3.0 * n, 30)))
        for n in range(60)
    ]
    frames.append(Frame("b.jpg", 0, 0, 640, 480, (person(1, 0, 40),)))
    file = tmp_path / "people.jsonl"
    file.write_text("".join(json.dumps(frame.to_dict()) + "\n" for frame in frames))
    (tracks,) = read_tracks(file)
    assert tracks.unit == "heights"
    assert tracks.step == pytest.approx(1 / 25)
    assert tracks.positions[0] == pytest.approx([5 / 40, 100 / 40])
    found = observe(tracks, 50)
    assert np.diff(found.past[0, :, 0]) == pytest.approx([20 / 40] * 7)  # ten frames of two pixels
    legless = [frame.people[0] for frame in frames]
    legless[30].box[3] = 70  # the feet of one frame are not seen
    file.write_text("".join(json.dumps(frame.to_dict()) + "\n" for frame in frames))
    (again,) = read_tracks(file)
    assert again.positions == pytest.approx(tracks.positions)
    file.write_text(json.dumps(frames[-1].to_dict()) + "\n")
    with pytest.raises(InputError, match="no video with people"):
        read_tracks(file)
