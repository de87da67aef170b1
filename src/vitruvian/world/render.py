"""Pictures of a stage: what every pixel shows, its light, shadows and smooth edges.

A surface's point is where the ray through a pixel's centre first meets it, so depth, masks, parts
and texture coordinates agree by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.world.backgrounds import SCENE_LABELS, Background
from vitruvian.world.camera import NEAR, Camera
from vitruvian.world.dressing import surface_arrays
from vitruvian.world.kernels import raster, rays, scenery
from vitruvian.world.light import Light
from vitruvian.world.rig import load_rig
from vitruvian.world.shells import is_shell, shell_parts
from vitruvian.world.stage import Stage, shading_arrays
from vitruvian.world.surface import load_surface

_LENS, _OUT_OF_FOCUS = 0.45, 1.0  # spread in pixels: of what is sharp, and where it shows
_FACE_BITS = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture and what every pixel shows. N people; -1 is nobody.

    Attributes:
        image: (height, width, 3): linear light, without noise.
        person: (height, width): whose surface is seen.
        depth: (height, width): metres along the optical axis; infinite where nothing is.
        normals: (height, width, 3): in the world; 0 where no person is.
        materials: (height, width): place in `clothes.MATERIALS`.
        parts: (height, width): place in `clothes.PARTS`.
        faces: (height, width): the triangle of the person's mesh that is seen; -1 where nobody is.
        places: (height, width, 2): the shares of the triangle's first two corners.
        full_masks: (N, height, width): each person as if nobody stood in front.
        scene: (height, width): place in `backgrounds.SCENE_LABELS`.
    """

    image: NDArray[np.float32]
    person: NDArray[np.int32]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]
    materials: NDArray[np.int32]
    parts: NDArray[np.int32]
    faces: NDArray[np.int32]
    places: NDArray[np.float32]
    full_masks: NDArray[np.bool_]
    scene: NDArray[np.int32]

    @cached_property
    def uv(self) -> NDArray[np.float32]:
        """(height, width, 2): texture coordinates on the body, in [0, 1]; 0 where nobody is."""
        pixels = np.flatnonzero(self.faces >= 0)
        corners = load_surface().face_uv[self.faces.reshape(-1)[pixels]]
        place = self.places.reshape(-1, 2)[pixels]
        u, v = place[:, :1], place[:, 1:]
        uv = u * corners[:, 0] + v * corners[:, 1] + (1 - u - v) * corners[:, 2]
        return np.asarray(_spread(self.faces.shape, pixels, uv, 0))


@dataclass(frozen=True, eq=False)
class _Surfaces:
    """What samples meet, as warp's arrays."""

    samples: Any
    materials: Any
    colors: Any
    points: Any
    normals: Any
    bumped: Any
    glosses: Any
    places: Any
    depths: Any


def render(stage: Stage, camera: Camera, light: Light, background: Background) -> Rendering:
    """Take a picture.

    Args:
        stage: People and things.
        camera: The camera; it sees what is `camera.NEAR` metres before it and farther.
        light: The light.
        background: What lies behind.
    """
    shape = (camera.height, camera.width)
    nearest, owners, masks = _first_hits(stage, camera)
    pixels = np.flatnonzero(owners[0] >= 0)
    seen = _surfaces(stage, camera, _samples(nearest, owners, shape, pixels, 0))
    chosen = _one_of_four(owners[0] >= 0)[pixels]
    shares = _spread(shape, pixels[chosen], _shares(stage, light, seen, chosen), 0)
    shares = _calmed(shares, 3).reshape(-1, 2)

    scene, behind = _painted(stage, camera, light, background, np.any(owners < 0, axis=0))
    image = behind.copy()
    colors, behind = image.reshape(-1, 3), behind.reshape(-1, 3)
    colors[pixels] = _colors(stage, camera, light, seen, shares[pixels])
    materials = np.zeros(shape, dtype=np.int32)
    materials.reshape(-1)[pixels] = seen.materials.numpy()
    edges = _edges(owners, materials, image)
    samples = np.concatenate(
        [_samples(nearest, owners, shape, edges, number) for number in range(1, raster.SAMPLES)]
    )
    mixed = np.tile(behind[edges], (raster.SAMPLES - 1, 1))
    met = samples[:, 3] >= 0
    among = _surfaces(stage, camera, samples[met])
    share = shares[np.tile(edges, raster.SAMPLES - 1)[met]]
    mixed[met] = _colors(stage, camera, light, among, share)
    total = colors[edges]
    for part in mixed.reshape(raster.SAMPLES - 1, -1, 3):
        total += part
    colors[edges] = total / np.float32(raster.SAMPLES)
    return _annotated(stage, image, materials, scene, masks, seen, pixels)


