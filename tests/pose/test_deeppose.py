"""DeepPose: network, frames of windows, simulated displacements, cascade, training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import LSP14
from vitruvian.core.weights import find_weights
from vitruvian.pose.deeppose import AlexNet, DeepPose, PoseCascade, diameter, whole

TORSO = (LSP14.index["left_shoulder"], LSP14.index["right_hip"])
SMALL = {"resolution": 67, "hidden": 16, "width": 64, "height": 64}


def batch_of(people: int = 4) -> dict[str, torch.Tensor]:
    return {
        "image": torch.randint(0, 255, (people, 3, 64, 64), dtype=torch.uint8),
        "keypoints": torch.rand(people, 14, 2) * 64,
        "visible": torch.ones(people, 14),
    }


def test_the_layers_have_the_sheets_sizes() -> None:
    with torch.device("meta"):
        network = AlexNet(14)
        sizes = []
        x = torch.zeros(2, 3, 227, 227)
        for layer in network:
            x = layer(x)
            sizes.append((type(layer).__name__, tuple(x.shape[1:])))
    assert [s for name, s in sizes if name == "Conv2d"] == [
        (96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)
    ]  # fmt: skip
    assert [s for name, s in sizes if name == "MaxPool2d"] == [
        (96, 27, 27), (256, 13, 13), (256, 6, 6)
    ]  # fmt: skip
    assert sizes[-1][1] == (14, 2)
    assert sum(each.numel() for each in network.parameters()) == 58_396_060
    assert sum(name == "LocalResponseNorm" for name, _ in sizes) == 2


def test_the_response_norm_is_krizhevskys() -> None:
    layer = AlexNet(1, resolution=67, hidden=4)[2]
    x = torch.randn(1, 7, 2, 2)
    around = (x[:, 1:6] ** 2).sum(dim=1)
    torch.testing.assert_close(layer(x)[:, 3], x[:, 3] / (2 + 1e-4 * around) ** 0.75)


def test_a_window_shows_its_part_of_the_crop() -> None:
    cascade = PoseCascade(14, TORSO, stages=1, resolution=67, hidden=4, black=(-1, -1, -1))
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(100.0), indexing="ij")
    image = torch.stack([columns, rows, torch.zeros(80, 100)])[None] + 0.5
    center, side = torch.tensor([[40.0, 50.0]]), torch.tensor([[33.5, 33.5]])
    window = cascade.window(image, center, side)
    assert window.shape == (1, 3, 67, 67)
    # The middle pixel of the window is the centre; each is half a pixel of the crop wide.
    assert window[0, :2, 33, 33].tolist() == pytest.approx([40, 50], abs=1e-3)
    assert window[0, 0, 33, 43].item() == pytest.approx(45, abs=1e-3)
    beyond = cascade.window(image, torch.tensor([[-100.0, 0.0]]), side)
    assert (beyond == -1).all()
    everything = cascade.window(image, *whole(image))
    assert everything[0, 0, 0, 33].item() == pytest.approx(50, abs=0.1)


def test_the_diameter_is_the_torsos() -> None:
    joints = torch.zeros(3, 14, 2)
    joints[:, TORSO[0]] = torch.tensor([3.0, 4.0])
    joints[1, TORSO[0]] = torch.tensor([0.3, 0.4])
    visible = torch.ones(3, 14)
    visible[2, TORSO[1]] = 0
    assert diameter(joints, TORSO, (40, 40), visible).tolist() == pytest.approx([5, 2, 10])


class Told(torch.nn.Module):
    """A stage that always says the same."""

    def __init__(self, offset: tuple[float, float]) -> None:
        super().__init__()
        self.offset = torch.tensor(offset)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return self.offset.expand(len(window), 14, 2)


def test_a_stage_moves_each_joint_in_the_frame_of_its_window() -> None:
    cascade = PoseCascade(14, TORSO, stages=2, sigma=2.0, resolution=67, hidden=4)
    first = torch.linspace(-0.4, 0.4, 28).view(1, 14, 2)
    cascade.stages[0] = torch.nn.Sequential()
    cascade.stages[0].forward = lambda window: first  # type: ignore[method-assign]
    cascade.stages[1] = Told((0.1, -0.05))
    before, after = cascade.predict_stages(torch.zeros(1, 3, 100, 200))
    torch.testing.assert_close(
        before, first * torch.tensor([200.0, 100.0]) + torch.tensor([100.0, 50.0])
    )
    size = 2 * (before[:, TORSO[0]] - before[:, TORSO[1]]).norm(dim=-1)
    torch.testing.assert_close(after - before, size * torch.tensor([0.1, -0.05]).expand(1, 14, 2))


def test_displacements_are_drawn_as_the_stage_before_errs() -> None:
    torch.manual_seed(0)
    cascade = PoseCascade(2, (0, 1), stages=2, resolution=67, hidden=4)
    root = torch.tensor([[0.2, 0.0], [0.1, 0.05]])
    for _ in range(300):
        joint = torch.randint(0, 2, (64,))
        errors = torch.randn(64, 2) @ root.T + torch.tensor([0.3, -0.1])
        errors[joint == 1] = 0.5
        known = torch.ones(64)
        known[:8] = 0
        errors[:8] = 1e6  # unlabelled joints are not looked at
        cascade.learn_errors(0, errors, joint, known)
    torch.testing.assert_close(
        cascade.displacement_mean[0], torch.tensor([[0.3, -0.1], [0.5, 0.5]]), atol=0.03, rtol=0
    )
    drawn = cascade.draw_displacements(0, torch.zeros(20000, dtype=torch.long))
    torch.testing.assert_close(torch.cov(drawn.T), root @ root.T, atol=0.006, rtol=0)
    sure = cascade.draw_displacements(0, torch.ones(100, dtype=torch.long))
    assert sure.std(dim=0).max() < 0.05


def test_a_right_stage_has_no_loss() -> None:
    """The target of a window is the joint in its frame, so undoing the displacement is right."""
    torch.manual_seed(0)
    system = DeepPose(stages=2, draws=3, **SMALL)
    batch = batch_of(2)
    seen = []
    network = system.network
    draw = network.draw_displacements

    def keep(number: int, joint: torch.Tensor) -> torch.Tensor:
        seen.append(draw(number, joint))
        return seen[-1]

    network.draw_displacements = keep  # type: ignore[method-assign]
    network.stages[1] = torch.nn.Sequential()
    network.stages[1].forward = (  # type: ignore[method-assign]
        lambda window: (-seen[-1] / network.sigma)[:, None].expand(-1, 14, 2)
    )
    truth = (batch["keypoints"] - 32) / 64
    network.stages[0] = torch.nn.Sequential()
    network.stages[0].forward = lambda window: truth  # type: ignore[method-assign]
    losses = system.losses(batch)
    assert set(losses) == {"stage1", "stage2"}
    assert all(value.item() == pytest.approx(0, abs=1e-8) for value in losses.values())


def test_unlabelled_joints_are_left_out() -> None:
    system = DeepPose(stages=1, **SMALL).eval()
    batch = batch_of(1)
    batch["visible"][0, 5:] = 0
    before = system.losses(batch)["stage1"]
    batch["keypoints"][0, 5:] += 100
    assert system.losses(batch)["stage1"] == before


def test_stages_may_take_turns() -> None:
    system = DeepPose(stages=3, stage_epochs=5, **SMALL)
    for epoch, stage in ((0, 1), (4, 1), (5, 2), (30, 3)):
        system.trainer = type("Trainer", (), {"current_epoch": epoch})()  # type: ignore[assignment]
        assert set(system.losses(batch_of())) == {f"stage{stage}"}


def test_it_trains_and_comes_back(tmp_path) -> None:
    torch.manual_seed(0)
    system = DeepPose(stages=2, norm="switchable", flip_test=True, **SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        losses = system.losses(batch_of())
    sum(losses.values()).backward()
    assert all(each.grad is not None for each in system.network.parameters())
    system.save(tmp_path / "deeppose.safetensors")
    card = find_card("deeppose")
    twin = DeepPose.from_weights(find_weights(card, tmp_path / "deeppose.safetensors"), "cpu")
    picture = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    system.eval()
    ours, theirs = (each.predict([picture], [[[5, 5, 50, 70]]])[0] for each in (system, twin))
    np.testing.assert_array_equal(ours[0].pose.joints, theirs[0].pose.joints)
    assert (ours[0].pose.joints[:, 2] == 1).all()
    with torch.inference_mode():
        mirrored, _ = system.read(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    left, right = mirrored[0, LSP14.index["left_hip"]], mirrored[0, LSP14.index["right_hip"]]
    assert left[0] + right[0] == pytest.approx(64, abs=1e-3)  # a mirrored black is black


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="67"):
        AlexNet(14, resolution=66)
