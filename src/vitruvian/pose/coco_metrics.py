"""Average precision of key points: COCO, CrowdPose, COCO-WholeBody.

The matching is faster-coco-eval's; this file says what each data set counts as a joint's spread, a
person's area and an ignored person. People and detections come as COCO's own dicts, in COCO's
pixels, and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17, CROWDPOSE14, WHOLEBODY133

Annotation = Mapping[str, Any]

STATISTICS = (
    "ap",
    "ap50",
    "ap75",
    "ap_medium",
    "ap_large",
    "ar",
    "ar50",
    "ar75",
    "ar_medium",
    "ar_large",
)
"""COCO's ten numbers, in its order; -1 where no person counts."""

CROWDPOSE_STATISTICS = (
    *("ap", "ap50", "ap75", "ar", "ar50", "ar75"),
    *("ap_easy", "ap_medium", "ap_hard"),
)

WHOLEBODY_PARTS: dict[str, slice] = {
    "body": slice(0, 17),
    "foot": slice(17, 23),
    "face": slice(23, 91),
    "lefthand": slice(91, 112),
    "righthand": slice(112, 133),
    "wholebody": slice(0, 133),
}
"""Part → its places among the 133."""

_WHOLEBODY_KEYS = {
    "body": "keypoints",
    "foot": "foot_kpts",
    "face": "face_kpts",
    "lefthand": "lefthand_kpts",
    "righthand": "righthand_kpts",
}
_EASY, _MEDIUM = 0.2, 0.8  # the released tool's cuts of the crowd index; the paper says 0.1 and 0.8


def coco_keypoint_ap(
    people: Iterable[Annotation],
    detections: Iterable[Annotation],
    sigmas: Sequence[float] = COCO17.sigmas,
    image_ids: Iterable[Any] | None = None,
) -> dict[str, float]:
    """COCO key-point AP and AR.

    Args:
        people: `image_id`, `keypoints` (joints × (x, y, visibility), flat or not), `bbox` (x, y,
            width, height), `area`; `iscrowd` and `num_keypoints` where they are known. Crowds and
            people without a labelled joint are ignored: a detection there is neither right nor
            wrong.
        detections: `image_id`, `keypoints`, `score`; `area`, where left out, is the extent of the
            key points. The 20 best of an image count.
        sigmas: (joints,): spread of the annotators.
        image_ids: The images that were looked at; those of `people` where left out. Detections
            elsewhere are dropped.

    Returns:
        `STATISTICS` → value in [0, 1], or -1.

    Raises:
        InputError: key points and sigmas differ in number.
    """
    evaluation = _evaluate(people, detections, sigmas, image_ids)
    evaluation.summarize()
    return dict(zip(STATISTICS, map(float, evaluation.stats), strict=False))


def crowdpose_ap(
    people: Iterable[Annotation],
    detections: Iterable[Annotation],
    crowd_indices: Mapping[Any, float],
    sigmas: Sequence[float] = CROWDPOSE14.sigmas,
) -> dict[str, float]:
    """CrowdPose AP (Li et al., CVPR 2019), as the released tool gives it.

    A person's area is 0.53 × width × height of the box. "ap_easy", "ap_medium" and "ap_hard" are
    of the images with a crowd index under 0.2, under 0.8 and above (the paper cuts at 0.1); they
    are plain means of the precision table, -1 entries and all, rounded to four digits.

    Args:
        people: As in `coco_keypoint_ap`; `area` is not read.
        detections: As in `coco_keypoint_ap`.
        crowd_indices: Image id → crowd index in [0, 1], for every image.
        sigmas: (joints,).

    Returns:
        `CROWDPOSE_STATISTICS` → value.
    """
    people = [{**person, "area": 0.53 * person["bbox"][2] * person["bbox"][3]} for person in people]
    detections = list(detections)
    whole = coco_keypoint_ap(people, detections, sigmas, crowd_indices)
    result = {name: whole[name] for name in CROWDPOSE_STATISTICS[:6]}
    limits = (-np.inf, _EASY, _MEDIUM, np.inf)
    for name, low, high in zip(CROWDPOSE_STATISTICS[6:], limits, limits[1:], strict=False):
        images = [image for image, index in crowd_indices.items() if low <= index < high]
        if images:
            evaluation = _evaluate(people, detections, sigmas, images)
            precision = evaluation.eval["precision"][:, :, :, 0, :]
            result[name] = round(float(np.mean(precision)), 4)
        else:
            result[name] = -1.0
    return result


