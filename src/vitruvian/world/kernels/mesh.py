"""The mesh: shapes, skinning, normals, clothes as a thin shell."""

from __future__ import annotations

import warp as wp


@wp.kernel(enable_backward=False)
def skin_vertices(
    base: wp.array(dtype=wp.vec3),
    shapes: wp.array2d(dtype=wp.vec3),
    places: wp.array(dtype=int),
    coefficients: wp.array(dtype=float),
    weights: wp.array2d(dtype=float),
    bones: wp.array2d(dtype=int),
    turns: wp.array(dtype=wp.mat33),
    shifts: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.vec3),
):
    """Blend shapes, then linear blend skinning, a thread a vertex."""
    vertex = wp.tid()
    point = base[vertex]
    for place in range(places.shape[0]):
        point += shapes[vertex, places[place]] * coefficients[place]
    result = wp.vec3()
    for place in range(weights.shape[1]):
        weight = weights[vertex, place]
        if weight > 0.0:
            bone = bones[vertex, place]
            result += weight * (turns[bone] * point + shifts[bone])
    vertices[vertex] = result


@wp.kernel(enable_backward=False)
def vertex_normals(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    starts: wp.array(dtype=int),
    around: wp.array(dtype=int),
    normals: wp.array(dtype=wp.vec3),
):
    """The mean normal of the triangles around each vertex, weighed by area."""
    vertex = wp.tid()
    total = wp.vec3()
    for place in range(starts[vertex], starts[vertex + 1]):
        face = around[place]
        a = vertices[faces[face, 0]]
        total += wp.cross(vertices[faces[face, 1]] - a, vertices[faces[face, 2]] - a)
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
    vertices: wp.array(dtype=wp.vec3),
    result: wp.array(dtype=wp.vec3),
):
    """Move clothed vertices towards their neighbours: cloth spans what skin follows."""
    vertex = wp.tid()
    total = wp.vec3()
    for place in range(starts[vertex], starts[vertex + 1]):
        total += vertices[neighbours[place]]
    count = wp.max(starts[vertex + 1] - starts[vertex], 1)
    share = wp.clamp(thickness[vertex] * 150.0, 0.0, 0.7)
    result[vertex] = (1.0 - share) * vertices[vertex] + (share / float(count)) * total


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
