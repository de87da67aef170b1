"""Materials: clothes, hair and face as a function of a point on the neutral adult.

No two pictures of an outfit disagree, hems are sharp at any resolution, and what must be covered is
so by construction.
"""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.faces import Face, is_beard, is_brow

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
SKIRT = wp.constant(13)
DRESS = wp.constant(14)
HAT = wp.constant(15)
GLASSES = wp.constant(16)

# What a triangle is made of beside body: its row of `Rig.regions` made simpler, or its block of
# `extras`.
EYEBALL = wp.constant(1)
CAVITY = wp.constant(2)
HEAD = wp.constant(3)
HAND = wp.constant(4)
THING = wp.constant(5)
SHELL = wp.constant(6)
LOCKS = wp.constant(7)
BRIM = wp.constant(8)
FRAME = wp.constant(9)

COVERED_FROM = wp.constant(0.66)
COVERED_TO = wp.constant(1.42)
COVERED_ARM = wp.constant(0.06)

ROUND = wp.constant(0)
V_NECK = wp.constant(1)
SQUARE = wp.constant(2)
BOAT = wp.constant(3)
HIGH = wp.constant(4)
COLLAR = wp.constant(5)


@wp.struct
class Outfit:
    """What one person wears; heights are metres on the neutral adult."""

    skin: wp.vec3
    hair: wp.vec3
    top: wp.vec3
    top_second: wp.vec3
    bottom: wp.vec3
    bottom_second: wp.vec3
    jacket: wp.vec3
    jacket_second: wp.vec3
    socks: wp.vec3
    shoes: wp.vec3
    iris: wp.vec3
    face: Face
    hat: wp.vec3
    glasses: wp.vec3
    lens: wp.vec3
    neck: int
    neckline: float
    neck_width: float
    bust: float
    strap_inner: float
    strap_outer: float
    sleeve: float
    hem: float
    opening: float
    jacket_sleeve: float
    jacket_hem: float
    waist: float
    legs: float
    sock: float
    shoe: float
    hair_length: float
    hairline: float
    hat_line: float
    dress: int
    skirt: int
    shell: int
    shell_top: float
    shell_hem: float
    top_pattern: int
    bottom_pattern: int
    jacket_pattern: int
    top_scale: float
    bottom_scale: float
    jacket_scale: float
    top_fabric: int
    bottom_fabric: int
    jacket_fabric: int
    top_fit: float
    bottom_fit: float
    jacket_fit: float
    top_flare: float
    bottom_flare: float
    hair_volume: float
    hat_crown: float


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
    return result or is_beard(p, o.face)


@wp.func
def head_at(p: wp.vec3, lips: float, o: Outfit):
    """What a point of the face or the scalp shows."""
    if p[2] > o.hat_line - 0.22 * (p[1] + 0.1) and p[2] > 1.7:
        return HAT
    if lips > 0.4:
        return LIPS
    if is_brow(p, o.face):
        return BROWS
    if is_hair(p, o):
        return HAIR
    return SKIN


@wp.func
def neckline_at(p: wp.vec3, o: Outfit):
    """The height up to which a top reaches at a point, by its neckline."""
    x = wp.abs(p[0])
    rim = 1.555 + 0.6 * p[1]
    if o.neck == BOAT:
        rim = 1.528 + 0.15 * p[1]
    if o.neck == HIGH:
        rim = 1.615 + 0.6 * p[1]
    front = wp.clamp((0.01 - p[1]) / 0.04, 0.0, 1.0)
    inside = x / o.neck_width
    if inside < 1.0:
        if o.neck == ROUND or o.neck == BOAT:
            rim -= front * o.neckline * wp.sqrt(1.0 - inside * inside)
        if o.neck == V_NECK or o.neck == COLLAR:
            rim -= front * o.neckline * (1.0 - inside)
        if o.neck == SQUARE:
            rim = wp.min(rim, rim - front * (rim - 1.52 + o.neckline))
    return rim


