"""Faces: where brows and beards are, and the colours of a face, on the neutral adult's head."""

from __future__ import annotations

import warp as wp


@wp.struct
class Face:
    """What is on one person's face; see `looks.Look`. Beards are 0 or 1."""

    brow_width: float
    brow_arch: float
    lipstick: float
    lip_color: wp.vec3
    blush: float
    eye_shadow: float
    stubble: float
    moustache: float
    goatee: float
    sideburns: float
    full_beard: float


@wp.func
def is_brow(p: wp.vec3, face: Face):
    """Whether a point lies under a brow."""
    x = wp.abs(p[0])
    if x < 0.011 or x > 0.056 or p[1] > -0.09:
        return False
    rise = (x - 0.033) / 0.02
    middle = 1.7465 - 0.0065 * rise * rise
    middle += face.brow_arch * 0.003 * wp.sin(90.0 * (x - 0.014))
    taper = 1.0 - 0.65 * wp.clamp((x - 0.03) / 0.026, 0.0, 1.0)
    return wp.abs(p[2] - middle) < 0.0042 * face.brow_width * taper


@wp.func
def lower_face(p: wp.vec3):
    """Whether a point lies where a full beard and a moustache grow."""
    x = wp.abs(p[0])
    if p[1] > -0.06 or p[2] < 1.585:
        return False
    if x < 0.028 and p[2] > 1.655 and p[2] < 1.672:
        return True
    return p[2] < 1.668 - 0.25 * (x - 0.03) and (x > 0.03 or p[2] < 1.635)


@wp.func
def is_beard(p: wp.vec3, face: Face):
    """Whether a point lies under a beard of any style but stubble."""
    x = wp.abs(p[0])
    if face.full_beard > 0.0 and lower_face(p):
        return True
    under_nose = x < 0.03 and p[2] > 1.657 - 0.2 * x and p[2] < 1.6725 - 0.25 * x
    if face.moustache > 0.0 and p[1] < -0.1 and under_nose:
        return True
    if face.goatee > 0.0 and p[1] < -0.09 and p[2] > 1.59 and p[2] < 1.637 and x < 0.024:
        return True
    if face.sideburns > 0.0 and p[1] > -0.078 and p[1] < -0.042 and x > 0.06:
        return p[2] > 1.662 and p[2] < 1.76
    return False


@wp.func
def near(x: float, z: float, width: float, height: float):
    """1 at a place and falling to 0 around it."""
    return wp.exp(-(x * x) / (width * width) - (z * z) / (height * height))


@wp.func
def face_color(p: wp.vec3, skin: wp.vec3, hair: wp.vec3, face: Face):
    """The linear colour of the head's skin: flushed cheeks, sockets, lashes, painted lids."""
    x = wp.abs(p[0])
    z = p[2]
    tone = 1.0 + 0.025 * wp.sin(310.0 * p[0] + 90.0 * z) * wp.sin(270.0 * z - 120.0 * p[1])
    color = skin * tone
    if p[1] > -0.085:
        return color
    red = (0.12 + 0.38 * face.blush) * near(x - 0.044, z - 1.688, 0.02, 0.017)
    red += 0.16 * near(x, z - 1.68, 0.014, 0.01)
    color = wp.cw_mul(color, wp.vec3(1.0 + 0.1 * red, 1.0 - 0.75 * red, 1.0 - 0.6 * red))
    socket = near(x - 0.033, z - 1.7215, 0.02, 0.012)
    color = color * (1.0 - 0.16 * socket)
    if z > 1.7215:
        painted = face.eye_shadow * near(x - 0.034, z - 1.729, 0.017, 0.0085)
        paint = wp.cw_mul(skin, wp.vec3(0.3, 0.18, 0.26))
        color = color * (1.0 - 0.85 * painted) + paint * (0.85 * painted)
    wide = (x - 0.033) / 0.0135
    lid = wide * wide + ((z - 1.7212) / 0.0056) * ((z - 1.7212) / 0.0056)
    if lid < 1.25 and z > 1.7205 - 0.1 * (x - 0.033):
        color = 0.25 * color
    nostril = near(x - 0.0085, z - 1.6735, 0.0042, 0.0028)
    color = color * (1.0 - 0.75 * nostril)
    if face.stubble > 0.0 and lower_face(p):
        color = 0.72 * color + 0.28 * hair
    return color


@wp.func
def lips_color(p: wp.vec3, skin: wp.vec3, face: Face):
    """The linear colour of the lips, darker where they meet."""
    bare = wp.cw_mul(skin, wp.vec3(0.86, 0.55, 0.55))
    color = bare * (1.0 - face.lipstick) + face.lip_color * face.lipstick
    meeting = near(0.0, p[2] - 1.6493, 1.0, 0.0022)
    return color * (1.0 - 0.5 * meeting)


@wp.func
def brow_color(p: wp.vec3, skin: wp.vec3, hair: wp.vec3):
    """The linear colour of the brows: darker than the hair, and the skin shows through."""
    strand = 1.0 + 0.2 * wp.sin(1900.0 * p[0]) * wp.sin(900.0 * p[2])
    return (0.5 * hair + 0.12 * skin) * strand
