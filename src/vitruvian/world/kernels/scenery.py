"""What lies behind the people: floor, walls and sky, painted where they are seen."""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.rays import (
    Camera,
    Light,
    lit,
    noise_at,
    open_sky,
    ray_through,
    to_light,
)

ROOM = wp.constant(0)
STREET = wp.constant(1)
LAWN = wp.constant(2)
STUDIO = wp.constant(3)
PHOTO = wp.constant(4)

NOTHING = wp.constant(0)
FLOOR = wp.constant(1)
WALL = wp.constant(2)
SKY = wp.constant(3)
WINDOW = wp.constant(4)
GRASS = wp.constant(5)
BACKDROP = wp.constant(8)
PLANT = wp.constant(9)

BOARDS = wp.constant(1)
TILES = wp.constant(2)
CHECKERS = wp.constant(3)


@wp.struct
class Scenery:
    """A place: z = 0 is its floor, and a wall stands behind the people, another beside them.

    A wall is where `facing` · (x, y) = `far`. Colours are linear, lengths metres.
    """

    place: int
    facing: wp.vec2
    far: float
    aside: wp.vec2
    side: float
    tall: float
    wall: wp.vec3
    joint: wp.vec3
    brick: float
    window: wp.vec2
    pane: wp.vec3
    ratio: wp.vec2
    trees: float
    leaves: wp.vec3
    floor: wp.vec3
    second: wp.vec3
    pattern: int
    tile: float
    turn: float
    blue: float
    shift: float


@wp.func
def stripes(place: float, width: float, footprint: float):
    """How much of a joint of `width`, of a pattern of period 1, fills a pixel's footprint."""
    inside = wp.abs(place - wp.round(place))
    soft = wp.max(footprint, 0.5 * width)
    share = wp.clamp((0.5 * width + 0.5 * soft - inside) / soft, 0.0, 1.0)
    return share * wp.clamp(2.0 * width / soft, 0.0, 1.0)


@wp.func
def wall_at(
    along: float, height: float, footprint: float, s: Scenery, noise: wp.array2d(dtype=float)
):
    """Colour and label of a place on a wall."""
    rough = noise_at(noise, 9.0 * along + s.shift, 9.0 * height)
    color = s.wall * (1.0 + 0.09 * rough)
    label = int(WALL)
    if s.place == STUDIO:
        return s.wall * (1.0 + 0.02 * rough), label
    if s.place == LAWN:
        leaf = noise_at(noise, 37.0 * along, 41.0 * height + s.shift)
        return s.leaves * wp.max(1.0 + 0.45 * rough + 0.35 * leaf, 0.1), PLANT
    if s.brick > 0.0:
        row = height / s.brick
        odd = 0.5 * wp.floor(row)
        column = along / (2.6 * s.brick) + odd
        share = wp.max(
            stripes(row, 0.1, footprint / s.brick),
            stripes(column, 0.05, footprint / (2.6 * s.brick)),
        )
        color = wp.lerp(color, s.joint, 0.7 * share)
    if s.window[0] > 0.0:
        u = along / s.window[0] + s.shift
        v = (height - 0.9) / s.window[1]
        column = u - wp.floor(u)
        level = v - wp.floor(v)
        first = s.place == STREET or v < 1.0
        if height > 0.9 and first and column > 0.25 and column < 0.72 and level < s.ratio[0]:
            label = WINDOW
            color = s.pane * (1.0 + 0.3 * rough + 0.5 * (level - 0.2))
            if column < 0.28 or column > 0.69 or level < 0.03 or wp.abs(column - 0.485) < 0.008:
                color = s.joint
        elif s.place == STREET and level > 0.9:
            color = color * 0.85
    if s.place == ROOM and height < 0.1:
        color = s.joint
    return color, label


@wp.func
def floor_at(x: float, y: float, footprint: float, s: Scenery, noise: wp.array2d(dtype=float)):
    """Colour of a place on the floor."""
    fine = wp.clamp(0.02 / footprint, 0.0, 1.0)
    rough = noise_at(noise, 6.0 * x + s.shift, 6.0 * y)
    grain = fine * noise_at(noise, 61.0 * x, 61.0 * y + s.shift)
    if s.place == LAWN:
        return s.floor * wp.max(1.0 + 0.22 * rough + 0.3 * grain, 0.1)
    if s.place == STUDIO:
        return s.floor * (1.0 + 0.015 * rough)
    color = s.floor * (1.0 + 0.07 * rough + 0.07 * grain)
    a = wp.cos(s.turn) * x + wp.sin(s.turn) * y
    b = wp.cos(s.turn) * y - wp.sin(s.turn) * x
    if s.pattern == BOARDS:
        row = a / 0.14
        shade = 0.618 * wp.floor(row)
        color = color * (0.85 + 0.3 * (shade - wp.floor(shade)))
        color = color * (1.0 - 0.4 * stripes(row, 0.06, footprint / 0.14))
    elif s.pattern > 0:
        u = a / s.tile
        v = b / s.tile
        if s.pattern == CHECKERS and (int(wp.floor(u)) + int(wp.floor(v))) % 2 == 0:
            color = s.second
        mark = wp.floor(u) * 0.618 + wp.floor(v) * 0.381
        color = color * (0.92 + 0.16 * (mark - wp.floor(mark)))
        joints = wp.max(stripes(u, 0.03, footprint / s.tile), stripes(v, 0.03, footprint / s.tile))
        color = color * (1.0 - 0.4 * joints)
    return color


