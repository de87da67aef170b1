"""System: a network with its losses, its optimizer and its `predict`, as a LightningModule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from lightning.pytorch import LightningModule
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vitruvian.core.card import Card, Plain, find_card
from vitruvian.core.device import Precision, choose_device
from vitruvian.core.errors import VitruvianError, WeightsError
from vitruvian.core.files import whole_file
from vitruvian.core.published import load_plain, load_published, read_checkpoint, to_published
from vitruvian.core.skeletons import Skeleton, find_skeleton
from vitruvian.core.weights import Weights

Batch = Mapping[str, Any]
Value = TypeVar("Value")


class System(LightningModule):
    """What every method that trains has in common.

    A subclass sets `network`, names its losses in `losses`, says what its validation and test steps
    score, and turns what a user has into records in `predict`. Its arguments are plain values, so
    that a checkpoint is read without running code of it. Optimizer and scheduler come from the
    recipe (`optimizer:` and `lr_scheduler:`), where LightningCLI puts them in.

    Attributes:
        card_name: Name of the system's card.
        network: The network; tensors in, tensors out.
        chosen: Device and precision that `predict` uses.
    """

    card_name: ClassVar[str]
    network: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.chosen = choose_device("cpu", "32")
        self.weights: Weights | None = None
        self.scored: dict[int, Any] = {}

    @property
    def card(self) -> Card:
        """What is known of the system."""
        return find_card(self.card_name)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective by name, each a scalar; training minimises their sum."""
        raise NotImplementedError

    def penalties(self) -> dict[str, Tensor]:
        """Further terms that follow from the network after its forward pass; none here."""
        return {}

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Sum of the named losses; each is logged as `train/NAME`."""
        losses = self.losses(batch)
        losses = {**losses, **self.penalties()}
        total = torch.stack(list(losses.values())).sum()
        named = losses if len(losses) == 1 else {**losses, "loss": total}
        for name, value in named.items():
            self.log(f"train/{name}", value.detach(), prog_bar=value is total or len(losses) == 1)
        return total

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """Metrics of an epoch by name, the main one first.

        Args:
            part: "val" or "test".
            scored: What `validation_step` kept in `self.scored`, by the sample's index, of all
                processes.
        """
        raise NotImplementedError

    def test_step(self, batch: Batch, index: int) -> None:
        """Test as validation does."""
        self.validation_step(batch, index)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics as `val/METRIC`."""
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics as `test/METRIC`."""
        self._log_metrics("test")

    def _log_metrics(self, part: str) -> None:
        scored, self.scored = gathered(self.scored), {}
        metrics = self.evaluate(part, scored)
        main = next(iter(metrics))
        for name, value in metrics.items():
            self.log(f"{part}/{name}", value, prog_bar=name == main)

    @classmethod
    def entries(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What of a published state dict belongs to the network; here all of it."""
        return state

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Plain]:
        """Arguments of the class that a published state dict shows by its keys and shapes."""
        del state
        return {}

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        device: str = "auto",
        precision: Precision = "auto",
        **arguments: Plain,
    ) -> Self:
        """The system with weights that `find_weights` found, ready for `predict`.

        Args:
            weights: The checkpoint: ours (safetensors), a training checkpoint, or a published one.
            device: As in `choose_device`.
            precision: Likewise.
            arguments: Of the class; they win over what the checkpoint says of itself.

        Raises:
            WeightsError: the checkpoint is damaged, or does not fit the network.
        """
        chosen = choose_device(device, precision)
        state = cls.entries(network_state(weights.file))
        try:
            said = {**weights.arguments, **saved_arguments(weights)}
            guessed = cls.arguments_of(state)
            cls.check_joints_of(weights.file, said, guessed, arguments)
            system = cls(**{**guessed, **said, **arguments})
        except WeightsError:
            raise
        except (TypeError, ValueError, VitruvianError) as error:
            msg = f"{weights.file} makes no {cls.__name__} with these options ({error})."
            raise WeightsError(msg) from error
        load_published(system.network, state, origin=str(weights.file))
        system.chosen = chosen
        system.weights = weights
        system.requires_grad_(requires_grad=False)
        return system.eval().to(chosen.device)

    def load_network(self, file: Path) -> None:
        """Put the weights of a checkpoint, of a run or published, into the network.

        Raises:
            WeightsError: the checkpoint is damaged or another network's.
        """
        state = self.entries(network_state(file))
        try:
            guessed = self.arguments_of(state)
        except (TypeError, ValueError, VitruvianError):  # another network's: said below
            guessed = {}
        self.check_joints_of(file, arguments_in(file)[1], guessed, self.hparams)
        load_published(self.network, state, origin=str(file))

    @classmethod
    def joints_said(cls, arguments: Mapping[str, Any]) -> Skeleton | None:
        """The joints that arguments of the class speak of; None where they speak of none."""
        said = arguments.get("skeleton")
        return find_skeleton(said) if isinstance(said, str) else None

    @classmethod
    def check_joints_of(
        cls,
        file: str | Path,
        said: Mapping[str, Any],
        guessed: Mapping[str, Any],
        wanted: Mapping[str, Any],
    ) -> None:
        """Refuse a checkpoint of other joints than the network's.

        Args:
            file: The checkpoint.
            said: Arguments of the class that it holds.
            guessed: Those that its shapes show: they tell how many joints there are, not which.
            wanted: Those that the network is to have.

        Raises:
            WeightsError: with both lists.
        """
        try:
            known, own = cls.joints_said(said), cls.joints_said(wanted)
            other = known or cls.joints_said(guessed)
        except VitruvianError as error:
            raise WeightsError(f"{file} names joints that nobody knows ({error}).") from error
        if own is None or other is None:
            return
        if (own.joints != other.joints) if known else (len(own) != len(other)):
            raise WeightsError(
                f"{tell_joints(own, str(file), other)}: take weights of the network's joints, or "
                "a network of theirs."
            )

    def save(self, path: str | Path, *, half: bool = False, **facts: Plain) -> None:
        """Write the network as safetensors that `from_weights` reads without further arguments.

        Args:
            path: The file.
            half: Whether real numbers are stored in 16 bits: half the size, three digits.
            facts: What else the file says of itself.
        """
        arguments = {key: value for key, value in self.hparams.items() if not key.startswith("_")}
        metadata = {"system": self.card.path, "arguments": json.dumps(arguments)}
        metadata |= {key: str(value) for key, value in facts.items()}
        tensors = {
            key: value.detach().cpu().contiguous()
            for key, value in to_published(self.network).items()
        }
        if half:
            tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
        with whole_file(path) as part:
            save_file(tensors, part, metadata)


