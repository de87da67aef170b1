"""DSCMP: everyone's futures from queues of hidden features, from each other, and from the layout.

Tao, Jiang, Duan, Luo: "Dynamic and Static Context-aware LSTM for Multi-agent Motion Prediction",
ECCV 2020 (arXiv 2008.00777). There is no official code. Each person has a queue of past hidden
vectors; an individual context module reads it, a social-aware one attends to the people around, and
a latent variable, inferred from the layout of the scene, makes the futures differ.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vitruvian.core.system import Batch
from vitruvian.motion.contexts import QueueContext, SceneLatent, SocialContext, in_blocks, run_lstm
from vitruvian.motion.frames import own_frame, turned
from vitruvian.motion.neighbours import nearest
from vitruvian.motion.sampling import draw_noise
from vitruvian.motion.system import MotionSystem


class DscmpNetwork(nn.Module):
    """Everyone's futures from everyone's pasts, for many scenes at once.

    Args:
        hidden: d, of each LSTM.
        layers: L, of the encoder.
        queue: q, hidden vectors that a queue holds.
        latent: dz.
        steps: That are predicted.
        radius: People farther than this are not attended to, in metres.
        most: At most so many people are attended to, the person too.
        classes: Kinds of ground of the layout; 0: no layout.
        individual: Whether there is the individual context's refinement.
        social: Whether there is social-aware context.
        longest: A step longer than this is taken to be this long, in metres.
        metre: In the tracks' unit.
    """

    def __init__(
        self,
        *,
        hidden: int = 48,
        layers: int = 2,
        queue: int = 4,
        latent: int = 2,
        steps: int = 12,
        radius: float = 6.0,
        most: int = 12,
        classes: int = 0,
        individual: bool = True,
        social: bool = True,
        longest: float = 8.0,
        metre: float = 1.0,
    ) -> None:
        super().__init__()
        self.metre = metre
        self.steps = steps
        self.radius = radius
        self.most = most
        self.longest = longest
        self.latent = latent
        self.social = social
        self.embed = nn.Linear(4, 32)
        self.encoders = nn.ModuleList(
            nn.LSTM(32 if layer == 0 else hidden, hidden, batch_first=True)
            for layer in range(layers)
        )
        self.individual = nn.ModuleList(
            QueueContext(hidden, queue, individual=individual) for _ in range(layers)
        )
        if social:
            self.relate = nn.Linear(9, 24)
            self.socials = nn.ModuleList(SocialContext(hidden, 24) for _ in range(layers))
        self.scene = SceneLatent(classes, latent)
        self.start = nn.Linear(hidden, 2 * hidden)
        self.clock = nn.Parameter(torch.randn(steps, 16))
        self.decoder = nn.LSTM(16, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 2)
        self.bend_context = nn.Linear(hidden, 64)
        self.bend_latent = nn.Linear(latent, 64, bias=False)
        self.bend = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2 * steps))

    def encode(
        self,
        past: Float[Tensor, "people steps 2"],
        rotation: Float[Tensor, "people 2 2"],
        near: Int[Tensor, "people near"],
        taken: Bool[Tensor, "people near"],
    ) -> Float[Tensor, "people hidden"]:
        """h̃ of the last observed step."""
        longest = self.longest
        moves = F.pad(past.diff(dim=1), (0, 0, 1, 0)).clamp(-longest, longest)
        seen = (past - past[:, -1:]).clamp(-8 * longest, 8 * longest)
        inputs = torch.cat([turned(moves, rotation), turned(seen, rotation) / 4], dim=2)
        hidden = F.relu(self.embed(inputs))
        relation = self._relations(past, moves, rotation, near) if self.social else None
        encoders: Any = self.encoders
        for layer, encoder in enumerate(encoders):
            hidden = in_blocks(partial(run_lstm, encoder), hidden)
            context = in_blocks(self.individual[layer], hidden)
            hidden = hidden + context
            if relation is not None:
                hidden = hidden + self.socials[layer](context, relation, near, taken)
        return hidden[:, -1]

    def _relations(self, past: Tensor, moves: Tensor, rotation: Tensor, near: Tensor) -> Tensor:
        """φ: where the others are, how they move and which way they go, in each one's own frame."""
        steps, reach = past.shape[1], 2 * self.radius

        def related(place: Tensor, move: Tensor, rotated: Tensor, near: Tensor) -> Tensor:
            people, count = near.shape
            apart = (past[near] - place[:, None]).clamp(-reach, reach)
            speed = moves[near] - move[:, None]
            own = turned(torch.cat([apart / self.radius, speed], dim=2), rotated)
            apart, speed = own.view(people, count, 2, steps, 2).unbind(2)
            distance = apart.norm(dim=-1, keepdim=True)
            ahead = apart / (distance + 0.05)
            facing = torch.einsum("pij,pnj->pni", rotated, rotation[near][:, :, 0])
            facing = facing[:, :, None].expand(-1, -1, steps, -1)
            return F.relu(self.relate(torch.cat([apart, speed, distance, ahead, facing], dim=-1)))

        return in_blocks(related, past, moves, rotation, near)

    def decode(
        self,
        context: Float[Tensor, "people hidden"],
        drift: Float[Tensor, "people 2"],
        latent: Float[Tensor, "people samples latent"],
    ) -> Float[Tensor, "people samples steps 2"]:
        """Futures in the own frame, from the origin.

        The LSTM runs once a person and gives the moves that all samples share; what the latent adds
        to them comes from a small network of h̃ and z, so that twenty samples cost little more
        than one.

        Args:
            context: h̃.
            drift: The last steps' mean, to which the decoder adds.
            latent: z.
        """
        people, samples, _ = latent.shape
        hidden, cell = self.start(context).tanh().chunk(2, dim=1)
        clock = self.clock.expand(people, -1, -1)
        hidden = run_lstm(self.decoder, clock, (hidden.contiguous(), cell.contiguous()))
        moves = self.out(hidden) + drift[:, None]
        bent = F.relu(self.bend_context(context)[:, None] + self.bend_latent(latent))
        bent = self.bend(bent).view(people, samples, self.steps, 2)
        return (moves[:, None] + bent).cumsum(dim=2)

    def forward(
        self,
        past: Float[Tensor, "people observed 2"],
        scene: Int[Tensor, " people"],
        noise: Float[Tensor, "people samples latent"],
        patches: Float[Tensor, "people classes side side"] | None = None,
    ) -> tuple[Float[Tensor, "people samples steps 2"], Tensor, Tensor]:
        """Futures of everyone.

        Args:
            past: Observed positions.
            scene: The scene of each person; people of different scenes do not see each other.
            noise: ε of N(0, I), for each person and sample; a scene's people have the same.
            patches: The layout around each person, in their own frame.

        Returns:
            Positions relative to the last observed one, and μ and log σ² of the latent.
        """
        past = past / self.metre
        near, taken = nearest(past[:, -1], scene, self.radius, self.most)
        futures, mean, variance = self.futures(past, near, taken, noise, patches)
        return self.metre * futures, mean, variance

    def futures(
        self,
        past: Float[Tensor, "people observed 2"],
        near: Int[Tensor, "people near"],
        taken: Bool[Tensor, "people near"],
        noise: Float[Tensor, "people samples latent"],
        patches: Float[Tensor, "people classes side side"] | None = None,
    ) -> tuple[Float[Tensor, "people samples steps 2"], Tensor, Tensor]:
        """As `forward`, in metres, given whom each person attends to (see `nearest`)."""
        _, rotation = own_frame(past)
        context = self.encode(past, rotation, near, taken)
        mean, variance = self.scene(patches, past.shape[0])
        latent = mean[:, None] + (variance / 2).exp()[:, None] * noise
        back = min(3, past.shape[1])
        drift = (past[:, -1] - past[:, -back]) / max(back - 1, 1)
        drift = drift.clamp(-self.longest, self.longest)
        back_turned = in_blocks(self._decoded, context, drift, latent, rotation)
        return back_turned, mean, variance

    def _decoded(self, context: Tensor, drift: Tensor, latent: Tensor, rotation: Tensor) -> Tensor:
        """`decode`, on the ground."""
        own = self.decode(context, turned(drift, rotation), latent)
        return turned(own, rotation.transpose(1, 2))


