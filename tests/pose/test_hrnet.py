"""HRNet: published sizes, its trunk beside timm's, options read from shapes, weights, export."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import vitruvian
from vitruvian.core.errors import InputError, UnknownNameError, WeightsError
from vitruvian.core.export import export_onnx
from vitruvian.core.published import load_published, to_published
from vitruvian.core.skeletons import COCO17, LSP14
from vitruvian.nn.hrnet import HRNet, Stage, hrnet_stages, hrnet_stages_like
from vitruvian.nn.norms.folding import fold_norms
from vitruvian.pose.hrnet import PoseHRNet, PoseHRNetSystem, pose_hrnet_like

SMALL = {"branch_width": 4, "modules": [1, 2, 1], "blocks": 1, "width": 64, "height": 64}


def shapes_of(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize(("width", "millions", "giga"), [(32, 28.536, 7.1), (48, 63.596, 14.6)])
def test_it_has_the_published_size(width: int, millions: float, giga: float) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = PoseHRNet(17, hrnet_stages(width)).eval()
        assert network(torch.empty(1, 3, 256, 192)).shape == (1, 17, 64, 48)
    found = sum(each.numel() for each in network.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.001)
    assert counter.get_total_flops() / 2 / 2**30 == pytest.approx(giga, abs=0.05)


@pytest.mark.parametrize("width", [18, 32, 48])
def test_the_trunk_has_the_keys_of_timm(width: int) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        theirs = shapes_of(timm.create_model(f"hrnet_w{width}"))
        ours = shapes_of(HRNet(hrnet_stages(width)))
    assert all(theirs.get(key) == shape for key, shape in ours.items())


def test_a_classifier_of_timm_is_a_backbone(tmp_path) -> None:
    timm = pytest.importorskip("timm")
    network = timm.create_model("hrnet_w18_small")
    torch.save(network.state_dict(), tmp_path / "backbone.pth")
    system = PoseHRNetSystem(branch_width=18, modules=[1, 1, 1], blocks=2)
    shallow = {key: v for key, v in network.state_dict().items() if not key.startswith("layer1")}
    kept = system.backbone_state(shallow)
    missing = set(system.network.state_dict()) - set(kept)
    assert not set(kept) - set(system.network.state_dict())
    assert all(key.startswith(("layer1.", "final_layer.")) for key in missing)


def test_a_training_checkpoint_is_a_backbone(tmp_path) -> None:
    small = {"branch_width": 4, "modules": [1, 1, 1], "blocks": 1}
    trained = PoseHRNetSystem(**small)
    state = {"state_dict": trained.state_dict(), "hyper_parameters": dict(trained.hparams)}
    torch.save(state, tmp_path / "last.ckpt")
    system = PoseHRNetSystem(**small, backbone=str(tmp_path / "last.ckpt"))
    system.load_backbone()
    for key, value in trained.network.state_dict().items():
        assert torch.equal(system.network.state_dict()[key], value), key


def test_a_network_of_other_joints_gives_the_maps_of_those_that_both_have(tmp_path) -> None:
    small = {"branch_width": 4, "modules": [1, 1, 1], "blocks": 1}
    trained = PoseHRNetSystem("lsp14", **small)
    torch.nn.init.normal_(trained.network.final_layer.bias)
    trained.save(tmp_path / "lsp.safetensors")
    system = PoseHRNetSystem("coco17", **small, backbone=str(tmp_path / "lsp.safetensors"))
    system.load_backbone()
    ours, theirs = system.network.state_dict(), trained.network.state_dict()
    assert torch.equal(ours["conv1.weight"], theirs["conv1.weight"])
    shared = [name for name in COCO17.joints if name in LSP14.index]
    assert len(shared) == 12
    for key in ("final_layer.weight", "final_layer.bias"):
        for name in shared:
            assert torch.equal(ours[key][COCO17.index[name]], theirs[key][LSP14.index[name]])
    assert not ours["final_layer.bias"][COCO17.index["nose"]]  # as it began


@pytest.mark.parametrize(
    "stages",
    [
        hrnet_stages(4, (1, 2), 1),
        (Stage(2, (1, 2), (3, 5)), Stage(1, (2, 1, 1), (3, 5, 7))),
        (Stage(1, (1, 1), (4, 8), bottleneck=True), Stage(1, (1, 2, 1, 1), (4, 8, 16, 32))),
        (Stage(1, (2,), (6,)), Stage(1, (1, 1, 1), (6, 12, 24))),
    ],
)
def test_every_shape_gives_a_quarter_and_is_read_back(stages: tuple[Stage, ...]) -> None:
    network = PoseHRNet(5, stages, final_kernel=3).eval()
    image = torch.randn(1, 3, 64, 96)
    assert network(image).shape == (1, 5, 16, 24)
    assert hrnet_stages_like(shapes_of(network)) == stages
    twin = pose_hrnet_like(shapes_of(network)).eval()
    load_published(twin, to_published(network))
    assert torch.equal(twin(image), network(image))


def test_new_branches_come_from_the_coarsest_one() -> None:
    network = HRNet(hrnet_stages(4, (1, 1), 1))
    assert network.get_submodule("transition2")[2][0][0].in_channels == 8
    assert len(network.get_submodule("stage3")[0].fuse_layers) == 1


def test_weights_say_what_they_are(tmp_path) -> None:
    system = PoseHRNetSystem("mpii16", **SMALL)
    torch.save(system.network.state_dict(), tmp_path / "hrnet.pth")
    loaded = vitruvian.load("hrnet", tmp_path / "hrnet.pth", device="cpu")
    assert loaded.skeleton.name == "mpii16"
    assert torch.equal(loaded.network.conv1.weight, system.network.conv1.weight)
    system.save(tmp_path / "hrnet.safetensors")
    loaded = vitruvian.load("pose/hrnet", tmp_path / "hrnet.safetensors", device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    joints = system.eval().predict([image], [[[5, 5, 50, 70]]])[0][0].pose.joints
    again = loaded.predict([image], [[[5, 5, 50, 70]]])[0][0].pose.joints
    np.testing.assert_allclose(again, joints, rtol=1e-4, atol=1e-4)


def test_a_stem_of_one_block_is_read_back(tmp_path) -> None:
    system = PoseHRNetSystem("halpe26", stem_blocks=1, **SMALL)
    assert len(system.network.get_submodule("layer1")) == 1
    torch.save(system.network.state_dict(), tmp_path / "small.pth")
    loaded = vitruvian.load("hrnet", tmp_path / "small.pth", device="cpu")
    assert shapes_of(loaded.network) == shapes_of(system.network)
    assert loaded.skeleton.name == "halpe26"


def test_it_exports_and_folds(tmp_path) -> None:
    network = PoseHRNetSystem("lsp14", **SMALL).network.eval()
    for norm in (module for module in network.modules() if hasattr(module, "running_var")):
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(fold_norms(network)(image), network(image), rtol=1e-3, atol=1e-5)
    assert export_onnx(network, (64, 64), tmp_path / "hrnet.onnx") < 1e-3


def test_any_norm_trains() -> None:
    system = PoseHRNetSystem("lsp14", norm="switchable", **SMALL)
    system.network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    grad = system.network.get_submodule("stage2")[0].fuse_layers[1][0][0][0].weight.grad
    assert grad is not None
    assert grad.abs().sum() > 0


def test_wrong_options_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="stages"):
        hrnet_stages(32, ())
    with pytest.raises(UnknownNameError, match="kernel"):
        PoseHRNet(17, hrnet_stages(4, (1,), 1), final_kernel=2)
    with pytest.raises(InputError, match="final_layer"):
        pose_hrnet_like({"conv1.weight": (64, 3, 3, 3)})
    odd = PoseHRNet(17, (Stage(1, (1, 1), (3, 5)),))
    torch.save(odd.state_dict(), tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match="W18, W32, W48"):
        vitruvian.load("hrnet", tmp_path / "odd.pth")


def test_weights_are_folded_once_and_say_the_same(tmp_path) -> None:
    torch.manual_seed(0)
    system = PoseHRNetSystem("lsp14", **SMALL)
    with torch.no_grad():
        for _ in range(3):  # norms with statistics of their own
            system.network.train()(torch.randn(4, 3, 64, 64) * 2 + 1)
    torch.nn.init.normal_(system.network.final_layer.weight)
    system.eval().save(tmp_path / "w.safetensors")
    loaded = vitruvian.load("hrnet", tmp_path / "w.safetensors", device="cpu")
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in loaded.folded.network.modules())
    crops = torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        plain, fast = system(crops), loaded(crops)
    assert (plain - fast).abs().max() <= 1e-5 * plain.abs().max()
    assert set(loaded.state_dict()) == set(system.state_dict())
    loaded.save(tmp_path / "again.safetensors")
    again = vitruvian.load("hrnet", tmp_path / "again.safetensors", device="cpu")
    assert torch.equal(again.network.conv1.weight, system.network.conv1.weight)
    image = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    boxes = [[0, 0, 30, 80], [20, 5, 60, 70]]
    together = loaded.predict([image], [boxes])[0]
    for person, box in zip(together, boxes, strict=True):
        alone = loaded.predict([image], [[box]])[0].people[0]
        np.testing.assert_allclose(person.pose.joints, alone.pose.joints, atol=1e-4)
    loaded.network = torch.nn.Identity()  # another network is not overlooked
    with torch.inference_mode():
        assert loaded(crops).shape == crops.shape


def test_an_objective_that_a_system_has_not_is_refused() -> None:
    from vitruvian.pose.cpm import ConvolutionalPoseMachine

    assert PoseHRNetSystem("lsp14", objective="likelihood", **SMALL).objective == "likelihood"
    with pytest.raises(UnknownNameError, match="objective of cpm"):
        ConvolutionalPoseMachine("lsp14", objective="likelihood")