def _samples(
    nearest: NDArray[np.uint64],
    owners: NDArray[np.int32],
    shape: tuple[int, int],
    pixels: NDArray[np.int64],
    number: int,
) -> NDArray[np.int32]:
    """(pixels, 5): rows of what `rays.surfaces` reads, of one sample of each pixel."""
    result = np.empty((len(pixels), 5), dtype=np.int32)
    result[:, 0], result[:, 1] = pixels // shape[1], pixels % shape[1]
    result[:, 2] = number
    result[:, 3] = owners[number].reshape(-1)[pixels]
    result[:, 4] = nearest[number].reshape(-1)[pixels] & _FACE_BITS
    return result


def _surfaces(stage: Stage, camera: Camera, samples: NDArray[np.int32]) -> _Surfaces:
    """What known samples meet."""
    device, count = stage.device, len(samples)
    body, shared = surface_arrays(device), shading_arrays(device)
    vectors = [wp.empty(count, dtype=wp.vec3, device=device) for _ in range(4)]
    pairs = [wp.empty(count, dtype=wp.vec2, device=device) for _ in range(2)]
    result = _Surfaces(
        samples=wp.array(samples, dtype=int, device=device),
        materials=wp.empty(count, dtype=int, device=device),
        colors=vectors[0],
        points=vectors[1],
        normals=vectors[2],
        bumped=vectors[3],
        glosses=pairs[0],
        places=pairs[1],
        depths=wp.empty(count, dtype=float, device=device),
    )
    wp.launch(
        rays.surfaces,
        dim=count,
        inputs=[
            *(stage.ids, result.samples, camera.struct, stage.outfits, shared["kinds"]),
            *(body["canonical"], body["arms"], body["lips"], stage.normals, stage.colors),
            shared["noise"],
        ],
        outputs=[
            *(result.materials, result.colors, result.points, result.normals, result.bumped),
            *(result.glosses, result.places, result.depths),
        ],
        device=device,
    )
    return result