class OneScene(nn.Module):
    """The network for a single scene as plain tensor products, for other runtimes.

    Everyone is compared with everyone: the cost grows with the square of the people.

    Args:
        network: Whose weights it uses.
    """

    def __init__(self, network: DscmpNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, past: Float[Tensor, "people observed 2"], noise: Float[Tensor, "samples latent"]
    ) -> Float[Tensor, "people samples steps 2"]:
        """Futures relative to the last observed positions.

        Args:
            past: Observed positions.
            noise: ε of N(0, I), which everyone shares.
        """
        metre = self.network.metre
        now = past[:, -1] / metre
        apart = (now[:, None] - now[None]).square().sum(-1)
        rank = (apart[:, None, :] < apart[:, :, None]).sum(-1)
        taken = (apart <= self.network.radius**2) & (rank < self.network.most)
        near = torch.arange(past.shape[0], device=past.device).expand(past.shape[0], -1)
        shared = noise.expand(past.shape[0], -1, -1)
        return metre * self.network.futures(past / metre, near, taken, shared)[0]


def coherence(
    predicted: Float[Tensor, "people steps 2"], truth: Float[Tensor, "people steps 2"]
) -> Float[Tensor, " people"]:
    """TCC, with a gradient: Pearson's correlation over the steps, mean of x and y.

    Who stands still has no variance, and counts 0.
    """
    predicted = predicted - predicted.mean(1, keepdim=True)
    truth = truth - truth.mean(1, keepdim=True)
    covariance = (predicted * truth).mean(1)
    variances = predicted.square().mean(1) * truth.square().mean(1)
    return (covariance / (variances + 1e-8).sqrt()).mean(1)


def best_in_scene(
    errors: Float[Tensor, "people samples"], scene: Int[Tensor, " people"], scenes: int
) -> tuple[Float[Tensor, " scenes"], Int[Tensor, " scenes"]]:
    """The summed error of each scene's best sample, and which one it is."""
    summed = errors.new_zeros(scenes, errors.shape[1]).index_add(0, scene, errors)
    least, place = summed.min(dim=1)
    return least, place