@wp.kernel(enable_backward=False)
def paint(
    seen: wp.array2d(dtype=wp.bool),
    camera: Camera,
    light: Light,
    s: Scenery,
    noise: wp.array2d(dtype=float),
    photo: wp.array2d(dtype=wp.vec3),
    meshes: wp.array(dtype=wp.uint64),
    bounds: wp.array2d(dtype=wp.vec3),
    balls: wp.array(dtype=wp.vec4),
    groups: int,
    labels: wp.array2d(dtype=int),
    shaded: wp.array2d(dtype=wp.vec3),
    sunlit: wp.array2d(dtype=wp.vec3),
    shares: wp.array2d(dtype=wp.vec3),
):
    """Label of each pixel's background, its light without the sun and the sun's.

    The shares of sun and sky that are free are found for every fourth pixel, with a 1 behind them;
    elsewhere are zeros.
    """
    row, column = wp.tid()
    shares[row, column] = wp.vec3()
    if not seen[row, column]:
        return
    direction = ray_through(float(column) + 0.5, float(row) + 0.5, camera)
    eye = camera.position
    flat = wp.vec2(direction[0], direction[1])
    distance = float(1.0e4)
    surface = int(0)
    if direction[2] < -1.0e-5:
        distance = -eye[2] / direction[2]
        surface = 1
    if s.place != PHOTO:
        speed = wp.dot(flat, s.facing)
        if speed > 1.0e-5:
            far = (s.far - wp.dot(wp.vec2(eye[0], eye[1]), s.facing)) / speed
            if far < distance and eye[2] + far * direction[2] < s.tall:
                distance = far
                surface = 2
        speed = wp.dot(flat, s.aside)
        if speed > 1.0e-5 and s.side > 0.0:
            far = (s.side - wp.dot(wp.vec2(eye[0], eye[1]), s.aside)) / speed
            if far < distance and eye[2] + far * direction[2] < s.tall:
                distance = far
                surface = 3
    point = eye + distance * direction
    footprint = distance / camera.focal
    color = wp.vec3()
    normal = wp.vec3(0.0, 0.0, 1.0)
    label = int(SKY)
    if surface == 1:
        label = FLOOR
        if s.place == LAWN:
            label = GRASS
        color = floor_at(point[0], point[1], footprint / wp.max(-direction[2], 0.02), s, noise)
    elif surface > 1:
        facing = s.facing
        if surface == 3:
            facing = s.aside
        normal = wp.vec3(-facing[0], -facing[1], 0.0)
        along = facing[0] * point[1] - facing[1] * point[0]
        color, wall = wall_at(along, point[2], footprint, s, noise)
        label = wall
    if s.trees > 0.0 and surface != 1:
        # Trees before the far wall, with a ragged crown.
        across = wp.atan2(direction[0], direction[1])
        crown = s.trees * (1.0 + 0.3 * noise_at(noise, 20.0 * across + s.shift, 3.0))
        crown += 0.02 * noise_at(noise, 130.0 * across, 60.0 * direction[2])
        if direction[2] < crown:
            surface = 2
            normal = wp.vec3(0.0, 0.0, 1.0)
            point = wp.vec3(point[0], point[1], 3.0)
            clump = noise_at(noise, 150.0 * across, 150.0 * direction[2] + s.shift)
            leaf = noise_at(noise, 700.0 * across, 700.0 * direction[2] + s.shift)
            color = s.leaves * wp.max(1.0 + 0.35 * clump + 0.3 * leaf, 0.1)
            label = PLANT
    toward, _far, strength = to_light(point, light)
    sun = light.sun * (wp.max(wp.dot(normal, toward), 0.0) * strength)
    around = light.sky
    if surface > 1:
        around = 0.5 * (light.sky + light.ground)
    if s.place == PHOTO:
        color = photo[row, column]
        label = BACKDROP
        # The photo is lit already: its light is split as the scene's would be.
        whole = wp.length(around) + wp.length(light.sun) * 0.6
        around = wp.vec3(1.0, 1.0, 1.0) * (wp.length(around) / whole)
        sun = wp.vec3(1.0, 1.0, 1.0) - around
    if row % 2 == 0 and column % 2 == 0:
        share = float(1.0)
        free = float(1.0)
        if surface > 0:
            above = point + 0.002 * normal
            if wp.length(sun) > 0.0:
                share = lit(meshes, bounds, above, light, row, column)
            corner = float(10.0)  # corners are dim
            if surface == 1 and s.place != PHOTO:
                corner = wp.abs(s.far - wp.dot(wp.vec2(point[0], point[1]), s.facing))
            if surface > 1:
                corner = point[2]
            free = 1.0 - 0.3 * wp.exp(-3.0 * corner)
            free *= open_sky(above, normal, balls, groups, 0.2)
        shares[row, column] = wp.vec3(share, free, 1.0)
    if surface == 0 and s.place != PHOTO:
        up = wp.clamp(direction[2], 0.0, 1.0)
        pale = wp.vec3(0.75, 0.8, 0.85)
        deep = s.blue * wp.vec3(0.2, 0.4, 0.8) + (1.0 - s.blue) * pale
        cloud = noise_at(noise, 30.0 * direction[0] + s.shift, 60.0 * direction[2])
        color = (pale * (1.0 - up) + deep * up) * (1.0 + 0.1 * cloud)
        around = wp.vec3(1.1, 1.1, 1.1)
        sun = wp.vec3()
    labels[row, column] = label
    shaded[row, column] = wp.cw_mul(color, around)
    sunlit[row, column] = wp.cw_mul(color, sun)
