"""What a ray hits: the surface there, how it is lit, and which joints the camera sees."""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.colors import color_at, gloss_at
from vitruvian.world.kernels.materials import (
    BOTTOM,
    DRESS,
    JACKET,
    PROP,
    SHOES,
    SKIN,
    SKIRT,
    SOCKS,
    TOP,
    Outfit,
    material_at,
)

NOISE = wp.constant(256)  # places along a side of the table of noise, which has no seam


@wp.struct
class Light:
    """A sun (distance 0) or a lamp, and the light from all around; linear colours."""

    direction: wp.vec3
    sun: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    size: float
    distance: float


@wp.struct
class Camera:
    """A pinhole: pixel = focal · (x / z, y / z) + centre in the camera's axes (y down)."""

    rotation: wp.mat33
    position: wp.vec3
    focal: float
    center_x: float
    center_y: float


@wp.func
def offset(sample: int):
    """Where in its pixel a sample lies: 0 is the centre, then three around it."""
    if sample == 0:
        return wp.vec2(0.5, 0.5)
    if sample == 1:
        return wp.vec2(0.81, 0.61)
    if sample == 2:
        return wp.vec2(0.25, 0.71)
    return wp.vec2(0.44, 0.18)


@wp.func
def ray_through(x: float, y: float, camera: Camera):
    """The unit direction, in the world, of the ray through a place in the picture."""
    seen = wp.vec3((x - camera.center_x) / camera.focal, (y - camera.center_y) / camera.focal, 1.0)
    return wp.normalize(wp.transpose(camera.rotation) * seen)


@wp.func
def spread(row: int, column: int, across: float, along: float):
    """A number in [0, 1) for each pixel; with irrational steps neighbours' lie far from another."""
    value = across * float(row) + along * float(column)
    return value - wp.floor(value)


@wp.func
def noise_at(table: wp.array2d(dtype=float), x: float, y: float):
    """Smooth noise of about unit spread, between the places of the table."""
    u = wp.floor(x)
    v = wp.floor(y)
    column = int(u) & (NOISE - 1)
    row = int(v) & (NOISE - 1)
    right = (column + 1) & (NOISE - 1)
    below = (row + 1) & (NOISE - 1)
    top = wp.lerp(table[row, column], table[row, right], x - u)
    bottom = wp.lerp(table[below, column], table[below, right], x - u)
    return wp.lerp(top, bottom, y - v)


@wp.func
def passes(point: wp.vec3, slow: wp.vec3, low: wp.vec3, high: wp.vec3):
    """Whether a ray meets a box; `slow` is one over its direction."""
    first = wp.cw_mul(low - point, slow)
    last = wp.cw_mul(high - point, slow)
    near = wp.max(wp.min(first, last))
    far = wp.min(wp.max(first, last))
    return far >= wp.max(near, 0.0)


@wp.func
def to_light(point: wp.vec3, light: Light):
    """Direction of the light from a point, its distance, and its strength against the origin's."""
    if light.distance <= 0.0:
        return light.direction, 30.0, 1.0
    way = light.direction * light.distance - point
    far = wp.max(wp.length(way), 0.3)
    return way / far, far, wp.min((light.distance * light.distance) / (far * far), 4.0)


@wp.func
def lit(
    meshes: wp.array(dtype=wp.uint64),
    bounds: wp.array2d(dtype=wp.vec3),
    point: wp.vec3,
    light: Light,
    row: int,
    column: int,
):
    """1 where a point sees a place of the light's disc, another for each pixel, else 0."""
    toward, far, strength = to_light(point, light)
    side = wp.normalize(wp.cross(toward, wp.vec3(0.31, 0.55, 0.77)))
    other = wp.cross(toward, side)
    angle = 6.2831853 * spread(row, column, 0.8191725, 0.6710436)
    radius = light.size * wp.sqrt(strength * spread(row, column, 0.7548777, 0.5698403))
    direction = wp.normalize(
        toward + side * (radius * wp.cos(angle)) + other * (radius * wp.sin(angle))
    )
    slow = wp.cw_div(wp.vec3(1.0, 1.0, 1.0), direction)
    for mesh in range(meshes.shape[0]):
        if passes(point, slow, bounds[mesh, 0], bounds[mesh, 1]):  # noqa: SIM102 - is evaluated whole
            if wp.mesh_query_ray_anyhit(meshes[mesh], point, direction, far):
                return 0.0
    return 1.0


