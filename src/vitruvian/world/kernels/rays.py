"""Rays: what a pixel hits, how it is lit, and which joints the camera sees."""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.materials import (
    EYES,
    HAIR,
    PROP,
    SHOES,
    SKIN,
    SOCKS,
    Outfit,
    color_at,
    material_at,
)


@wp.struct
class Light:
    """A sun, or a lamp far away, and the light from all around; linear colours."""

    direction: wp.vec3
    sun: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    size: float


@wp.struct
class Camera:
    """A pinhole: pixel = focal · (x / z, y / z) + centre in the camera's axes (y down)."""

    rotation: wp.mat33
    position: wp.vec3
    focal: float
    center_x: float
    center_y: float


@wp.func
def ray_through(x: float, y: float, camera: Camera):
    """The unit direction, in the world, of the ray through a place in the picture."""
    seen = wp.vec3((x - camera.center_x) / camera.focal, (y - camera.center_y) / camera.focal, 1.0)
    return wp.normalize(wp.transpose(camera.rotation) * seen)


@wp.kernel(enable_backward=False)
def cast(
    meshes: wp.array(dtype=wp.uint64),
    boxes: wp.array2d(dtype=int),
    camera: Camera,
    faces: wp.array3d(dtype=int),
    places: wp.array3d(dtype=wp.vec2),
    distances: wp.array3d(dtype=float),
):
    """The first hit on each mesh alone, through the centre of each pixel inside its box."""
    mesh, row, column = wp.tid()
    face = int(-1)
    place = wp.vec2()
    distance = float(wp.inf)
    inside = column >= boxes[mesh, 0] and row >= boxes[mesh, 1]
    if inside and column < boxes[mesh, 2] and row < boxes[mesh, 3]:
        direction = ray_through(float(column) + 0.5, float(row) + 0.5, camera)
        hit = wp.mesh_query_ray(meshes[mesh], camera.position, direction, 1.0e3)
        if hit.result:
            face = hit.face
            place = wp.vec2(hit.u, hit.v)
            distance = hit.t
    faces[mesh, row, column] = face
    places[mesh, row, column] = place
    distances[mesh, row, column] = distance


@wp.func
def jitter(row: int, column: int, turn: int):
    """A number in [0, 1) that looks random and is the same always."""
    value = wp.uint32(row * 73856093) ^ wp.uint32(column * 19349663) ^ wp.uint32(turn * 83492791)
    value = (value ^ (value >> wp.uint32(13))) * wp.uint32(1274126177)
    return float((value ^ (value >> wp.uint32(16))) & wp.uint32(65535)) / 65536.0


@wp.func
def lit(
    meshes: wp.array(dtype=wp.uint64),
    count: int,
    point: wp.vec3,
    light: Light,
    row: int,
    column: int,
    rays: int,
):
    """The share of the sun's disc that a point sees."""
    side = wp.normalize(wp.cross(light.direction, wp.vec3(0.31, 0.55, 0.77)))
    other = wp.cross(light.direction, side)
    seen = float(0.0)
    for ray in range(rays):
        angle = 6.2831853 * (float(ray) + jitter(row, column, 2 * ray)) / float(rays)
        radius = light.size * wp.sqrt(jitter(row, column, 2 * ray + 1))
        direction = wp.normalize(
            light.direction + side * (radius * wp.cos(angle)) + other * (radius * wp.sin(angle))
        )
        free = float(1.0)
        for mesh in range(count):
            if free > 0.0 and wp.mesh_query_ray_anyhit(meshes[mesh], point, direction, 30.0):
                free = 0.0
        seen += free
    return seen / float(rays)


