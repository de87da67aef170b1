"""First hits of all rays through a picture, triangle by triangle.

A triangle near the camera meets a few rays only, and those lie side by side: asking each triangle
for its rays finds the same first hits as asking each ray for its triangles, several times faster.
"""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.rays import Camera, offset

SAMPLES = 4
"""Rays through a pixel: its centre, then three for smooth edges; see `rays.offset`."""

NOTHING = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))


@wp.kernel(enable_backward=False)
def project(
    points: wp.array(dtype=wp.vec3), camera: Camera, near: float, seen: wp.array(dtype=wp.vec3)
):
    """Pixels of the vertices, and one over their depth; 0 for those not before the camera."""
    vertex = wp.tid()
    way = camera.rotation * (points[vertex] - camera.position)
    result = wp.vec3()
    if way[2] > near:
        result = wp.vec3(
            camera.focal * way[0] / way[2] + camera.center_x,
            camera.focal * way[1] / way[2] + camera.center_y,
            1.0 / way[2],
        )
    seen[vertex] = result


@wp.kernel(enable_backward=False)
def cover(
    seen: wp.array(dtype=wp.vec3),
    indices: wp.array(dtype=int),
    left: int,
    top: int,
    closed: int,
    layers: wp.array3d(dtype=wp.uint64),
):
    """The nearest triangle at each sample: its depth's bits, then its number.

    Args:
        seen: From `project`.
        indices: Three vertices a triangle.
        left: Of the window that is filled, in pixels.
        top: Likewise.
        closed: So many of the triangles, the first, bound a body: those that face away lie behind
            others and are passed by.
        layers: (SAMPLES, height, width), `NOTHING` at first.
    """
    face = wp.tid()
    a = seen[indices[3 * face]]
    b = seen[indices[3 * face + 1]]
    c = seen[indices[3 * face + 2]]
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if face < closed and area > 0.0:
        return
    if wp.min(a[2], wp.min(b[2], c[2])) > 0.0 and wp.abs(area) > 1.0e-9:
        low_x = wp.max(int(wp.floor(wp.min(a[0], wp.min(b[0], c[0])))), left)
        low_y = wp.max(int(wp.floor(wp.min(a[1], wp.min(b[1], c[1])))), top)
        high_x = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])))), left + layers.shape[2] - 1)
        high_y = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])))), top + layers.shape[1] - 1)
        # How the corners' shares change along x and y.
        scale = 1.0 / area
        v_x = (c[1] - a[1]) * scale
        v_y = (a[0] - c[0]) * scale
        w_x = (a[1] - b[1]) * scale
        w_y = (b[0] - a[0]) * scale
        for row in range(low_y, high_y + 1):
            for column in range(low_x, high_x + 1):
                for sample in range(wp.static(SAMPLES)):
                    spot = offset(sample)
                    x = float(column) + spot[0] - a[0]
                    y = float(row) + spot[1] - a[1]
                    v = x * v_x + y * v_y
                    w = x * w_x + y * w_y
                    # A hair's breadth outside counts, so no seam leaks.
                    if wp.min(wp.min(v, w), 1.0 - v - w) >= -1.0e-5:
                        depth = 1.0 / (a[2] + v * (b[2] - a[2]) + w * (c[2] - a[2]))
                        key = wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)
                        key = key | wp.uint64(face)
                        wp.atomic_min(layers, sample, row - top, column - left, key)


@wp.kernel(enable_backward=False)
def merge(
    layers: wp.array3d(dtype=wp.uint64),
    left: int,
    top: int,
    mesh: int,
    nearest: wp.array3d(dtype=wp.uint64),
    owners: wp.array3d(dtype=int),
    masks: wp.array3d(dtype=wp.uint8),
):
    """Put a mesh's window into the picture: who is nearest, and its mask as if alone."""
    row, column = wp.tid()
    for sample in range(wp.static(SAMPLES)):
        key = layers[sample, row, column]
        if key < nearest[sample, row + top, column + left]:
            nearest[sample, row + top, column + left] = key
            owners[sample, row + top, column + left] = mesh
        if sample == 0 and mesh < masks.shape[0] and key != NOTHING:
            masks[mesh, row + top, column + left] = wp.uint8(1)
