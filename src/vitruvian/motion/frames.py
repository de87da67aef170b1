"""Each person's own frame: the last position is the origin, the way they go is the x axis."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_LOOK_BACK = 4  # steps: a single one is mostly noise of the annotation for who walks slowly
_STANDING = 1e-3  # of a length unit a step; a direction below it says nothing


def own_frame(
    past: Float[Tensor, "people steps 2"],
) -> tuple[Float[Tensor, "people 2"], Float[Tensor, "people 2 2"]]:
    """Origin and rotation of each person's own frame.

    Args:
        past: What was observed, at least one step.

    Returns:
        The last position, and the matrix that turns a vector of the ground into the own frame,
        `own = rotation @ vector`; for who stands still it is the identity.
    """
    last = past[:, -1]
    way = last - past[:, -min(_LOOK_BACK, past.shape[1])]
    size = way.norm(dim=1, keepdim=True)
    forward = torch.where(size > _STANDING, way / size.clamp(min=_STANDING), way.new_tensor([1, 0]))
    cosine, sine = forward.unbind(1)
    rotation = torch.stack([cosine, sine, -sine, cosine], dim=1).view(-1, 2, 2)
    return last, rotation


def turned(
    vectors: Float[Tensor, "people *any 2"], rotation: Float[Tensor, "people 2 2"]
) -> Float[Tensor, "people *any 2"]:
    """`rotation @ vector` for each vector of each person."""
    people = vectors.shape[0]
    return (vectors.reshape(people, -1, 2) @ rotation.transpose(1, 2)).view_as(vectors)