class Dscmp(MotionSystem):
    """Training, scoring and use of `DscmpNetwork`.

    Args:
        hidden: See `DscmpNetwork`.
        layers: Likewise.
        queue: Likewise.
        latent: Likewise.
        radius: Likewise.
        most: Likewise.
        classes: Likewise.
        individual: Likewise.
        social: Likewise.
        samples: Futures that are trained and scored.
        unit: Of the tracks: "m", "px" or "heights".
        metre: In that unit, about.
        final: Weight of the last step's error beside the mean of all steps, in each variety term.
        person: Weight of the variety loss of each person alone.
        single: Weight of the error at the latent's mean, which is reported as K = 1.
        coherence: λ_c.
        divergence: λ_z, of the KL term; it is only there with a layout.
        shared: Whether a scene's people share each draw of the latent, or have their own.
    """

    card_name = "dscmp"
    network: DscmpNetwork

    def __init__(
        self,
        *,
        hidden: int = 48,
        layers: int = 2,
        queue: int = 4,
        latent: int = 2,
        radius: float = 6.0,
        most: int = 12,
        classes: int = 0,
        individual: bool = True,
        social: bool = True,
        samples: int = 20,
        unit: str = "m",
        metre: float = 1.0,
        final: float = 0.5,
        person: float = 0.5,
        single: float = 0.1,
        coherence: float = 0.02,
        divergence: float = 0.01,
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = DscmpNetwork(
            hidden=hidden,
            layers=layers,
            queue=queue,
            latent=latent,
            radius=radius,
            most=most,
            classes=classes,
            individual=individual,
            social=social,
            metre=metre,
        )
        self.metre = metre
        self.samples = samples
        self.unit = unit
        self.shared = shared
        self.weights_of = {
            "final": final,
            "person": person,
            "single": single,
            "coherence": coherence,
            "divergence": divergence,
        }

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The objective.

        `variety`: the best sample of each scene (SGAN's loss, as a distance), `person`: the best
        one of each person, `single`: the latent's mean, `coherence`: 1 − TCC of the scene's best
        sample, `divergence`: KL of the latent against N(0, I), where there is a layout.
        """
        past, scene = batch["past"], batch["scene"]
        scenes, people = len(batch["index"]), len(past)
        noise = self._noise(past, scene, self.samples, self._shifts())
        patches = batch.get("patches")
        futures, mean, variance = self.network(past, scene, noise, patches)
        truth = batch["future"] - past[:, -1:]
        errors = (((futures - truth[:, None]) / self.metre).square().sum(-1) + 1e-6).sqrt()
        weights = self.weights_of
        mixed = errors.mean(-1) + weights["final"] * errors[..., -1]
        best, place = best_in_scene(mixed, scene, scenes)
        losses = {
            "variety": best.sum() / people,
            "person": weights["person"] * mixed.min(dim=1).values.mean(),
            "single": weights["single"] * mixed[:, 0].mean(),
        }
        if weights["coherence"]:
            chosen = futures[torch.arange(people, device=past.device), place[scene]]
            losses["coherence"] = weights["coherence"] * (1 - coherence(chosen, truth).mean())
        if patches is not None:
            kl = (mean.square() + variance.exp() - 1 - variance).sum(1).mean() / 2
            losses["divergence"] = weights["divergence"] * kl
        return losses

    def for_export(self) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]:
        """The network of one scene, and two examples of its inputs that differ in their sizes."""

        def example(people: int, samples: int) -> dict[str, Tensor]:
            generator = torch.Generator().manual_seed(people)
            moves = torch.randn(people, 8, 2, generator=generator) / 2
            return {
                "past": moves.cumsum(1) + 3 * torch.randn(people, 1, 2, generator=generator),
                "noise": torch.randn(samples, self.network.latent, generator=generator),
            }

        return OneScene(self.network), example(7, 20), example(3, 5)

    def _shifts(self) -> torch.Generator:
        """Of the draws of a training step; from the run's own generator, which is kept with it."""
        return torch.Generator().manual_seed(int(torch.randint(2**62, ()).item()))

    def futures_of(
        self,
        past: Float[Tensor, "people observed 2"],
        scene: Tensor,
        samples: int,
        patches: Float[Tensor, "people classes side side"] | None = None,
    ) -> Float[Tensor, "people samples steps 2"]:
        """See `MotionSystem`: the draws are the same for every scene."""
        generator = None if self.shared else torch.Generator().manual_seed(0)
        noise = self._noise(past, scene, samples, generator)
        return self.network(past, scene, noise, patches)[0]

    def _noise(
        self, past: Tensor, scene: Tensor, samples: int, generator: torch.Generator | None
    ) -> Tensor:
        """ε of each person."""
        count = (int(scene.max()) + 1 if len(scene) else 0) if self.shared else len(past)
        noise = draw_noise(count, samples, self.network.latent, generator).to(past.device)
        return noise[scene] if self.shared else noise