@wp.func
def open_sky(
    point: wp.vec3, normal: wp.vec3, balls: wp.array(dtype=wp.vec4), groups: int, most: float
):
    """The share of the light from all around that balls about the bones leave a point.

    Each ball hides (n · d) r² / d² of it, as of a sphere seen whole; those that hold the point are
    its own flesh. The first `groups` hold all of a person's, a row each, to pass by those far away.
    """
    free = float(1.0)
    own = (balls.shape[0] - groups) / wp.max(groups, 1)
    for group in range(groups):
        way = wp.vec3(balls[group][0], balls[group][1], balls[group][2]) - point
        reach = balls[group][3] + 0.6
        if wp.dot(way, way) < reach * reach:
            for place in range(own):
                ball = balls[groups + group * own + place]
                off = wp.vec3(ball[0], ball[1], ball[2]) - point
                square = wp.dot(off, off)
                held = ball[3] * ball[3]
                facing = wp.dot(off, normal) / wp.sqrt(square)
                if square > 1.7 * held and facing > 0.0:
                    free *= 1.0 - 0.9 * facing * held / square
    return wp.max(free, most)


@wp.kernel(enable_backward=False)
def surfaces(
    meshes: wp.array(dtype=wp.uint64),
    samples: wp.array2d(dtype=int),
    camera: Camera,
    outfits: wp.array(dtype=Outfit),
    face_kinds: wp.array(dtype=int),
    canonical: wp.array(dtype=wp.vec3),
    arms: wp.array(dtype=float),
    lips: wp.array(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    things: wp.array(dtype=wp.vec3),
    noise: wp.array2d(dtype=float),
    materials: wp.array(dtype=int),
    colors: wp.array(dtype=wp.vec3),
    points: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    bumped: wp.array(dtype=wp.vec3),
    glosses: wp.array(dtype=wp.vec2),
    places: wp.array(dtype=wp.vec2),
    depths: wp.array(dtype=float),
):
    """What the ray through a sample of a pixel meets on a triangle that is known.

    A sample is a row of: pixel's row and column, number of `offset`, mesh, face. People come first
    among the meshes; `things` are the colours of the others.
    """
    number = wp.tid()
    mesh = samples[number, 3]
    face = samples[number, 4]
    spot = offset(samples[number, 2])
    x = float(samples[number, 1]) + spot[0]
    y = float(samples[number, 0]) + spot[1]
    direction = ray_through(x, y, camera)
    data = wp.mesh_get(meshes[mesh])
    a = data.indices[3 * face]
    b = data.indices[3 * face + 1]
    c = data.indices[3 * face + 2]
    first = data.points[b] - data.points[a]
    second = data.points[c] - data.points[a]
    flat = wp.normalize(wp.cross(first, second))
    # Möller and Trumbore's intersection of a ray and a triangle.
    across = wp.cross(direction, second)
    size = wp.dot(first, across)
    from_corner = camera.position - data.points[a]
    v = float(0.0)
    w = float(0.0)
    if wp.abs(size) > 1.0e-14:
        v = wp.clamp(wp.dot(from_corner, across) / size, 0.0, 1.0)
        w = wp.dot(direction, wp.cross(from_corner, first)) / size
        w = wp.clamp(w, 0.0, 1.0 - v)
    u = 1.0 - v - w
    point = u * data.points[a] + v * data.points[b] + w * data.points[c]
    people = outfits.shape[0]
    material = int(PROP)
    color = wp.vec3()
    gloss = wp.vec2()
    normal = flat
    off = float(0.002)
    if mesh < people:
        p = u * canonical[a] + v * canonical[b] + w * canonical[c]
        arm = u * arms[a] + v * arms[b] + w * arms[c]
        lip = u * lips[a] + v * lips[b] + w * lips[c]
        outfit = outfits[mesh]
        material = material_at(p, arm, lip, face_kinds[face], outfit)
        color = color_at(p, arm, material, outfit)
        gloss = gloss_at(material, outfit)
        normal = wp.normalize(u * normals[mesh, a] + v * normals[mesh, b] + w * normals[mesh, c])
        off = 0.005
        if material == SHOES or material == SOCKS:
            off = 0.015  # the foot's folds lie just below its hull
    else:
        color = things[mesh - people]
        grain = noise_at(noise, 40.0 * (point[0] + point[1]), 40.0 * (point[2] - point[0]))
        color = color * (1.0 + 0.12 * grain)
    if wp.dot(normal, direction) > 0.0:
        normal = wp.normalize(normal - 1.1 * wp.dot(normal, direction) * direction)
    bump = normal
    cloth = material == TOP or material == BOTTOM or material == JACKET
    cloth = cloth or material == SKIRT or material == DRESS
    if mesh < people and cloth:
        # Folds: the slope of noise along the cloth.
        p = u * canonical[a] + v * canonical[b] + w * canonical[c]
        s = 42.0 * (p[0] + 0.7 * p[1]) + 60.0 * float(mesh)
        t = 30.0 * p[2] + 11.0 * p[0]
        here = noise_at(noise, s, t)
        side = wp.normalize(wp.cross(normal, wp.vec3(0.03, 0.02, 1.0)))
        up = wp.cross(side, normal)
        bump = wp.normalize(
            normal
            + 0.16 * (noise_at(noise, s + 1.0, t) - here) * side
            + 0.16 * (noise_at(noise, s, t + 1.0) - here) * up
        )
    materials[number] = material
    colors[number] = color
    points[number] = point + off * normal
    directions[number] = normal
    bumped[number] = bump
    glosses[number] = gloss
    places[number] = wp.vec2(u, v)
    depths[number] = (camera.rotation * (point - camera.position))[2]


@wp.kernel(enable_backward=False)
def sunlight(
    meshes: wp.array(dtype=wp.uint64),
    bounds: wp.array2d(dtype=wp.vec3),
    chosen: wp.array(dtype=int),
    samples: wp.array2d(dtype=int),
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    light: Light,
    balls: wp.array(dtype=wp.vec4),
    groups: int,
    shares: wp.array(dtype=wp.vec3),
):
    """Whether chosen points see their place of the light's disc, the share of the sky, and 1."""
    place = wp.tid()
    number = chosen[place]
    point = points[number]
    toward, _far, _strength = to_light(point, light)
    share = float(0.0)
    if wp.dot(normals[number], toward) > -0.2:
        share = lit(meshes, bounds, point, light, samples[number, 0], samples[number, 1])
    free = open_sky(point, normals[number], balls, groups, 0.25)
    shares[place] = wp.vec3(share, free, 1.0)


@wp.kernel(enable_backward=False)
def light_up(
    materials: wp.array(dtype=int),
    albedos: wp.array(dtype=wp.vec3),
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    glosses: wp.array(dtype=wp.vec2),
    shares: wp.array(dtype=wp.vec2),
    eye: wp.vec3,
    light: Light,
    colors: wp.array(dtype=wp.vec3),
):
    """Linear colour of points on surfaces, from the shares of sun and sky that they see."""
    number = wp.tid()
    point = points[number]
    normal = normals[number]
    material = materials[number]
    toward, _far, strength = to_light(point, light)
    facing = wp.dot(normal, toward)
    sun = wp.vec3(wp.max(facing, 0.0), wp.max(facing, 0.0), wp.max(facing, 0.0))
    if material == SKIN:
        # Light that enters skin comes out redder past the shadow's edge.
        sun = wp.vec3(
            wp.max((facing + 0.18) / 1.18, 0.0), wp.max((facing + 0.07) / 1.07, 0.0), sun[2]
        )
    sun = wp.cw_mul(light.sun * (strength * shares[number][0]), sun)
    up = 0.5 + 0.5 * normal[2]
    # The floor near the feet is dark below a person.
    low = 1.0 - 0.35 * (1.0 - up) * wp.exp(-3.0 * wp.max(point[2], 0.0))
    around = (light.sky * up + light.ground * (1.0 - up)) * (shares[number][1] * low)
    color = wp.cw_mul(albedos[number], around + sun)
    gloss = glosses[number]
    if gloss[0] > 0.0 and facing > 0.0:
        half = wp.normalize(toward + wp.normalize(eye - point))
        shine = gloss[0] * wp.pow(wp.max(0.0, wp.dot(half, normal)), gloss[1])
        color += light.sun * (strength * shares[number][0] * shine * wp.max(facing, 0.0))
    colors[number] = color


@wp.kernel(enable_backward=False)
def look(
    meshes: wp.array(dtype=wp.uint64),
    points: wp.array2d(dtype=wp.vec3),
    camera: wp.vec3,
    hits: wp.array2d(dtype=float),
    hit_meshes: wp.array2d(dtype=int),
):
    """From the camera to each point: the distance of the first surface, and its mesh."""
    person, joint = wp.tid()
    way = points[person, joint] - camera
    nearest = wp.length(way) + 1.0
    best = int(-1)
    for mesh in range(meshes.shape[0]):
        hit = wp.mesh_query_ray(meshes[mesh], camera, wp.normalize(way), nearest)
        if hit.result:
            nearest = hit.t
            best = mesh
    hits[person, joint] = nearest
    hit_meshes[person, joint] = best