class BackboneSystem(System):
    """A `System` whose training may begin with the checkpoint of a network without this one's head.

    One of the same network gives its head, too, for the joints that both have.

    Attributes:
        backbone: That checkpoint; None: training begins with random numbers.
        head: Beginnings of the network's keys that a backbone does not have.
        left_out: Beginnings of a backbone's keys that the network has no place for.
    """

    backbone: str | None = None
    head: ClassVar[tuple[str, ...]] = ()
    left_out: ClassVar[tuple[str, ...]] = ()

    def load_backbone(self) -> None:
        """Put the backbone's weights into the network, where there is a backbone.

        Raises:
            WeightsError: the checkpoint is damaged, another network's, or of other joints.
        """
        if self.backbone:
            own = self.network.state_dict()
            head = {key: value for key, value in own.items() if key.startswith(self.head)}
            whole = network_state(Path(self.backbone))
            if not self.left_out:  # a whole network, with its joints
                said = arguments_in(self.backbone)[1]
                self.check_joints_of(self.backbone, said, {}, self.hparams)
            else:
                head = self._known_head(whole, head)
            load_published(
                self.network, {**self.backbone_state(whole), **head}, origin=self.backbone
            )

    def _known_head(
        self, whole: Mapping[str, Tensor], head: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The head, with a backbone's own numbers where it is of this network, too.

        Of a tensor with a row a joint those rows are taken whose joints both have.
        """
        try:
            said = self.joints_said(arguments_in(str(self.backbone))[1])
            own = self.joints_said(self.hparams)
        except VitruvianError:
            return dict(head)
        if said is None or own is None:
            return dict(head)
        names = [name for name in own.joints if name in said.index]
        to, origin = ([each.index[name] for name in names] for each in (own, said))
        known = {}
        for key, value in head.items():
            other = whole.get(key)
            if other is None or other.shape[1:] != value.shape[1:]:
                known[key] = value
            elif (len(value), len(other)) == (len(own), len(said)):
                known[key] = value.clone()
                known[key][to] = other[origin].to(value.dtype)
            else:
                known[key] = other if len(other) == len(value) else value
        return known

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a backbone's checkpoint that the network has a place for."""
        return {key: value for key, value in state.items() if not key.startswith(self.left_out)}


def network_state(file: Path) -> dict[str, Tensor]:
    """The network's tensors in a checkpoint of a run, or in one of weights alone.

    Raises:
        WeightsError: the file is absent or damaged.
    """
    state = read_checkpoint(file)
    if all(key.startswith("network.") for key in state):
        return {key.removeprefix("network."): value for key, value in state.items()}
    return state


def saved_arguments(weights: Weights) -> dict[str, Plain]:
    """The class arguments that a checkpoint of ours holds; none in other people's.

    Raises:
        WeightsError: the file is another system's.
    """
    owner, found = arguments_in(weights.file)
    if owner not in (None, weights.system):
        msg = f"{weights.file} holds weights of {owner}, not of {weights.system}."
        raise WeightsError(msg)
    return found


def arguments_in(file: str | Path) -> tuple[str | None, dict[str, Plain]]:
    """The system that a checkpoint says it is of, and its class arguments; of others' None and {}.

    Raises:
        WeightsError: the file is damaged.
    """
    file, owner, found = Path(file), None, None
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as content:
            metadata = content.metadata() or {}
        owner = metadata.get("system")
        try:
            found = json.loads(metadata.get("arguments", "{}"))
        except ValueError:
            found = None
    else:
        content = load_plain(file)
        found = content.get("hyper_parameters", {}) if isinstance(content, dict) else {}
    if not isinstance(found, dict):
        msg = f"{file} holds arguments that are no names and values: get it again."
        raise WeightsError(msg)
    return owner, {key: value for key, value in found.items() if not key.startswith("_")}


def tell_joints(own: Skeleton, whose: str, other: Skeleton) -> str:
    """Most of a sentence with two lists of joints: the network's, and those of something else."""
    return (
        f"The network knows {len(own)} joints ({', '.join(own.joints)}), {whose} {len(other)} "
        f"({', '.join(other.joints)})"
    )


def gathered(found: Mapping[int, Value]) -> dict[int, Value]:
    """What all processes of a distributed run found, by index; in a single one, `found`."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return dict(found)
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, dict(found))
    return {index: value for part in parts for index, value in part.items()}
