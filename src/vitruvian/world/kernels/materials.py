"""Materials: clothes, hair and face as a function of a point on the neutral adult.

No two pictures of an outfit disagree, hems are sharp at any resolution, and what must be covered is
so by construction.
"""

from __future__ import annotations

import warp as wp

SKIN = wp.constant(1)
HAIR = wp.constant(2)
TOP = wp.constant(3)
JACKET = wp.constant(4)
BOTTOM = wp.constant(5)
SOCKS = wp.constant(6)
SHOES = wp.constant(7)
EYES = wp.constant(8)
LIPS = wp.constant(9)
BROWS = wp.constant(10)
MOUTH = wp.constant(11)
PROP = wp.constant(12)

# What a triangle is made of beside body: its row of `Rig.regions`, made simpler.
EYEBALL = wp.constant(1)
CAVITY = wp.constant(2)
HEAD = wp.constant(3)
HAND = wp.constant(4)
THING = wp.constant(5)

COVERED_FROM = wp.constant(0.66)
COVERED_TO = wp.constant(1.42)
COVERED_ARM = wp.constant(0.06)


@wp.struct
class Outfit:
    """What one person wears; heights are metres on the neutral adult."""

    skin: wp.vec3
    hair: wp.vec3
    top: wp.vec3
    top_second: wp.vec3
    jacket: wp.vec3
    bottom: wp.vec3
    bottom_second: wp.vec3
    socks: wp.vec3
    shoes: wp.vec3
    iris: wp.vec3
    sleeve: float
    hem: float
    neckline: float
    neck_width: float
    opening: float
    waist: float
    legs: float
    sock: float
    shoe: float
    hair_length: float
    hairline: float
    beard: float
    top_pattern: int
    bottom_pattern: int
    scale: float
    top_fit: float
    bottom_fit: float
    hair_volume: float


@wp.func
def is_hair(p: wp.vec3, o: Outfit):
    """Whether a point of the head lies under hair, a beard included."""
    x = wp.abs(p[0])
    line = o.hairline - 0.62 * (p[1] + 0.13)
    if p[1] > 0.0:
        line = o.hairline - 0.08 - 1.5 * p[1]
    if p[1] > -0.02 and o.hair_length > 0.0:
        line = wp.min(line, 1.66 - o.hair_length)
    ear = x > 0.0735 and p[1] > -0.06 and p[1] < 0.012 and p[2] > 1.66 and p[2] < 1.745
    result = p[2] > line and not ear and o.hairline < 1.85
    if o.beard > 0.0 and p[1] < -0.06 and p[2] > 1.585:
        cheek = 1.668 - 0.25 * (x - 0.03)
        moustache = x < 0.028 and p[2] > 1.655 and p[2] < 1.672
        if (p[2] < cheek and (x > 0.03 or p[2] < 1.635)) or moustache:
            result = True
    return result


@wp.func
def material_at(p: wp.vec3, arm: float, lips: float, kind: int, o: Outfit):
    """What a point of the neutral adult shows.

    Args:
        p: The point.
        arm: How far along the arm: 0 to the shoulder, 1 at the elbow, 2 at the wrist.
        lips: How much it is lip.
        kind: EYEBALL, CAVITY, HEAD, HAND, THING, or 0 for the rest of the body.
        o: The outfit.
    """
    if kind == THING:
        return PROP
    if kind == EYEBALL:
        return EYES
    if kind == CAVITY:
        return MOUTH
    x = wp.abs(p[0])
    if kind == HEAD and p[2] > 1.585:
        if lips > 0.4:
            return LIPS
        rise = (x - 0.033) / 0.02
        brow = p[2] - (1.7465 - 0.0065 * rise * rise)
        if x > 0.012 and x < 0.056 and wp.abs(brow) < 0.0042 and p[1] < -0.09:
            return BROWS
        if is_hair(p, o):
            return HAIR
        return SKIN
    if kind == HAND:
        return SKIN
    if p[2] < o.shoe:
        return SHOES
    if o.hair_length > 0.06 and p[2] > 1.62 - o.hair_length and p[1] > 0.02 and x < 0.1:
        return HAIR
    must = p[2] > COVERED_FROM and p[2] < COVERED_TO and arm < COVERED_ARM
    # The neckline dips in front.
    front = wp.clamp(-p[1] / 0.05, 0.0, 1.0) * wp.max(0.0, 1.0 - x / o.neck_width)
    collar = 1.545 - o.neckline * front - 0.35 * wp.max(0.0, x - o.neck_width) * front
    if p[2] < collar and arm < o.sleeve and p[2] > o.hem:
        if o.opening >= 0.0 and not (p[1] < -0.02 and x < o.opening and arm < 0.1):
            return JACKET
        return TOP
    if p[2] <= o.waist and p[2] > o.legs and arm < COVERED_ARM:
        return BOTTOM
    if must:
        if p[2] > o.waist:
            return TOP
        return BOTTOM
    if p[2] < o.sock:
        return SOCKS
    return SKIN