def _one_of_four(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(height * width,): the first known pixel of every square of four."""
    height, width = known.shape
    padded = np.zeros((height + height % 2, width + width % 2), dtype=bool)
    padded[:height, :width] = known
    taken = np.zeros((padded.shape[0] // 2, padded.shape[1] // 2), dtype=bool)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corner = padded[row::2, column::2]
        corner &= ~taken
        taken |= corner
    return padded[:height, :width].reshape(-1)


def _shares(
    stage: Stage, light: Light, seen: _Surfaces, chosen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(chosen samples, 3): the shares of sun's disc and sky that each sees, and 1."""
    places = wp.array(np.flatnonzero(chosen).astype(np.int32), dtype=int, device=stage.device)
    shares = wp.empty(len(places), dtype=wp.vec3, device=stage.device)
    wp.launch(
        rays.sunlight,
        dim=len(shares),
        inputs=[
            *(stage.ids, stage.boxes, places, seen.samples, seen.points, seen.bumped),
            *(light.struct, stage.balls, stage.people),
        ],
        outputs=[shares],
        device=stage.device,
    )
    return np.asarray(shares.numpy())


def _colors(
    stage: Stage, camera: Camera, light: Light, seen: _Surfaces, shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(samples, 3): linear light, from the shares of sun and sky that each sees."""
    device = stage.device
    colors = wp.empty(len(shares), dtype=wp.vec3, device=device)
    wp.launch(
        rays.light_up,
        dim=len(shares),
        inputs=[
            *(seen.materials, seen.colors, seen.points, seen.bumped, seen.glosses),
            wp.array(shares, dtype=wp.vec2, device=device),
            *(camera.struct.position, light.struct),
        ],
        outputs=[colors],
        device=device,
    )
    return np.asarray(colors.numpy())


def _painted(
    stage: Stage, camera: Camera, light: Light, background: Background, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Labels and linear light of what lies behind, where it is seen.

    What is out of focus by more than a pixel is painted at half the size: nobody sees it.
    """
    spread = background.blur * camera.height
    if spread <= _OUT_OF_FOCUS or background.photo is not None:
        labels, behind = _paint(stage, camera, light, background, seen)
        return labels, _blurred(behind, seen, max(spread, _LENS))
    height, width = ((side + 1) // 2 for side in seen.shape)
    padded = np.zeros((2 * height, 2 * width), dtype=bool)
    padded[: camera.height, : camera.width] = seen
    known = np.asarray(padded.reshape(height, 2, width, 2).any(axis=(1, 3)))
    half = Camera(
        width, height, camera.focal / 2, camera.center / 2, camera.rotation, camera.position
    )
    labels, behind = _paint(stage, half, light, background, known)
    behind = np.asarray(
        cv2.resize(_blurred(behind, known, spread / 2), padded.shape[::-1]), dtype=np.float32
    )
    labels = labels.repeat(2, axis=0).repeat(2, axis=1)
    labels, behind = (
        labels[: camera.height, : camera.width],
        behind[: camera.height, : camera.width],
    )
    return np.where(seen, labels, 0), np.ascontiguousarray(behind)


def _paint(
    stage: Stage, camera: Camera, light: Light, background: Background, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Labels and linear light of the background in focus, where it is seen."""
    device, shape = stage.device, seen.shape
    labels = wp.zeros(shape, dtype=int, device=device)
    shaded, sunlit = (wp.zeros(shape, dtype=wp.vec3, device=device) for _ in range(2))
    shares = wp.empty(shape, dtype=wp.vec3, device=device)
    photo = np.zeros((1, 1, 3)) if background.photo is None else background.photo
    wp.launch(
        scenery.paint,
        dim=shape,
        inputs=[
            *(wp.array(seen, dtype=wp.bool, device=device), camera.struct, light.struct),
            *(background.struct(), shading_arrays(device)["noise"]),
            wp.array(photo.astype(np.float32), dtype=wp.vec3, device=device),
            *(stage.ids, stage.boxes, stage.balls, stage.people),
        ],
        outputs=[labels, shaded, sunlit, shares],
        device=device,
    )
    free = _calmed(shares.numpy(), 5)
    behind = sunlit.numpy() * free[..., :1]
    behind += shaded.numpy() * free[..., 1:]
    return np.array(labels.numpy()), behind


def _blurred(
    behind: NDArray[np.float32], seen: NDArray[np.bool_], spread: float
) -> NDArray[np.float32]:
    """Out of focus, by a Gauss curve over what is seen."""
    size = (2 * round(2 * spread) + 1,) * 2
    weight = cv2.GaussianBlur(seen.astype(np.float32), size, spread)
    result = cv2.GaussianBlur(behind, size, spread)
    return np.asarray(result / np.maximum(weight, np.float32(1e-3))[..., None], dtype=np.float32)


def _calmed(shares: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(height, width, 2): mean over the neighbours that are known: a ray a pixel leaves grain."""
    # All is free where nothing is known.
    total = np.asarray(cv2.blur(shares, (size, size))) + np.float32(1e-6)
    return np.asarray(total[..., :2] / total[..., 2:])


def _edges(
    owners: NDArray[np.int32], materials: NDArray[np.int32], image: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Pixels that show two things, or whose colour jumps on a person."""
    someone = owners[0] >= 0
    edge = np.zeros_like(someone)
    bright = cv2.sqrt(image[..., 1])
    for axis in (0, 1):
        first = (slice(None),) * axis + (slice(None, -1),)
        second = (slice(None),) * axis + (slice(1, None),)
        differs = materials[first] != materials[second]
        differs |= np.abs(bright[first] - bright[second]) > 0.25
        edge[first] |= differs
        edge[second] |= differs
    edge &= someone
    for other in owners[1:]:
        edge |= other != owners[0]
    return np.flatnonzero(edge)


def _annotated(
    stage: Stage,
    image: NDArray[np.float32],
    materials: NDArray[np.int32],
    scene: NDArray[np.int32],
    masks: NDArray[np.bool_],
    seen: _Surfaces,
    pixels: NDArray[np.int64],
) -> Rendering:
    """What every pixel shows, from the triangle that it hits."""
    shape = materials.shape
    depth = _spread(shape, pixels, seen.depths.numpy(), np.inf)
    scene.reshape(-1)[pixels] = SCENE_LABELS.index("thing")
    samples, place, normals = seen.samples.numpy(), seen.places.numpy(), seen.normals.numpy()
    if len(stage.meshes) > stage.people:
        own = samples[:, 3] < stage.people
        pixels, samples, place, normals = pixels[own], samples[own], place[own], normals[own]
    scene.reshape(-1)[pixels] = SCENE_LABELS.index("person")
    face, surface = samples[:, 4], load_surface()
    parts, loose = surface.parts[face], is_shell(face)
    parts[loose] = shell_parts(face[loose], place[loose], stage.shells[samples[loose, 3]])
    return Rendering(
        image=image,
        person=_spread(shape, pixels, samples[:, 3], -1),
        depth=depth,
        normals=_spread(shape, pixels, normals, 0),
        materials=materials,
        parts=_spread(shape, pixels, parts, 0),
        faces=_spread(shape, pixels, face, -1),
        places=_spread(shape, pixels, place, 0),
        full_masks=masks,
        scene=scene,
    )


def _spread(
    shape: tuple[int, ...], pixels: NDArray[np.int64], values: NDArray[Any], rest: float
) -> NDArray[Any]:
    """(height, width, …): values at some pixels, `rest` elsewhere."""
    result = np.full((shape[0] * shape[1], *values.shape[1:]), rest, dtype=values.dtype)
    result[pixels] = values
    return result.reshape(*shape, *values.shape[1:])


def _first_hits(
    stage: Stage, camera: Camera
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.bool_]]:
    """Of every sample of every pixel the nearest triangle and its mesh; each person's own mask."""
    device, shape = stage.device, (camera.height, camera.width)
    nothing = int(raster.NOTHING)
    nearest = wp.full((raster.SAMPLES, *shape), nothing, dtype=wp.uint64, device=device)
    owners = wp.full((raster.SAMPLES, *shape), -1, dtype=int, device=device)
    masks = wp.zeros((stage.people, *shape), dtype=wp.uint8, device=device)
    eye, body = camera.struct, len(load_rig().faces)
    for number, (mesh, window) in enumerate(
        zip(stage.meshes, stage.windows(camera).tolist(), strict=True)
    ):
        left, top, right, bottom = window
        if left >= right or top >= bottom:
            continue
        seen = wp.empty(len(mesh.points), dtype=wp.vec3, device=device)
        wp.launch(
            raster.project,
            dim=len(seen),
            inputs=[mesh.points, eye, NEAR],
            outputs=[seen],
            device=device,
        )
        size = (bottom - top, right - left)
        layers = wp.full((raster.SAMPLES, *size), nothing, dtype=wp.uint64, device=device)
        wp.launch(
            raster.cover,
            dim=len(mesh.indices) // 3,
            inputs=[seen, mesh.indices, left, top, body if number < stage.people else 0],
            outputs=[layers],
            device=device,
        )
        wp.launch(
            raster.merge,
            dim=size,
            inputs=[layers, left, top, number],
            outputs=[nearest, owners, masks],
            device=device,
        )
    return nearest.numpy(), owners.numpy(), masks.numpy().view(bool)
