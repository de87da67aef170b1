"""Average precision against the reference tools' numbers, and on official-format files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17
from vitruvian.pose.coco_metrics import (
    CROWDPOSE_STATISTICS,
    STATISTICS,
    WHOLEBODY_PARTS,
    coco_keypoint_ap,
    crowdpose_ap,
    wholebody_ap,
)
from vitruvian.pose.oks import oks_to_truth

RECALLS = np.linspace(0, 1, 101)


def read(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def perfect(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each labelled person, found."""
    known = [person for person in people if person.get("num_keypoints", 1)]
    return [{**person, "score": 0.9 - 0.01 * n} for n, person in enumerate(known)]


def crowd_of_people(
    random: np.random.Generator,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Twelve people in four images, and for each three detections of growing error."""
    people, detections = [], []
    for number in range(12):
        size = random.uniform(60, 200)
        points = random.uniform(0, 400, 2) + random.uniform(0, size, (17, 2))
        visible = random.integers(0, 3, 17)
        people.append(
            {
                "image_id": number % 4,
                "keypoints": np.column_stack([points, visible]),
                "bbox": [*points.min(axis=0), *np.ptp(points, axis=0)],
                "area": 0.6 * size**2,
            }
        )
        for _ in range(3):
            noise = random.uniform(0, 0.15) * size * random.standard_normal((17, 2))
            detections.append(
                {
                    "image_id": number % 4,
                    "keypoints": np.column_stack([points + noise, np.ones(17)]),
                    "score": random.uniform(),
                }
            )
    return people, detections


def plain_ap(people: list[dict[str, Any]], detections: list[dict[str, Any]]) -> float:
    """COCO's AP from its definition, for people who are all labelled and none a crowd."""
    values = []
    for threshold in np.arange(0.5, 0.96, 0.05):
        outcomes = []
        for image in range(4):
            here = [person for person in people if person["image_id"] == image]
            found = [each for each in detections if each["image_id"] == image]
            found.sort(key=lambda each: -each["score"])
            likeness = oks_to_truth(
                [each["keypoints"] for each in found],
                [person["keypoints"] for person in here],
                [person["bbox"] for person in here],
                [person["area"] for person in here],
            )
            free = np.ones(len(here), dtype=bool)
            for each, row in zip(found, likeness, strict=True):
                row = np.where(free, row, -1)
                match = int(row.argmax())
                good = bool(row[match] >= threshold)
                free[match] &= not good
                outcomes.append((each["score"], good))
        good = np.array([right for _, right in sorted(outcomes, key=lambda pair: -pair[0])])
        precision = np.cumsum(good) / np.arange(1, len(good) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(np.cumsum(good) / len(people), RECALLS)
        values.append(np.append(precision, 0)[np.minimum(places, len(good))].mean())
    return float(np.mean(values))


def test_ap_is_that_of_its_definition(capfd: pytest.CaptureFixture[str]) -> None:
    people, detections = crowd_of_people(np.random.default_rng(3))
    scores = coco_keypoint_ap(people, detections)
    assert tuple(scores) == STATISTICS
    assert 0.1 < scores["ap"] < 0.9
    assert scores["ap"] == pytest.approx(plain_ap(people, detections), abs=1e-9)
    assert capfd.readouterr().out == ""


def test_ignored_people_cost_nothing() -> None:
    people, _ = crowd_of_people(np.random.default_rng(3))
    detections = perfect(people)
    people[0] = {**people[0], "iscrowd": 1}
    people[1] = {**people[1], "keypoints": people[1]["keypoints"] * [1, 1, 0]}
    assert coco_keypoint_ap(people, detections)["ap"] == pytest.approx(1)
    assert coco_keypoint_ap(people[2:], detections, image_ids=range(4))["ap"] < 1


def test_people_who_are_not_found_and_found_elsewhere() -> None:
    people, detections = crowd_of_people(np.random.default_rng(3))
    assert coco_keypoint_ap(people, [])["ap"] == 0
    assert coco_keypoint_ap([], detections, image_ids=range(4))["ap"] == -1
    elsewhere = [{**detection, "image_id": 77} for detection in detections]
    assert coco_keypoint_ap(people, elsewhere)["ap"] == 0
    named = [{**each, "image_id": f"{each['image_id']}.jpg"} for each in people]
    assert coco_keypoint_ap(named, perfect(named))["ap"] == pytest.approx(1)


def test_key_points_of_another_skeleton_are_refused() -> None:
    people, _ = crowd_of_people(np.random.default_rng(3))
    with pytest.raises(InputError, match="14"):
        coco_keypoint_ap(people, [], COCO17.sigmas[:14])


def test_the_truth_scores_one_on_official_files(data_set: Callable[[str], Path]) -> None:
    folder = data_set("mmpose_samples")
    people = read(folder, "coco/test_coco.json")["annotations"]
    assert coco_keypoint_ap(people, perfect(people))["ap"] == pytest.approx(1)
    whole = read(folder, "coco/test_coco_wholebody.json")["annotations"]
    scores = wholebody_ap(whole, perfect(whole))
    assert tuple(scores) == tuple(WHOLEBODY_PARTS)
    assert [part["ap"] for part in scores.values()] == pytest.approx([1] * 6)
    crowd = read(folder, "crowdpose/test_crowdpose.json")
    indices = {image["id"]: image["crowdIndex"] for image in crowd["images"]}
    result = crowdpose_ap(crowd["annotations"], perfect(crowd["annotations"]), indices)
    assert tuple(result) == CROWDPOSE_STATISTICS
    assert result["ap"] == pytest.approx(1)
    assert result["ap_medium"] == pytest.approx(1)
    assert result["ap_easy"] == -1  # no image under 0.2


def test_parts_have_scores_of_their_own(data_set: Callable[[str], Path]) -> None:
    people = read(data_set("mmpose_samples"), "coco/test_coco_wholebody.json")["annotations"]
    detections = perfect(people)
    wrong = [{**each, "keypoints": [0.0, 0.0, 2.0] * 17, "score": 0.95} for each in people]
    silent = [{**each, "face_score": 0.0} for each in wrong]
    loud, quiet = (
        wholebody_ap(people, detections + wrong),
        wholebody_ap(people, detections + silent),
    )
    assert loud["face"]["ap"] == pytest.approx(1)  # the doubles are right too, and found first
    assert quiet["body"]["ap"] == loud["body"]["ap"] < 1
