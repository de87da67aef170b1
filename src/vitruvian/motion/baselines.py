"""What DSCMP is compared with, in the same protocol: two rules and two networks.

Constant velocity and a straight line; Social LSTM (Alahi et al., CVPR 2016), whose hidden states
meet on a grid around each person; and the generator of Social GAN (Gupta et al., CVPR 2018) trained
by its variety loss alone ("variety LSTM"), without the discriminator.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.system import Batch
from vitruvian.motion.neighbours import near_pairs
from vitruvian.motion.system import MotionSystem
from vitruvian.motion.tracks import PREDICTED


def constant_velocity(
    past: Float[Tensor, "people observed 2"], steps: int = PREDICTED
) -> Float[Tensor, "people 1 steps 2"]:
    """Everyone goes on as in their last step (Schöller et al., RA-L 2020); relative positions."""
    move = past[:, -1] - past[:, -2]
    return (move[:, None] * torch.arange(1, steps + 1, device=past.device)[:, None])[:, None]


def straight_line(
    past: Float[Tensor, "people observed 2"], steps: int = PREDICTED
) -> Float[Tensor, "people 1 steps 2"]:
    """The line that fits all observed positions best, in time; relative to the last position."""
    observed = past.shape[1]
    times = torch.arange(observed, dtype=past.dtype, device=past.device)
    centred = times - times.mean()
    slope = (centred[None, :, None] * past).sum(1) / centred.square().sum()
    ahead = torch.arange(observed, observed + steps, device=past.device) - times.mean()
    places = past.mean(1)[:, None] + slope[:, None] * ahead[:, None]
    return (places - past[:, -1:])[:, None]


class SocialLstmNetwork(nn.Module):
    """One LSTM a person, all with the same weights; hidden states near each other are pooled.

    Args:
        hidden: Size of a hidden vector.
        embedding: Of the move and of the pooled grid.
        cells: Of the grid along each side.
        reach: Side of the grid, in the tracks' unit.
    """

    def __init__(
        self, *, hidden: int = 64, embedding: int = 32, cells: int = 4, reach: float = 4.0
    ) -> None:
        super().__init__()
        self.hidden, self.cells, self.reach = hidden, cells, reach
        self.embed = nn.Linear(2, embedding)
        self.pool = nn.Linear(cells * cells * hidden, embedding)
        self.cell = nn.LSTMCell(2 * embedding, hidden)
        self.out = nn.Linear(hidden, 5)

    def grid(self, places: Tensor, scene: Tensor, hidden: Tensor) -> Tensor:
        """(people, cells² · hidden): sums of the others' hidden vectors, by where they are."""
        person, other, _ = near_pairs(places, scene, self.reach / math.sqrt(2))
        apart = (places[other] - places[person]) / self.reach + 0.5
        inside = ((apart >= 0) & (apart < 1)).all(dim=1) & (person != other)
        person, other, apart = person[inside], other[inside], apart[inside]
        column, row = (apart * self.cells).long().clamp(max=self.cells - 1).unbind(1)
        area = self.cells**2
        place = person * area + row * self.cells + column
        sums = hidden.new_zeros(len(places) * area, self.hidden).index_add(0, place, hidden[other])
        return sums.view(len(places), -1)

    def forward(
        self, past: Tensor, scene: Tensor, future: Tensor | None = None, *, drawn: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The Gaussian of every next move.

        Args:
            past: (people, observed, 2).
            scene: (people,).
            future: (people, steps, 2): fed while training; None: the network's own moves are.
            drawn: Whether own moves are drawn, or are the means.

        Returns:
            (people, moves, 5): means, log deviations and correlation of the moves after each known
            position; (people, steps, 2): the predicted positions, relative to the last known one.
        """
        steps = PREDICTED if future is None else future.shape[1]
        known = past if future is None else torch.cat([past, future], dim=1)
        hidden = cell = past.new_zeros(len(past), self.hidden)
        place, move = known[:, 0], torch.zeros_like(known[:, 0])
        found, places = [], []
        for step in range(past.shape[1] + steps - 1):
            pooled = F.relu(self.pool(self.grid(place, scene, hidden)))
            inputs = torch.cat([F.relu(self.embed(move)), pooled], dim=1)
            hidden, cell = self.cell(inputs, (hidden, cell))
            gaussian = self.out(hidden)
            found.append(gaussian)
            if step + 1 < known.shape[1]:
                move = known[:, step + 1] - known[:, step]
                place = known[:, step + 1]
            else:
                move = _draw(gaussian) if drawn else gaussian[:, :2]
                place = place + move
                places.append(place)
        relative = torch.stack(places, dim=1) - past[:, -1:] if places else past[:, :0]
        return torch.stack(found, dim=1), relative


def _gaussian(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, log_deviation, correlation = values[..., :2], values[..., 2:4], values[..., 4]
    return mean, log_deviation.clamp(-5, 2), 0.95 * correlation.tanh()


def _draw(values: Tensor) -> Tensor:
    mean, log_deviation, correlation = _gaussian(values)
    one, other = torch.randn_like(mean).unbind(-1)
    other = correlation * one + (1 - correlation.square()).sqrt() * other
    return mean + log_deviation.exp() * torch.stack([one, other], dim=-1)


def gaussian_loss(values: Tensor, moves: Tensor) -> Tensor:
    """Mean negative log likelihood of moves under Gaussians (equation 4 of Social LSTM)."""
    mean, log_deviation, correlation = _gaussian(values)
    x, y = ((moves - mean) / log_deviation.exp()).unbind(-1)
    rest = 1 - correlation.square()
    square = (x.square() + y.square() - 2 * correlation * x * y) / rest
    return (square / 2 + log_deviation.sum(-1) + rest.log() / 2 + math.log(2 * math.pi)).mean()


class SocialLstm(MotionSystem):
    """Social LSTM. Of several samples the first is the means' path, the others are drawn.

    Args:
        hidden: See `SocialLstmNetwork`.
        samples: Futures that are scored.
    """

    card_name = "social_lstm"
    network: SocialLstmNetwork

    def __init__(self, *, hidden: int = 64, samples: int = 20) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = SocialLstmNetwork(hidden=hidden)
        self.samples = samples

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`likelihood`: of every predicted move, in nats."""
        past, future = batch["past"], batch["future"]
        values, _ = self.network(past, batch["scene"], future)
        moves = torch.cat([past[:, -1:], future], dim=1).diff(dim=1)
        return {"likelihood": gaussian_loss(values[:, -moves.shape[1] :], moves)}

    def futures_of(
        self, past: Tensor, scene: Tensor, samples: int, patches: Tensor | None = None
    ) -> Tensor:
        """See `MotionSystem`; the layout is not looked at."""
        del patches
        found = [self.network(past, scene, drawn=k > 0)[1] for k in range(samples)]
        return torch.stack(found, dim=1)


class VarietyNetwork(nn.Module):
    """Encoder, pooling over everyone of the scene, and a decoder that starts from noise.

    Args:
        hidden: Of the LSTMs.
        embedding: Of a move.
        noise: Size of the noise.
        reach: People farther than this are not pooled, in the tracks' unit.
    """

    def __init__(
        self, *, hidden: int = 48, embedding: int = 16, noise: int = 8, reach: float = 10.0
    ) -> None:
        super().__init__()
        self.noise, self.reach = noise, reach
        self.embed = nn.Linear(2, embedding)
        self.encoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.place = nn.Linear(2, embedding)
        self.pool = nn.Sequential(
            *(nn.Linear(embedding + hidden, 64), nn.ReLU(), nn.Linear(64, hidden), nn.ReLU())
        )
        self.start = nn.Sequential(nn.Linear(2 * hidden, hidden - noise), nn.ReLU())
        self.decode_embed = nn.Linear(2, embedding)
        self.decoder = nn.LSTMCell(embedding, hidden)
        self.out = nn.Linear(hidden, 2)

    def forward(self, past: Tensor, scene: Tensor, noise: Tensor) -> Tensor:
        """(people, samples, steps, 2) relative positions from (scenes, samples, noise)."""
        moves = F.pad(past.diff(dim=1), (0, 0, 1, 0))
        _, (hidden, _) = self.encoder(self.embed(moves))
        hidden = hidden[0]
        person, other, _ = near_pairs(past[:, -1], scene, self.reach)
        apart = self.place(past[other, -1] - past[person, -1])
        told = self.pool(torch.cat([apart, hidden[other]], dim=1))
        rows = person[:, None].expand(-1, told.shape[1])
        pooled = torch.zeros_like(hidden).scatter_reduce(0, rows, told, "amax")
        started = self.start(torch.cat([hidden, pooled], dim=1))
        people, samples = len(past), noise.shape[1]
        state = torch.cat([started[:, None].expand(-1, samples, -1), noise[scene]], dim=2)
        state = state.reshape(people * samples, -1)
        cell = torch.zeros_like(state)
        move = moves[:, -1].repeat_interleave(samples, dim=0)
        found = []
        for _ in range(PREDICTED):
            state, cell = self.decoder(self.decode_embed(move), (state, cell))
            move = self.out(state)
            found.append(move)
        return torch.stack(found, dim=1).view(people, samples, PREDICTED, 2).cumsum(dim=2)


class VarietyLstm(MotionSystem):
    """Social GAN's generator, trained by the best of its samples in each scene.

    Args:
        hidden: See `VarietyNetwork`.
        samples: Futures that are trained and scored.
    """

    card_name = "variety_lstm"
    network: VarietyNetwork

    def __init__(self, *, hidden: int = 48, samples: int = 20) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = VarietyNetwork(hidden=hidden)
        self.samples = samples

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`variety`: the squared error of each scene's best sample (section 3.4 of Social GAN)."""
        past, scene, scenes = batch["past"], batch["scene"], len(batch["index"])
        noise = torch.randn(scenes, self.samples, self.network.noise, device=past.device)
        futures = self.network(past, scene, noise)
        truth = batch["future"] - past[:, -1:]
        errors = (futures - truth[:, None]).square().sum(-1).mean(-1)
        summed = errors.new_zeros(scenes, self.samples).index_add(0, scene, errors)
        return {"variety": summed.min(dim=1).values.sum() / len(past)}

    def futures_of(
        self, past: Tensor, scene: Tensor, samples: int, patches: Tensor | None = None
    ) -> Tensor:
        """See `MotionSystem`: the draws are the same for every scene, layouts are not looked at."""
        del patches
        scenes = int(scene.max()) + 1 if len(scene) else 0
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, samples, self.network.noise, generator=generator)
        return self.network(past, scene, noise.expand(scenes, -1, -1).to(past.device))
