"""The modules of DSCMP: individual and social-aware context, and the scene's latent variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def run_lstm(
    lstm: nn.LSTM,
    inputs: Float[Tensor, "people steps size"],
    state: tuple[Tensor, Tensor] | None = None,
) -> Float[Tensor, "people steps hidden"]:
    """The hidden vectors of an LSTM of one layer at every step.

    While a network is exported the steps are written out: the exporter would fix the number of
    people of the fused operation.

    Args:
        lstm: Batch first.
        inputs: At every step.
        state: (people, hidden) each: to begin with; None: zeros.
    """
    if not torch.compiler.is_exporting():
        begun = None if state is None else (state[0][None], state[1][None])
        return lstm(inputs, begun)[0]
    weights: Any = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0)
    zeros = inputs.new_zeros(inputs.shape[0], lstm.hidden_size)
    hidden, cell = (zeros, zeros) if state is None else state
    found = []
    for step in range(inputs.shape[1]):
        gates = F.linear(inputs[:, step], weights[0], weights[2])
        gates = gates + F.linear(hidden, weights[1], weights[3])
        enter, keep, new, out = gates.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.tanh()
        found.append(hidden)
    return torch.stack(found, dim=1)


PATCH_SIZE = 12
"""Side of the cut-out of the layout that a person sees, in its cells."""

BLOCK = 384
"""People whose intermediate values are in memory together: so they stay in the processor's caches,
and the cost of a crowd grows with its size."""


def in_blocks(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """`function` of tensors with a row a person, `BLOCK` rows at a time.

    While a network is exported the number of people is not known, and all go through at once.

    Args:
        function: Whose rows of output hang on the same rows of its inputs alone.
        tensors: Its inputs.
    """
    if torch.compiler.is_exporting() or len(tensors[0]) <= BLOCK:
        return function(*tensors)
    pieces = zip(*(torch.split(tensor, BLOCK) for tensor in tensors), strict=True)
    return torch.cat([function(*piece) for piece in pieces])


class QueueContext(nn.Module):
    """Individual context (ICM): what a person's queue of hidden vectors says together.

    Args:
        hidden: Size of a hidden vector.
        queue: Hidden vectors in the queue, the newest one too.
        individual: Whether the queue is refined; without, its vectors are only mixed.
    """

    def __init__(self, hidden: int, queue: int, *, individual: bool = True) -> None:
        super().__init__()
        self.queue = queue
        self.refine = nn.Conv1d(hidden, hidden, 3, padding=1) if individual else None
        self.mix = nn.Linear(queue * hidden, hidden)

    def forward(
        self, hidden: Float[Tensor, "people steps hidden"]
    ) -> Float[Tensor, "people steps hidden"]:
        """The context at each step, from the queue as it is then; zeros before the start."""
        steps, queue = hidden.shape[1], self.queue
        padded = F.pad(hidden, (0, 0, queue - 1, 0))
        vectors = [padded[:, place : place + steps] for place in range(queue)]
        if self.refine is not None:
            # The three products of a vector are the same in all queues that it stands in.
            weights = self.refine.weight.unbind(2)
            before, after = (F.linear(padded, weights[side]) for side in (0, 2))
            at = F.linear(padded, weights[1], self.refine.bias)
            older = at + F.pad(before[:, :-1], (0, 0, 1, 0))
            newer = F.pad(after[:, 1:], (0, 0, 0, 1))
            for place, vector in enumerate(vectors):
                sums = older if place > 0 else at
                sums = sums + newer if place < queue - 1 else sums
                vectors[place] = vector + F.relu(sums[:, place : place + steps])
        return self.mix(torch.cat(vectors, dim=2))


class SocialContext(nn.Module):
    """Social-aware context (SCM): attention of each person over the people near them.

    Args:
        hidden: Size of a context vector.
        relation: Size of what says how two people stand to each other.
    """

    def __init__(self, hidden: int, relation: int) -> None:
        super().__init__()
        self.own = nn.Linear(hidden, 1)
        self.others = nn.Linear(hidden, 1, bias=False)
        self.relation = nn.Linear(relation, 1, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False)
        self.relation_value = nn.Linear(relation, hidden)

    def forward(
        self,
        context: Float[Tensor, "people steps hidden"],
        relation: Float[Tensor, "people near steps relation"],
        near: Int[Tensor, "people near"],
        taken: Bool[Tensor, "people near"],
    ) -> Float[Tensor, "people steps hidden"]:
        """Σ_j α_ij (W' c_j + U φ_ij) at each step, over the people near, the person too.

        Args:
            context: c, of the individual context.
            relation: φ(p_j − p_i) and the like, for each person near.
            near: Rows of the people near.
            taken: Whether there is one.
        """
        others, values = self.others(context), self.value(context)

        def attended(context: Tensor, relation: Tensor, near: Tensor, taken: Tensor) -> Tensor:
            score = self.own(context)[:, None] + others[near] + self.relation(relation)
            score = F.leaky_relu(score.squeeze(-1), 0.2)
            score = score.masked_fill(~taken[:, :, None], -torch.inf)
            weight = score.softmax(dim=1)[..., None]
            told = (values[near] * weight).sum(1)
            return told + self.relation_value((relation * weight).sum(1))

        return in_blocks(attended, context, relation, near, taken)


class SceneLatent(nn.Module):
    """Mean and deviation of the latent variable, from the layout around each person.

    The layout is cut out in the person's own frame, so that what is learned of "a wall ahead" holds
    for every person and scene.

    Args:
        classes: Kinds of ground in the layout; 0: there is none, and the prior stays as it is.
        latent: Size of the latent variable.
    """

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.classes = classes
        self.latent = latent
        if classes:
            self.layers = nn.Sequential(
                *(nn.Conv2d(classes, 16, 3, 2, 1), nn.ReLU()),
                *(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten()),
                *(nn.Linear(32 * (PATCH_SIZE // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, 2 * latent)),
            )

    def forward(
        self, patches: Float[Tensor, "people classes side side"] | None, people: int
    ) -> tuple[Float[Tensor, "people latent"], Float[Tensor, "people latent"]]:
        """μ and log σ² of each person; zeros where there is no layout."""
        if patches is None or not self.classes:
            zeros = next(iter(self.parameters()), torch.zeros(())).new_zeros(people, self.latent)
            return zeros, zeros
        mean, variance = self.layers(patches).chunk(2, dim=1)
        return mean, variance.clamp(-8, 8)
