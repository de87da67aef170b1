"""ZoomNet: shapes, boxes and their maps, zooming, the mirrored crop, training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import WHOLEBODY133
from vitruvian.core.weights import find_weights
from vitruvian.pose.heatmap_tensors import cell_gaussians
from vitruvian.pose.zoomnet import (
    GRID,
    PARTS,
    PartHead,
    WholeBodyZoom,
    ZoomNet,
    box_points,
    jitter_boxes,
    map_order,
    read_boxes,
    true_boxes,
)

TINY = {"body_width": 4, "head_width": 4, "modules": (1, 1, 1), "blocks": 1}


def tiny(**options) -> WholeBodyZoom:
    torch.manual_seed(0)
    return WholeBodyZoom(width=96, height=128, **TINY, **options)


def batch_of(people: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "image": torch.randint(0, 255, (people, 3, 128, 96), dtype=torch.uint8),
        "keypoints": torch.rand(people, 133, 2) * 90,
        "visible": torch.ones(people, 133),
    }


def test_the_maps_have_the_sheets_sizes() -> None:
    with torch.device("meta"):
        network = ZoomNet(**TINY)
        maps, (fine, coarse) = network.look(torch.zeros(1, 3, 384, 288))
        head = PartHead(68)
        face = head(torch.zeros(2, 64, 64, 64), torch.zeros(2, 64, 32, 32))
    assert maps.shape == (1, 38, 96, 72)
    assert fine.shape == (1, 64, 192, 144)
    assert coarse.shape == (1, 64, 96, 72)
    assert face.shape == (2, 68, 64, 64)
    assert head.last[0].weight.shape[:2] == (270, 270)
    assert [len(stage) for stage in head.stages] == [1, 4, 3]


def test_the_body_is_hrnet_w32() -> None:
    with torch.device("meta"):
        body = ZoomNet().body
    assert body.channels == 32
    assert [stage.get_submodule("0.branches.0.0.conv1").out_channels for stage in (
        body.stage2, body.stage3, body.stage4
    )] == [32, 32, 32]  # fmt: skip


def test_boxes_come_back_from_their_maps() -> None:
    boxes = torch.tensor([[[22.0, 14, 42, 38], [10, 62, 26, 74], [62, 66, 78, 82]]])
    maps = torch.zeros(1, 38, 32, 24)
    maps[:, 23:] = cell_gaussians(box_points(boxes) / 4, (24, 32), 2)
    found, scores = read_boxes(maps)
    center, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    wanted = torch.cat([center - 0.6 * size, center + 0.6 * size], dim=-1)
    assert (found - wanted).abs().max() < 4  # a cell
    assert (scores > 0.9).all()
    maps[:, 27] = 0.05  # the face's centre is not seen: the corners' middle stands
    maps[:, 27, 0, 0] = 0.08
    again, _ = read_boxes(maps)
    assert (again[0, 0] - wanted[0, 0]).abs().max() < 4
    nothing, _ = read_boxes(torch.zeros(1, 38, 32, 24))
    assert ((nothing[..., 2:] - nothing[..., :2]) >= 8).all()


def test_true_boxes_are_the_extents_of_labelled_points() -> None:
    points, visible = torch.rand(1, 133, 2) * 50 + 20, torch.ones(1, 133)
    visible[0, 91:105] = 0  # 14 of 21 points of the left hand
    visible[0, 112:115] = 0
    points[0, 112:115] = 1000
    boxes, valid = true_boxes(points, visible)
    assert valid.tolist() == [[1, 0, 1]]
    face = points[0, PARTS["face"]]
    torch.testing.assert_close(boxes[0, 0], torch.cat([face.amin(dim=0), face.amax(dim=0)]))
    assert boxes[0, 2].max() < 70


def test_jittered_boxes_stay_near() -> None:
    boxes = torch.tensor([[[20.0, 30, 60, 110]] * 3]).expand(200, 3, 4)
    moved = jitter_boxes(boxes)
    center = (moved[..., :2] + moved[..., 2:]) / 2
    size = moved[..., 2:] - moved[..., :2]
    assert ((center - torch.tensor([40.0, 70])).abs() <= torch.tensor([4.0, 8]) + 1e-4).all()
    assert (size[..., 0] / 48 - 1).abs().max() <= 0.25 + 1e-5
    assert (size[..., 0] / 48 - 1).abs().max() > 0.2


def test_zooming_reads_the_features_in_the_box_and_mirrors_left_hands() -> None:
    network = ZoomNet(**TINY)
    seen = {}

    def watch(name, points):
        def head(fine, coarse):
            seen.setdefault(name, []).append((fine, coarse))
            return fine[:, :1].expand(-1, points, -1, -1)

        return head

    network.face.forward = watch("face", 68)  # type: ignore[method-assign]
    network.hand.forward = watch("hand", 21)  # type: ignore[method-assign]
    fine = (torch.arange(48.0) * 2 + 1).expand(1, 64, 64, 48)  # x in pixels of the crop
    coarse = (torch.arange(24.0) * 4 + 2).expand(1, 64, 32, 24)
    boxes = torch.tensor([[[16.0, 20, 80, 84], [16, 20, 80, 84], [32, 20, 64, 84]]])
    face, left, right = network.zoom((fine, coarse), boxes)
    columns = 16 + (torch.arange(64.0) + 0.5)
    torch.testing.assert_close(face[0, 0, 10], columns)
    torch.testing.assert_close(left[0, 0, 10], columns)  # mirrored twice
    torch.testing.assert_close(seen["hand"][0][0][0, 0, 10], columns.flip(0))
    torch.testing.assert_close(right[0, 0, 10], 32 + (torch.arange(64.0) + 0.5) / 2)
    torch.testing.assert_close(seen["face"][0][1][0, 0, 5], 16 + (torch.arange(32.0) + 0.5) * 2)


def test_what_is_learned_is_read_also_from_the_mirrored_crop() -> None:
    system = tiny(flip_test=True)
    order = WHOLEBODY133.flip_order
    random = np.random.default_rng(0)
    truth = torch.from_numpy(random.uniform(20, 70, (1, 133, 2)).astype("f4"))
    truth[:, 91:112] *= 0.5
    boxes, _ = true_boxes(truth, torch.ones(1, 133))
    mirrored = torch.stack([96 - truth[..., 0], truth[..., 1]], dim=-1)[:, order]

    def look(image):
        points = mirrored if image[0, 0, 0, 0] > 0 else truth
        wanted = torch.cat(
            [points[:, :23], box_points(true_boxes(points, torch.ones(1, 133))[0])], 1
        )
        return cell_gaussians(wanted / 4, (24, 32), 1.0), points

    def zoom(points, found):
        parts = []
        for part, places in enumerate(PARTS.values()):
            start, end = found[:, part, None, :2], found[:, part, None, 2:]
            inside = GRID * (points[:, places] - start) / (end - start)
            parts.append(cell_gaussians(inside, (GRID, GRID), 1.0))
        return parts

    system.network.look, system.network.zoom = look, zoom  # type: ignore[method-assign]
    image = torch.zeros(1, 3, 128, 96, dtype=torch.uint8)
    image[..., -1] = 255  # the mirrored crop begins with a bright column
    points, scores = system.read(image)
    error = np.abs(points - truth.numpy()).max(axis=-1)[0]
    assert error[:23].max() <= 4
    assert error[23:].max() < 2
    assert (scores > 0.4).all()
    assert boxes.shape == (1, 3, 4)


def test_the_maps_of_a_mirrored_crop_change_places() -> None:
    order = map_order(WHOLEBODY133.flip_order)
    assert sorted(order) == list(range(38))
    assert order[5] == 6
    assert order[17] == 20
    assert order[23:28].tolist() == [24, 23, 26, 25, 27]  # the face stays, left and right change
    assert order[28:33].tolist() == [34, 33, 36, 35, 37]  # the left hand's box is the right one's


def test_parts_that_are_not_valid_are_not_learned() -> None:
    system = tiny().eval()
    batch = batch_of()
    batch["visible"][:, 23:] = 0
    losses = system.losses(batch)
    assert losses["face"] == losses["hands"] == 0
    assert losses["body"] > 0


@pytest.mark.parametrize(
    ("phase", "names"),
    [("body", {"body"}), ("heads", {"face", "hands"}), ("all", {"body", "face", "hands"})],
)
def test_phases_train_their_part(phase, names) -> None:
    system = tiny(phase=phase)
    losses = system.losses(batch_of())
    assert set(losses) == names
    sum(losses.values()).backward()
    assert (system.network.body.conv1.weight.grad is None) == (phase == "heads")
    assert (system.network.hand.last[0].weight.grad is None) == (phase == "body")


def test_it_comes_back_and_draws(tmp_path) -> None:
    system = tiny(norm="switchable")
    with torch.autocast("cpu", torch.bfloat16):
        sum(system.losses(batch_of()).values()).backward()
    system.save(tmp_path / "zoomnet.safetensors")
    card = find_card("zoomnet")
    twin = WholeBodyZoom.from_weights(find_weights(card, tmp_path / "zoomnet.safetensors"), "cpu")
    picture = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    system.eval()
    ours, theirs = (each.predict([picture], [[[5, 5, 50, 70]]])[0] for each in (system, twin))
    np.testing.assert_array_equal(ours[0].pose.joints, theirs[0].pose.joints)
    assert ours[0].pose.joints.shape == (133, 3)
    assert ours.draw().size == (60, 80)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        WholeBodyZoom(width=100, **TINY)
    with pytest.raises(InputError, match="wholebody133"):
        WholeBodyZoom("coco17", **TINY)
