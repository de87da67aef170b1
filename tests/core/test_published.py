"""Published checkpoints: both directions, strictly, and nothing loaded where one thing is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitruvian.core.errors import WeightsError
from vitruvian.core.published import load_published, read_checkpoint, save_published, to_published


class Renamed(nn.Module):
    """A network whose published checkpoints call its layers otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)

    def published_keys(self) -> dict[str, str]:
        return {
            key: key.replace("first", "fc.0").replace("norm", "bn") for key in self.state_dict()
        }


def state(seed=1):
    torch.manual_seed(seed)
    network = Renamed()
    nn.init.normal_(network.norm.running_mean)
    return to_published(network)


def test_there_and_back():
    published = state()
    assert "fc.0.weight" in published
    assert "bn.running_var" in published
    network = Renamed()
    load_published(network, published)
    assert torch.equal(network.first.weight, published["fc.0.weight"])
    back = to_published(network)
    assert back.keys() == published.keys()
    assert all(torch.equal(back[key], published[key]) for key in back)


def test_through_a_file(tmp_path):
    network = Renamed()
    load_published(network, state())
    save_published(network, tmp_path / "w.safetensors")
    again = read_checkpoint(tmp_path / "w.safetensors")
    assert all(torch.equal(again[key], value) for key, value in to_published(network).items())
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    ],
)
def test_wrappings_are_taken_off(tmp_path, wrap):
    torch.save(wrap(state()), tmp_path / "w.pth")
    read = read_checkpoint(tmp_path / "w.pth")
    assert read.keys() == state().keys()


def test_counters_of_batches_may_be_absent():
    """PyTorch before 0.4.1 had none."""
    published = {key: value for key, value in state().items() if "num_batches" not in key}
    load_published(Renamed(), published)


def change(key, value=None):
    def changed(state):
        if value is None:
            del state[key]
        else:
            state[key] = value

    return changed


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change("fc.0.weight"), r"1 missing \(fc\.0\.weight\)"),
        (change("fc.1.weight", torch.zeros(2)), r"1 extra \(fc\.1\.weight\)"),
        (
            change("fc.0.weight", torch.zeros(3, 5)),
            r"1 of another shape \(fc\.0\.weight \(3, 5\) instead of \(3, 2\)\)",
        ),
        (change("fc.0.bias", torch.full((3,), float("nan"))), r"1 with NaN \(fc\.0\.bias\)"),
    ],
)
def test_what_does_not_fit_is_reported_and_nothing_is_loaded(spoil, words):
    network, published = Renamed(), state()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    spoil(published)
    with pytest.raises(WeightsError, match=words) as caught:
        load_published(network, published, origin="theirs.pth")
    assert str(caught.value).startswith("theirs.pth does not fit Renamed")
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_all_that_is_wrong_is_in_one_report():
    published = state()
    spoiled = {f"x.{key}": value for key, value in published.items()}
    spoiled["fc.0.bias"] = torch.zeros(9)
    with pytest.raises(WeightsError, match=r"5 missing .*….* 6 extra .* 1 of another shape"):
        load_published(Renamed(), spoiled)


def test_keys_that_may_be_left_out():
    published = {**state(), "head.weight": torch.zeros(1)}
    load_published(Renamed(), published, unused=("head.weight",))
