"""Associative embedding: the loss by hand, planted people, systems of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitruvian
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.export import export_onnx
from vitruvian.core.published import to_published
from vitruvian.pose.ae_hourglass import AEHourglass, AssociativeEmbedding, ae_hourglass_options
from vitruvian.pose.associative_embedding import Grouping, parse_people, tag_loss
from vitruvian.pose.crowd_data import Pictures, region
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.heatmaps import gaussian_targets
from vitruvian.pose.higher_hrnet import HigherHRNet, HigherHRNetSystem, higher_hrnet_options

SMALL = {"branch_width": 4, "modules": [1, 1, 1], "blocks": 1, "size": 64}


def planted(people: int, seed: int = 0):
    """Maps of people that stand apart, each with a tag of its own."""
    random = np.random.default_rng(seed)
    joints = random.integers(3, 12, (people, 17, 2)) + np.arange(people)[:, None, None] * [16, 0]
    size = (16 * people, 16)
    heatmaps, _ = gaussian_targets(joints, np.ones((people, 17)), size, 1.0, "crowd")
    tags = np.repeat(np.arange(people), 16) * 3.0
    maps = np.broadcast_to(tags, (17, 16, 16 * people))[..., None].astype(np.float32)
    return torch.from_numpy(heatmaps.max(axis=0)), torch.from_numpy(maps.copy()), joints


def test_the_tag_loss_by_hand() -> None:
    tags = torch.tensor([[0.0, 2.0, 1.0, 1.0]])
    joints = torch.tensor([[[[0, 1], [1, 1]], [[2, 1], [3, 0]], [[9, 0], [9, 0]]]])
    push, pull = tag_loss(tags, joints)
    assert pull.item() == pytest.approx(0.5)  # (1 + 0) / 2: the means are 1 and 1
    assert push.item() == pytest.approx(0.5)  # 0.5 · 2 · exp(0) / 2
    push, _ = tag_loss(torch.tensor([[0.0, 0.0, 0.5, 0.0]]), joints, "max")
    assert push.item() == pytest.approx(0.25)
    push, pull = tag_loss(tags, joints * 0)
    assert (push.item(), pull.item()) == (0, 0)
    with pytest.raises(UnknownNameError, match="tag loss"):
        tag_loss(tags, joints, "min")  # type: ignore[arg-type]


def test_tags_that_are_alike_are_pushed_apart_by_max_alone() -> None:
    """Two people whose tags differ by a thousandth: exp(-d²) is flat there."""
    joints = torch.tensor([[[[0, 1]], [[1, 1]]]])
    pushed = {}
    for kind in ("exp", "max"):
        tags = torch.tensor([[0.0, 0.001]], requires_grad=True)
        push, _ = tag_loss(tags, joints, kind)
        push.sum().backward()
        assert tags.grad is not None
        pushed[kind] = abs(float(tags.grad[0, 0]))
    assert pushed["exp"] < 0.01
    assert pushed["max"] == pytest.approx(0.5)


@pytest.mark.parametrize("people", [1, 2, 5])
def test_planted_people_are_found(people: int) -> None:
    heatmaps, tags, joints = planted(people)
    found, scores = parse_people(heatmaps, tags, Grouping(kernel=3))
    assert len(found) == people
    found = found[np.argsort(found[:, 0, 3])]
    assert np.abs(found[..., :2] - 0.5 - joints).max() <= 0.25
    assert scores == pytest.approx(np.ones(people))


def test_a_hidden_joint_is_looked_for_where_the_tag_fits() -> None:
    heatmaps, tags, joints = planted(2)
    x, y = joints[0, 9]
    heatmaps[9, :, :16] *= 0.09  # under the bar, still the highest of its person
    found, _ = parse_people(heatmaps, tags, Grouping(kernel=3), refine=False)
    assert (found[:, 9, 2] > 0).sum() == 1
    found, _ = parse_people(heatmaps, tags, Grouping(kernel=3))
    first = found[found[:, 0, 3] == 0][0]
    assert first[9, :2] - 0.5 == pytest.approx([x, y], abs=0.25)
    assert first[9, 2] == pytest.approx(0.09)


def test_order_of_people_does_not_matter() -> None:
    heatmaps, tags, _ = planted(3, seed=4)
    found, _ = parse_people(heatmaps, tags, Grouping(kernel=3))
    turned, _ = parse_people(heatmaps, -tags, Grouping(kernel=3))
    assert np.array_equal(np.sort(found[..., 0], axis=0), np.sort(turned[..., 0], axis=0))


def test_nothing_is_nobody() -> None:
    found, scores = parse_people(torch.zeros(17, 8, 8), torch.zeros(17, 8, 8, 2))
    assert found.shape == (0, 17, 5)
    assert scores.shape == (0,)


def test_the_networks_have_the_published_sizes() -> None:
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in n.parameters()) for n in (AEHourglass(), HigherHRNet())]
    assert sizes[0] / 1e6 == pytest.approx(138.9, abs=0.05)
    assert sizes[1] / 1e6 == pytest.approx(28.6, abs=0.05)


@pytest.mark.parametrize("joined", [(True, False), (False, True)])
def test_higher_hrnet_is_read_back_from_its_shapes(joined) -> None:
    network = HigherHRNet(
        (6, 3, 5), filters=(4, 8), kernels=(4, 2), joined=joined, blocks=1, final_kernel=3
    ).eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    twin = HigherHRNet(**higher_hrnet_options(shapes)).eval()
    twin.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 32, 64)
    for size, one, other in zip((1, 2, 4), network(image), twin(image), strict=True):
        assert one.shape[2:] == (8 * size, 16 * size)
        assert torch.equal(one, other)


def test_ae_hourglass_is_read_back_from_its_published_shapes() -> None:
    network = AEHourglass(10, stacks=2, widths=(4, 6, 8), stem=(3, 5, 7), norm=True)
    state = to_published(network)
    options = ae_hourglass_options({key: value.shape for key, value in state.items()})
    sizes = {"outputs": 10, "stacks": 2, "widths": [4, 6, 8], "stem": [3, 5, 7]}
    assert options == {**sizes, "norm": True}


@pytest.mark.parametrize("name", ["higher_hrnet", "associative_embedding"])
def test_a_system_reads_any_picture_and_comes_back(name: str, tmp_path) -> None:
    torch.manual_seed(0)
    if name == "higher_hrnet":
        system = HigherHRNetSystem(scales=[1.0, 2.0], **SMALL)
        torch.nn.init.normal_(system.network.final_layers[1].weight)
    else:
        system = AssociativeEmbedding(stacks=1, widths=[8, 8, 8], unused=0, size=64)
    system.eval()
    random = np.random.default_rng(0)
    sizes = ((90, 70, 3), (1, 300, 3), (64, 64, 3))
    images = [random.integers(0, 255, size, dtype=np.uint8) for size in sizes]
    frames = system.predict(images)
    assert [(frame.height, frame.width) for frame in frames] == [(90, 70), (1, 300), (64, 64)]
    assert frames[0].draw().size == (70, 90)
    system.save(tmp_path / "w.safetensors")
    loaded = vitruvian.load(name, tmp_path / "w.safetensors", device="cpu")
    for one, other in zip(frames, loaded.predict(images), strict=True):
        assert len(one.people) == len(other.people)
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.pose.joints, b.pose.joints)


def test_maps_of_a_fitting_network_give_the_people_of_the_picture(tmp_path) -> None:
    pictures = Pictures(CocoKeypoints("train", write_fake_coco(tmp_path, 2)), 128, side="long")
    sample = pictures[0]
    joints = np.stack([pictures.people[place].joints for place in pictures.groups[0][1]])
    places, target = sample["places4"], sample["target4"]
    tags = torch.zeros(17, 32, 32)
    for number, person in enumerate(places):
        found = person[person[:, 1] > 0, 0]
        tags.view(-1)[found] = 5.0 * number
    for stride in (4, 2):  # what a network says of the black border is not heard
        sample[f"target{stride}"][:, : 8 // stride] = 1
    system = HigherHRNetSystem(**{**SMALL, "size": 128}, side="long", flip_test=False)

    class Perfect(torch.nn.Module):
        def forward(self, image):
            return [torch.cat([target, tags])[None], sample["target2"][None]]

    system.network = Perfect()
    frame = system.predict([pictures.picture(0)])[0]
    assert len(frame.people) == 2
    scale = 160 / 128
    for person in joints:
        error = min(
            np.nanmax(
                np.where(person[:, 2] > 0, np.abs(each.pose.joints - person)[:, :2].max(1), np.nan)
            )
            for each in frame
        )
        assert error < 6 * scale
    found = {0: system.find_people(pictures.picture(0))}
    assert set(pictures.evaluate(found)) >= {"ap"}


def test_crowds_are_masked(tmp_path) -> None:
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 2))
    crowd = {"counts": [0, 120 * 40, 120 * 120], "size": [120, 160]}
    people.entries.append({"image_id": 1, "iscrowd": 1, "segmentation": crowd, "category_id": 1})
    sample = Pictures(people, 128, side="long")[0]
    mask = sample["mask4"]  # the picture is 160×120 on 128×128, with black above and below
    assert mask[:, :7].max() == 0
    assert mask[6:26, 9:].min() == 1
    assert mask[:3].max() == 0


def test_regions_are_polygons_or_runs() -> None:
    runs = region({"counts": [3, 2, 1]}, (2, 3))
    assert runs.tolist() == [[False, False, True], [False, True, False]]
    polygon = region([[0, 0, 0, 2, 2, 2, 2, 0]], (4, 4))
    assert polygon.sum() == 9
    assert region(None, (4, 4)).sum() == 0


def test_a_system_exports(tmp_path) -> None:
    network = HigherHRNetSystem(**SMALL).network
    assert export_onnx(network, (64, 64), tmp_path / "higher.onnx") < 1e-3


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="whole multiple"):
        HigherHRNetSystem(scales=[1.0, 1.5], **SMALL)
    with pytest.raises(InputError, match="scales with a 1"):
        HigherHRNetSystem(scales=[2.0], **SMALL)
    with pytest.raises(InputError, match="deconvolution"):
        HigherHRNet((34, 17), filters=(32, 32))
    with pytest.raises(InputError, match="associative embedding"):
        ae_hourglass_options({})