@wp.func
def shaded(
    meshes: wp.array(dtype=wp.uint64),
    count: int,
    mesh: int,
    face: int,
    u: float,
    v: float,
    direction: wp.vec3,
    outfit: Outfit,
    light: Light,
    face_kinds: wp.array2d(dtype=int),
    canonical: wp.array(dtype=wp.vec3),
    arms: wp.array(dtype=float),
    lips: wp.array(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    row: int,
    column: int,
    rays: int,
):
    """Material and linear colour of a hit."""
    indices = wp.mesh_get(meshes[mesh]).indices
    a = indices[3 * face]
    b = indices[3 * face + 1]
    c = indices[3 * face + 2]
    w = 1.0 - u - v
    p = u * canonical[a] + v * canonical[b] + w * canonical[c]
    arm = u * arms[a] + v * arms[b] + w * arms[c]
    lip = u * lips[a] + v * lips[b] + w * lips[c]
    material = material_at(p, arm, lip, face_kinds[mesh, face], outfit)
    color = color_at(p, arm, material, outfit)
    flat = wp.mesh_eval_face_normal(meshes[mesh], face)
    normal = wp.normalize(u * normals[mesh, a] + v * normals[mesh, b] + w * normals[mesh, c])
    if material == PROP:
        normal = flat
    if wp.dot(normal, direction) > 0.0:
        normal = normal - 1.1 * wp.dot(normal, direction) * direction
        normal = wp.normalize(normal)
    off = float(0.005)
    if material == SHOES or material == SOCKS:
        off = 0.015  # the foot's folds lie just below its hull
    point = wp.mesh_eval_position(meshes[mesh], face, u, v) + off * normal
    facing = wp.dot(normal, light.direction)
    sun = float(0.0)
    if facing > 0.0:
        sun = facing * lit(meshes, count, point, light, row, column, rays)
    up = 0.5 + 0.5 * normal[2]
    around = light.sky * up + light.ground * (1.0 - up)
    shine = float(0.0)
    if sun > 0.0 and (material == SKIN or material == HAIR or material == EYES):
        half = wp.normalize(light.direction - direction)
        shine = 0.07 * wp.pow(wp.max(0.0, wp.dot(half, normal)), 22.0) * sun
    result = wp.cw_mul(color, around + light.sun * sun) + light.sun * shine
    return material, result, normal


@wp.kernel(enable_backward=False)
def shade(
    meshes: wp.array(dtype=wp.uint64),
    nearest: wp.array2d(dtype=int),
    faces: wp.array3d(dtype=int),
    places: wp.array3d(dtype=wp.vec2),
    camera: Camera,
    light: Light,
    outfits: wp.array(dtype=Outfit),
    face_kinds: wp.array2d(dtype=int),
    canonical: wp.array(dtype=wp.vec3),
    arms: wp.array(dtype=float),
    lips: wp.array(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    rays: int,
    materials: wp.array2d(dtype=int),
    directions: wp.array2d(dtype=wp.vec3),
    colors: wp.array2d(dtype=wp.vec3),
):
    """Colour, material and normal of each pixel's first hit; on the floor, the shadow instead."""
    row, column = wp.tid()
    mesh = nearest[row, column]
    direction = ray_through(float(column) + 0.5, float(row) + 0.5, camera)
    if mesh >= 0:
        place = places[mesh, row, column]
        material, color, normal = shaded(
            meshes,
            meshes.shape[0],
            mesh,
            faces[mesh, row, column],
            place[0],
            place[1],
            direction,
            outfits[mesh],
            light,
            face_kinds,
            canonical,
            arms,
            lips,
            normals,
            row,
            column,
            rays,
        )
        materials[row, column] = material
        directions[row, column] = normal
        colors[row, column] = color
    elif direction[2] < -1.0e-4:
        floor = camera.position - direction * (camera.position[2] / direction[2])
        floor = wp.vec3(floor[0], floor[1], 0.002)
        free = lit(meshes, meshes.shape[0], floor, light, row, column, 2)
        colors[row, column] = wp.vec3(free, free, free)
    else:
        colors[row, column] = wp.vec3(1.0, 1.0, 1.0)


@wp.kernel(enable_backward=False)
def soften(
    meshes: wp.array(dtype=wp.uint64),
    pixels: wp.array2d(dtype=int),
    boxes: wp.array2d(dtype=int),
    background: wp.array2d(dtype=wp.vec3),
    camera: Camera,
    light: Light,
    outfits: wp.array(dtype=Outfit),
    face_kinds: wp.array2d(dtype=int),
    canonical: wp.array(dtype=wp.vec3),
    arms: wp.array(dtype=float),
    lips: wp.array(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    colors: wp.array(dtype=wp.vec3),
):
    """The mean of four rays through each of the pixels on an edge."""
    place = wp.tid()
    row = pixels[place, 0]
    column = pixels[place, 1]
    total = wp.vec3()
    for sub in range(4):
        x = float(column) + 0.25 + 0.5 * float(sub % 2)
        y = float(row) + 0.25 + 0.5 * float(sub / 2)
        direction = ray_through(x, y, camera)
        nearest = float(1.0e3)
        best = int(-1)
        face = int(0)
        u = float(0.0)
        v = float(0.0)
        for mesh in range(meshes.shape[0]):
            inside = column >= boxes[mesh, 0] - 1 and column <= boxes[mesh, 2]
            if inside and row >= boxes[mesh, 1] - 1 and row <= boxes[mesh, 3]:
                hit = wp.mesh_query_ray(meshes[mesh], camera.position, direction, nearest)
                if hit.result:
                    nearest = hit.t
                    best = mesh
                    face = hit.face
                    u = hit.u
                    v = hit.v
        if best >= 0:
            _material, color, _normal = shaded(
                meshes,
                meshes.shape[0],
                best,
                face,
                u,
                v,
                direction,
                outfits[best],
                light,
                face_kinds,
                canonical,
                arms,
                lips,
                normals,
                row,
                column,
                1,
            )
            total += color
        else:
            total += background[row, column]
    colors[place] = 0.25 * total


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
