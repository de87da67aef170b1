"""The mesh: shapes, skinning, normals, clothes as a thin shell."""

from __future__ import annotations

import warp as wp


@wp.kernel(enable_backward=False)
def skin_vertices(
    points: wp.array(dtype=wp.vec3),
    weights: wp.array2d(dtype=float),
    bones: wp.array2d(dtype=int),
    turns: wp.array(dtype=wp.mat33),
    shifts: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.vec3),
):
    """Linear blend skinning, a thread a vertex."""
    vertex = wp.tid()
    point = points[vertex]
    result = wp.vec3()
    for place in range(weights.shape[1]):
        weight = weights[vertex, place]
        if weight > 0.0:
            bone = bones[vertex, place]
            result += weight * (turns[bone] * point + shifts[bone])
    vertices[vertex] = result


@wp.kernel(enable_backward=False)
def face_normals(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    normals: wp.array(dtype=wp.vec3),
):
    """The normal of each triangle, as long as twice its area."""
    face = wp.tid()
    a = vertices[faces[face, 0]]
    normals[face] = wp.cross(vertices[faces[face, 1]] - a, vertices[faces[face, 2]] - a)


@wp.kernel(enable_backward=False)
def vertex_normals(
    faces: wp.array(dtype=wp.vec3),
    starts: wp.array(dtype=int),
    around: wp.array(dtype=int),
    normals: wp.array(dtype=wp.vec3),
):
    """The mean normal of the triangles around each vertex, weighed by area."""
    vertex = wp.tid()
    total = wp.vec3()
    for place in range(starts[vertex], starts[vertex + 1]):
        total += faces[around[place]]
    normals[vertex] = wp.normalize(total)


@wp.kernel(enable_backward=False)
def smooth(
    starts: wp.array(dtype=int),
    neighbours: wp.array(dtype=int),
    values: wp.array(dtype=float),
    result: wp.array(dtype=float),
):
    """Half of each vertex's value, half its neighbours' mean."""
    vertex = wp.tid()
    total = float(0.0)
    for place in range(starts[vertex], starts[vertex + 1]):
        total += values[neighbours[place]]
    count = wp.max(starts[vertex + 1] - starts[vertex], 1)
    result[vertex] = 0.5 * values[vertex] + 0.5 * total / float(count)


@wp.kernel(enable_backward=False)
def drape(
    starts: wp.array(dtype=int),
    neighbours: wp.array(dtype=int),
    thickness: wp.array(dtype=float),
    normals: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.vec3),
    result: wp.array(dtype=wp.vec3),
):
    """Move clothed vertices in or out towards their neighbours: cloth spans what skin follows.

    Not sideways, where hems would lose their line.
    """
    vertex = wp.tid()
    here = vertices[vertex]
    share = wp.clamp(thickness[vertex] * 150.0, 0.0, 0.8)
    if share > 0.001:
        total = wp.vec3()
        for place in range(starts[vertex], starts[vertex + 1]):
            total += vertices[neighbours[place]]
        count = wp.max(starts[vertex + 1] - starts[vertex], 1)
        way = total / float(count) - here
        here += share * wp.dot(way, normals[vertex]) * normals[vertex]
    result[vertex] = here


@wp.kernel(enable_backward=False)
def inflate(
    normals: wp.array(dtype=wp.vec3),
    thickness: wp.array(dtype=float),
    shift: wp.vec3,
    vertices: wp.array(dtype=wp.vec3),
):
    """Move each vertex off the skin, and the whole to its place in the world."""
    vertex = wp.tid()
    vertices[vertex] = vertices[vertex] + normals[vertex] * thickness[vertex] + shift


@wp.kernel(enable_backward=False)
def shoe(
    corners: wp.array2d(dtype=int),
    weights: wp.array(dtype=wp.vec3),
    shares: wp.array(dtype=float),
    values: wp.array(dtype=wp.vec3),
    result: wp.array(dtype=wp.vec3),
):
    """Fill feet out: move a foot's vertex to its place between three others, on the foot's hull."""
    vertex = wp.tid()
    value = values[vertex]
    share = shares[vertex]
    if share > 0.0:
        weight = weights[vertex]
        filled = weight[0] * values[corners[vertex, 0]]
        filled += weight[1] * values[corners[vertex, 1]]
        filled += weight[2] * values[corners[vertex, 2]]
        value = (1.0 - share) * value + share * filled
    result[vertex] = value


@wp.kernel(enable_backward=False)
def pierce(
    mesh: wp.uint64,
    origins: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=int),
    places: wp.array(dtype=wp.vec2),
):
    """The first triangle on each ray, or -1, and the shares of its first two corners."""
    ray = wp.tid()
    hit = wp.mesh_query_ray(mesh, origins[ray], directions[ray], 1.0)
    faces[ray] = -1
    if hit.result:
        faces[ray] = hit.face
        places[ray] = wp.vec2(hit.u, hit.v)