def wholebody_ap(
    people: Iterable[Annotation],
    detections: Iterable[Annotation],
    sigmas: Sequence[float] = WHOLEBODY133.sigmas,
    image_ids: Iterable[Any] | None = None,
) -> dict[str, dict[str, float]]:
    """COCO-WholeBody AP (Jin et al., ECCV 2020): six evaluations.

    Every part is measured against the *person's* area, and a detection's area is the extent of its
    body joints. People without a labelled joint in the part are ignored there; detections without
    one (visibility or score above 0) are dropped there.

    Args:
        people: As in `coco_keypoint_ap`, with 133 key points in `keypoints`, or 17 there and the
            others in `foot_kpts`, `face_kpts`, `lefthand_kpts`, `righthand_kpts`.
        detections: Likewise; `score` counts for every part, unless there is `foot_score`,
            `face_score`, `lefthand_score`, `righthand_score` or `wholebody_score`.
        sigmas: (133,).
        image_ids: As in `coco_keypoint_ap`.

    Returns:
        `WHOLEBODY_PARTS` → `STATISTICS` → value.
    """
    whole_people = [(person, _whole(person)) for person in people]
    whole_detections = [(detection, _whole(detection)) for detection in detections]
    images = None if image_ids is None else list(image_ids)
    result = {}
    for part, places in WHOLEBODY_PARTS.items():
        truth = [
            {key: person[key] for key in ("image_id", "bbox", "area", "iscrowd") if key in person}
            | {"keypoints": points[places]}
            for person, points in whole_people
        ]
        found = [
            {
                "image_id": detection["image_id"],
                "score": detection.get(f"{part}_score", detection["score"]),
                "area": _extent(points[WHOLEBODY_PARTS["body"]]),
                "keypoints": points[places],
            }
            for detection, points in whole_detections
            if (points[places, 2] > 0).any()
        ]
        result[part] = coco_keypoint_ap(truth, found, sigmas[places], images)
    return result


def _whole(annotation: Annotation) -> NDArray[np.float64]:
    """(133, 3)."""
    points = _points(annotation["keypoints"])
    if len(points) == WHOLEBODY_PARTS["wholebody"].stop:
        return points
    parts = [_points(annotation[key]) for key in _WHOLEBODY_KEYS.values()]
    return np.concatenate(parts)


def _points(keypoints: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(keypoints, dtype=np.float64).reshape(-1, 3)


def _extent(points: NDArray[np.float64]) -> float:
    return float(np.prod(np.ptp(points[:, :2], axis=0)))


def _evaluate(
    people: Iterable[Annotation],
    detections: Iterable[Annotation],
    sigmas: Sequence[float],
    image_ids: Iterable[Any] | None,
) -> Any:
    """The accumulated evaluation."""
    from faster_coco_eval import COCO, COCOeval_faster

    people = list(people)
    images = {person["image_id"] for person in people} if image_ids is None else set(image_ids)
    number = {image: place + 1 for place, image in enumerate(sorted(images))}
    truth = _truth([person for person in people if person["image_id"] in number], number, sigmas)
    inside = [each for each in detections if each["image_id"] in number]
    found = _found(inside, number, sigmas)
    base = {
        "info": {},
        "images": [{"id": image} for image in number.values()],
        "categories": [{"id": 1, "name": "person"}],
    }
    evaluation = COCOeval_faster(
        COCO({**base, "annotations": truth}, print_function=_nothing),
        COCO({**base, "annotations": found}, print_function=_nothing),
        iouType="keypoints",
        print_function=_nothing,
        kpt_oks_sigmas=list(sigmas),
    )
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _truth(
    people: Sequence[Annotation], number: Mapping[Any, int], sigmas: Sequence[float]
) -> list[dict[str, Any]]:
    """People as the library wants them; images are numbered from 1."""
    points = _stacked(people, len(sigmas))
    labelled = np.count_nonzero(points[..., 2] > 0, axis=1).tolist()
    return [
        {
            "id": place,
            "image_id": number[person["image_id"]],
            "category_id": 1,
            "keypoints": own,
            "num_keypoints": int(person.get("num_keypoints", count)),
            "bbox": np.array(person["bbox"], dtype=np.float64),
            "area": float(person["area"]),
            "iscrowd": int(person.get("iscrowd", 0)),
        }
        for place, (person, own, count) in enumerate(
            zip(people, points.reshape(len(people), 3 * len(sigmas)), labelled, strict=True),
            start=1,
        )
    ]


def _found(
    detections: Sequence[Annotation], number: Mapping[Any, int], sigmas: Sequence[float]
) -> list[dict[str, Any]]:
    """Detections likewise; all of them at once, since one by one took longer than the matching.

    Key points and boxes are rows of arrays: Python's garbage collector would look through as many
    lists again and again.
    """
    points = _stacked(detections, len(sigmas))
    low = points[..., :2].min(axis=1)
    size = points[..., :2].max(axis=1) - low
    boxes = np.concatenate([low, size], axis=1)
    flat = points.reshape(len(detections), 3 * len(sigmas))
    rows = zip(detections, flat, boxes, size.prod(axis=1).tolist(), strict=True)
    return [
        {
            "id": place,
            "image_id": number[detection["image_id"]],
            "category_id": 1,
            "keypoints": own,
            "score": float(detection["score"]),
            "bbox": box,
            "area": float(detection.get("area", extent)),
            "iscrowd": 0,
        }
        for place, (detection, own, box, extent) in enumerate(rows, start=1)
    ]


def _stacked(annotations: Sequence[Annotation], joints: int) -> NDArray[np.float64]:
    """(annotations, joints, 3)."""
    flat = [annotation["keypoints"] for annotation in annotations]
    if all(len(each) == 3 * joints and np.ndim(each[0]) == 0 for each in flat):
        return np.array(flat, dtype=np.float64).reshape(len(flat), joints, 3)
    return np.stack([_checked(annotation, joints) for annotation in annotations])


def _checked(annotation: Annotation, joints: int) -> NDArray[np.float64]:
    points = _points(annotation["keypoints"])
    if len(points) != joints:
        msg = (
            f"Image {annotation['image_id']}: {len(points)} key points are given where {joints} "
            "are evaluated; use the evaluator of the data set, or its sigmas."
        )
        raise InputError(msg)
    return points


def _nothing(*_: Any) -> None:
    """Takes the place of the library's printing."""