@wp.func
def top_covers(p: wp.vec3, arm: float, o: Outfit):
    """Whether the top, or a dress above its waist, lies on a point of trunk, neck or arm."""
    x = wp.abs(p[0])
    if p[2] > neckline_at(p, o) or p[2] < o.hem or arm > o.sleeve:
        return False
    outer = o.strap_outer + 0.6 * wp.max(0.0, 1.475 - p[2])
    return p[2] < o.bust or (x > o.strap_inner and x < outer)


@wp.func
def jacket_covers(p: wp.vec3, arm: float, o: Outfit):
    """Whether the jacket lies on a point of trunk, neck or arm."""
    if o.opening < 0.0 or p[2] > 1.562 + 0.6 * p[1] or p[2] < o.jacket_hem:
        return False
    if arm > o.jacket_sleeve:
        return False
    open_to = o.opening + 0.25 * wp.max(0.0, p[2] - 1.36)
    return p[1] > -0.02 or wp.abs(p[0]) > open_to or arm > 0.1


@wp.func
def extra_at(kind: int, o: Outfit):
    """What a thing beside the body shows."""
    if kind == THING:
        return PROP
    if kind == LOCKS:
        return HAIR
    if kind == BRIM:
        return HAT
    if kind == FRAME:
        return GLASSES
    return o.shell


@wp.func
def material_at(p: wp.vec3, arm: float, lips: float, kind: int, o: Outfit):
    """What a point of the neutral adult shows.

    Args:
        p: The point.
        arm: How far along the arm: 0 to the shoulder, 1 at the elbow, 2 at the wrist.
        lips: How much it is lip.
        kind: EYEBALL, CAVITY, HEAD, HAND, an extra's, or 0 for the rest of the body.
        o: The outfit.
    """
    if kind >= THING:
        return extra_at(kind, o)
    if kind == EYEBALL:
        return EYES
    if kind == CAVITY:
        return MOUTH
    x = wp.abs(p[0])
    if kind == HEAD and p[2] > 1.585:
        return head_at(p, lips, o)
    if kind == HAND:
        return SKIN
    if p[2] < o.shoe:
        return SHOES
    if o.hair_length > 0.06 and p[2] > 1.62 - o.hair_length and p[1] > 0.02 and x < 0.1:
        return HAIR
    upper = TOP
    lower = BOTTOM
    if o.dress > 0:
        upper = DRESS
        lower = DRESS
    if o.skirt > 0:
        lower = SKIRT
    if jacket_covers(p, arm, o):
        return JACKET
    if top_covers(p, arm, o):
        return upper
    if p[2] <= o.waist and p[2] > o.legs and arm < COVERED_ARM:
        return lower
    if p[2] > COVERED_FROM and p[2] < COVERED_TO and arm < COVERED_ARM:
        if p[2] > o.waist:
            return upper
        return lower
    if p[2] < o.sock:
        return SOCKS
    return SKIN


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
    trunk = outfit.top_fit + outfit.top_flare * wp.clamp((1.3 - p[2]) / 0.4, 0.0, 1.0)
    if arms[vertex] > 0.1:
        # A wide sleeve is widest at its end.
        share = wp.clamp(arms[vertex] / wp.max(outfit.sleeve, 0.4), 0.0, 1.0)
        trunk = outfit.top_fit + 0.6 * outfit.top_flare * share
    if material == TOP:
        off = trunk
    if material == DRESS:
        off = outfit.top_fit
        if arms[vertex] > 0.1:
            off = trunk
    if material == JACKET:
        off = wp.max(outfit.jacket_fit, outfit.top_fit + 0.006)
        off += 0.012 * wp.clamp((1.2 - p[2]) / 0.3, 0.0, 1.0)
    if material == BOTTOM:
        off = outfit.bottom_fit + outfit.bottom_flare * wp.clamp((0.8 - p[2]) / 0.6, 0.0, 1.0)
    if material == SKIRT:
        off = 0.004
    if material == SOCKS:
        off = 0.002
    if material == SHOES:
        off = 0.007
    if material == HAIR:
        off = outfit.hair_volume
        if p[2] < 1.68 and p[1] < -0.05:
            off = 0.003
    if material == HAT:
        off = 0.016 + outfit.hat_crown * wp.clamp((p[2] - 1.765) / 0.03, 0.0, 1.0)
    thickness[vertex] = off