@wp.func
def patterned(first: wp.vec3, second: wp.vec3, a: float, b: float, pattern: int, scale: float):
    """One of two colours: 0 plain, 1 and 2 stripes, 3 checks, 4 dots."""
    u = a / scale - wp.floor(a / scale)
    v = b / scale - wp.floor(b / scale)
    if pattern == 1 and v < 0.5:
        return second
    if pattern == 2 and u < 0.35:
        return second
    if pattern == 3:
        return 0.5 * (first + second) * (0.75 + 0.5 * float((u < 0.5) == (v < 0.5)))
    if pattern == 4 and (u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5) < 0.06:
        return second
    return first


@wp.func
def color_at(p: wp.vec3, arm: float, material: int, o: Outfit):
    """The linear colour of a material at a point of the neutral adult."""
    if material == HAIR or material == BROWS:
        strand = wp.sin(900.0 * p[0] + 260.0 * p[1]) * wp.sin(700.0 * p[1] - 310.0 * p[0])
        return o.hair * (1.0 + 0.18 * strand)
    if material == TOP:
        height = p[2] + 0.25 * arm
        return patterned(o.top, o.top_second, p[0], height, o.top_pattern, o.scale)
    if material == JACKET:
        return o.jacket
    if material == BOTTOM:
        return patterned(
            o.bottom, o.bottom_second, p[0] + p[1], p[2], o.bottom_pattern, o.scale * 1.3
        )
    if material == SOCKS:
        return o.socks
    if material == SHOES:
        if p[2] < 0.016:
            return wp.vec3(0.55, 0.55, 0.53) * 0.5 + o.shoes * 0.2
        return o.shoes
    if material == EYES:
        x = wp.abs(p[0]) - 0.0319
        r = wp.sqrt(x * x + (p[2] - 1.7219) * (p[2] - 1.7219))
        if p[1] < -0.12 and r < 0.0026:
            return wp.vec3(0.01, 0.01, 0.01)
        if p[1] < -0.12 and r < 0.0062:
            return o.iris
        return wp.vec3(0.72, 0.70, 0.68)
    if material == LIPS:
        return wp.cw_mul(o.skin, wp.vec3(0.85, 0.52, 0.52))
    if material == MOUTH:
        return wp.vec3(0.12, 0.02, 0.02)
    if material == PROP:
        return wp.vec3(0.16, 0.11, 0.07)
    return o.skin


@wp.kernel(enable_backward=False)
def wear(
    canonical: wp.array(dtype=wp.vec3),
    arms: wp.array(dtype=float),
    lips: wp.array(dtype=float),
    kinds: wp.array(dtype=int),
    outfit: Outfit,
    materials: wp.array(dtype=int),
    thickness: wp.array(dtype=float),
):
    """The material of each vertex, and how far it stands off the skin, in metres."""
    vertex = wp.tid()
    p = canonical[vertex]
    material = material_at(p, arms[vertex], lips[vertex], kinds[vertex], outfit)
    materials[vertex] = material
    off = float(0.0)
    if material == TOP:
        off = outfit.top_fit
    if material == JACKET:
        off = outfit.top_fit + 0.008
    if material == BOTTOM:
        off = outfit.bottom_fit
    if material == SOCKS:
        off = 0.002
    if material == SHOES:
        off = 0.007
    if material == HAIR:
        off = outfit.hair_volume
        if p[2] < 1.68 and p[1] < -0.05:
            off = 0.003
    thickness[vertex] = off
