"""Skeletons of the user's own: joint names and edges in a short YAML; everything else follows.

    name: cup
    joints: [left_rim, right_rim, handle, base]
    edges: [[left_rim, right_rim], [left_rim, base], [right_rim, base]]

Pairs that change places in a mirrored picture follow from `left_` and `right_`, colours from the
edges, the width of a network's head from the number of joints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import (
    SKELETONS,
    WHOLEBODY133,
    Skeleton,
    mirrored_name,
)

SIGMA = 0.05
"""Spread of a joint that nobody measured: between COCO's ears and its shoulders."""

_KEYS = ("name", "joints", "edges", "sigmas")


def is_own(source: str) -> bool:
    """Whether a skeleton is given by a YAML file or its `description`, not by one of our names."""
    return source.startswith("{") or source.endswith((".yaml", ".yml"))


def own_skeleton(source: str) -> Skeleton:
    """The skeleton of a YAML file, or of a `description`.

    Raises:
        UnknownNameError: a joint or a setting is not known.
        InputError: the file is absent or no YAML, or it does not describe a skeleton.
    """
    if source.startswith("{"):
        return _described(json.loads(source), "The skeleton")
    path = Path(source)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"There is no skeleton file at {path}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is no YAML that can be read: correct it.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds no settings: write name, joints and edges.")
    return _described(content, str(path))


def description(skeleton: Skeleton) -> str:
    """The skeleton's name if it is one of ours, else all that `own_skeleton` needs, as JSON."""
    if SKELETONS.get(skeleton.name) is skeleton:
        return skeleton.name
    content = {
        "name": skeleton.name,
        "joints": skeleton.joints,
        "edges": skeleton.edges,
        "sigmas": dict(zip(skeleton.joints, skeleton.sigmas, strict=True)),
    }
    return json.dumps(content)


def _described(content: Mapping[str, Any], origin: str) -> Skeleton:
    for key in content:
        if key not in _KEYS:
            raise UnknownNameError(f"setting of {origin}", str(key), _KEYS)
    joints = content.get("joints")
    if not isinstance(joints, list) or not joints or not all(isinstance(j, str) for j in joints):
        raise InputError(f"{origin} needs `joints`, a list of names.")
    twice = next((joint for joint in joints if joints.count(joint) > 1), None)
    if twice:
        raise InputError(f"{origin} names the joint {twice!r} twice.")
    lonely = next((joint for joint in joints if mirrored_name(joint) not in joints), None)
    if lonely:
        raise InputError(
            f"{origin} has {lonely!r} but no {mirrored_name(lonely)!r}: a mirrored picture needs "
            "both, or a name without a side."
        )
    edges = content.get("edges") or []
    sigmas = content.get("sigmas") or {}
    _check(edges, sigmas, joints, origin)
    return Skeleton(
        str(content.get("name") or "own"),
        tuple(joints),
        tuple((str(start), str(end)) for start, end in edges),
        tuple(float(sigmas.get(joint, _measured(joint))) for joint in joints),
    )


def _check(
    edges: Sequence[Any], sigmas: Mapping[str, Any], joints: Sequence[str], origin: str
) -> None:
    for edge in edges:
        if not isinstance(edge, list | tuple) or len(edge) != 2:
            raise InputError(f"{origin} has the edge {edge!r}; an edge is [one joint, another].")
    for joint in (*(joint for edge in edges for joint in edge), *sigmas):
        if joint not in joints:
            raise UnknownNameError(f"joint in {origin}", str(joint), joints)
    for joint, sigma in sigmas.items():
        if not isinstance(sigma, int | float) or not 0 < sigma < 1:
            raise InputError(f"{origin} has the sigma {sigma!r} of {joint!r}; give one in (0, 1).")


def _measured(joint: str) -> float:
    """The spread of a joint that COCO-WholeBody knows by the same name, else `SIGMA`."""
    place = WHOLEBODY133.index.get(joint)
    return SIGMA if place is None else WHOLEBODY133.sigmas[place]
