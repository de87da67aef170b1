from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tests.people.fakes import person_at
from vitruvian.core.records import Frame
from vitruvian.core.skeletons import COCO17, OPENPOSE18
from vitruvian.people.sources import Source
from vitruvian.people.writers import coco_image_ids, csv_header, write_tables


def photos(*names: str) -> list[Source]:
    return [Source(name, "photo", name) for name in names]


def ids(sources, frames=1):
    return list(coco_image_ids(sources, {source.name: frames for source in sources}).values())


def test_coco_names_give_their_numbers() -> None:
    sources = photos("x/COCO_val2014_000000000192.jpg", "x/000000000241.jpg")
    assert ids(sources) == [192, 241]


@pytest.mark.parametrize(
    "names",
    [
        ("a/1.jpg", "b/1.jpg"),  # twice the same
        ("a1.jpg", "b.jpg"),  # one has none
        ("1.jpg", "99999999999999999999.jpg"),  # one is no exact number of JSON
    ],
)
def test_other_names_are_counted(names) -> None:
    assert ids(photos(*names)) == [1, 2]


def test_video_frames_follow_the_photos() -> None:
    clip, other = Source("c.mp4", "video", "c.mp4"), Source("d.mp4", "video", "d.mp4")
    found = coco_image_ids(
        [clip, *photos("im_7.jpg", "bad.jpg"), other],
        {"c.mp4": 100, "im_7.jpg": 1, "bad.jpg": 0, "d.mp4": 5},
    )
    assert found == {"im_7.jpg": 7, "c.mp4": 8, "d.mp4": 108}


def tables(tmp_path, frames):
    lines = [frame.to_dict() for frame in frames]
    seen = []
    paths = tmp_path / "a.csv", tmp_path / "a.json"
    write_tables(lines, *paths, {frame.source: 5 for frame in frames}, seen.append)
    assert seen == lines
    with paths[0].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), json.loads(paths[1].read_text())


def test_tables_hold_what_the_records_hold(tmp_path) -> None:
    people = (person_at(50.25, 60.5, face=True), person_at(90, 60))
    people[1].pose.joints[OPENPOSE18.index["left_wrist"]] = 0
    frame = Frame('a,"b"\n.mp4', 3, 0.12, 160, 120, people)
    rows, coco = tables(tmp_path, [frame])
    assert len(rows) == len(coco) == 2
    assert rows[0]["source"] == 'a,"b"\n.mp4'
    assert (rows[0]["frame"], rows[0]["seconds"], rows[0]["score"]) == ("3", "0.12", "0.9")
    assert float(rows[0]["nose_x"]) == pytest.approx(people[0].pose["nose"][0], abs=0.01)
    assert float(rows[0]["x2"]) == pytest.approx(58.25)
    assert float(rows[0]["face_nose_x"]) == pytest.approx(52.25)
    assert rows[1]["left_wrist_x"] == rows[1]["face_score"] == ""
    assert coco[0]["image_id"] == 8
    key_points = np.array(coco[0]["keypoints"]).reshape(17, 3)
    nose = COCO17.index["nose"]
    assert key_points[nose, 0] == pytest.approx(people[0].pose["nose"][0] - 0.5, abs=0.01)
    assert key_points[:, 2].min() > 0
    assert np.array(coco[1]["keypoints"]).reshape(17, 3)[COCO17.index["left_wrist"]].sum() == 0
    assert coco[0]["bbox"] == pytest.approx([41.75, 40, 16, 40])


def test_nobody_at_all_gives_a_header_and_an_empty_list(tmp_path) -> None:
    rows, coco = tables(tmp_path, [Frame("a", 0, 0.0, 10, 10)])
    assert rows == coco == []
    header = (tmp_path / "a.csv").read_text().strip().split(",")
    assert header == csv_header(OPENPOSE18)
    assert len(set(header)) == len(header) == 9 + 54 + 15


def test_faster_coco_eval_takes_the_results(tmp_path) -> None:
    from faster_coco_eval import COCO, COCOeval_faster

    people = (person_at(50, 60), person_at(110, 60))
    _, results = tables(tmp_path, [Frame("a", 0, 0.0, 160, 120, people)])
    truth = [
        {
            **result,
            "id": number,
            "keypoints": [2 if i % 3 == 2 else v for i, v in enumerate(result["keypoints"])],
            "num_keypoints": 17,
            "area": 640.0,
            "iscrowd": 0,
        }
        for number, result in enumerate(results, 1)
    ]
    coco = COCO(
        {
            "images": [{"id": 5, "width": 160, "height": 120}],
            "annotations": truth,
            "categories": [{"id": 1, "name": "person"}],
        }
    )
    evaluator = COCOeval_faster(coco, coco.loadRes(results), "keypoints", print_function=str)
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    assert evaluator.stats[0] == pytest.approx(1.0)
