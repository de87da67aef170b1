"""Colours: patterns and fabrics, hair, eyes and skin, by a point on the neutral adult."""

from __future__ import annotations

import warp as wp

from vitruvian.world.kernels.faces import brow_color, face_color, lips_color
from vitruvian.world.kernels.materials import (
    BOTTOM,
    BROWS,
    COLLAR,
    DRESS,
    EYES,
    GLASSES,
    HAIR,
    HAT,
    JACKET,
    LIPS,
    MOUTH,
    PROP,
    SHOES,
    SKIN,
    SKIRT,
    SOCKS,
    TOP,
    Outfit,
    neckline_at,
)

STRIPES = wp.constant(1)
UPRIGHT_STRIPES = wp.constant(2)
CHECKS = wp.constant(3)
DOTS = wp.constant(4)
FLORAL = wp.constant(5)
PRINT = wp.constant(6)

COTTON = wp.constant(0)
DENIM = wp.constant(1)
LEATHER = wp.constant(2)
SILK = wp.constant(3)
KNIT = wp.constant(4)

SHELL_ARM = wp.constant(-1.0)
LENS_ARM = wp.constant(-2.0)


@wp.func
def scatter(row: int, column: int, turn: int):
    """A number in [0, 1) that looks random and is the same always."""
    value = wp.uint32(row * 73856093) ^ wp.uint32(column * 19349663) ^ wp.uint32(turn * 83492791)
    value = (value ^ (value >> wp.uint32(13))) * wp.uint32(1274126177)
    return float((value ^ (value >> wp.uint32(16))) & wp.uint32(65535)) / 65536.0


@wp.func
def floral(first: wp.vec3, second: wp.vec3, a: float, b: float, scale: float):
    """Blossoms of five petals and leaves, strewn over the first colour."""
    row = int(wp.floor(b / scale))
    column = int(wp.floor(a / scale))
    x = a / scale - float(column) - 0.3 - 0.4 * scatter(row, column, 1)
    y = b / scale - float(row) - 0.3 - 0.4 * scatter(row, column, 2)
    radius = wp.sqrt(x * x + y * y)
    size = 0.2 + 0.15 * scatter(row, column, 3)
    petal = size * (0.7 + 0.3 * wp.cos(5.0 * wp.atan2(y, x) + 6.0 * scatter(row, column, 4)))
    if radius < 0.3 * size:
        return wp.vec3(0.7, 0.5, 0.12)
    if radius < petal:
        return second * (0.75 + 0.5 * scatter(row, column, 5))
    if wp.abs(x + y - 0.1) < 0.07 and wp.abs(x - y) < 0.75:
        return wp.vec3(0.05, 0.16, 0.05)
    return first


@wp.func
def printed(first: wp.vec3, second: wp.vec3, a: float, b: float, scale: float, chest: bool):
    """A picture of blocks on the chest, or large blots everywhere."""
    x = a
    y = b - 1.31
    if chest:
        if wp.abs(x) > 0.1 or wp.abs(y) > 0.085:
            return first
        kind = int(scale * 1.0e4) % 3
        row = int(wp.floor(y / 0.024))
        column = int(wp.floor(x / 0.024))
        ink = second
        if kind == 0 and x * x + y * y > 0.0065:
            ink = first
        if kind == 1 and wp.abs(y) > 0.045:
            ink = first
        if scatter(row, column, int(scale * 1.0e5)) > 0.6:
            ink = 0.4 * ink + 0.6 * first
        return ink
    wave = wp.sin(a / scale + 2.0 * wp.sin(0.7 * b / scale)) * wp.sin(0.8 * b / scale + 1.3)
    if wave > 0.25:
        return second
    return first


@wp.func
def patterned(
    first: wp.vec3, second: wp.vec3, a: float, b: float, pattern: int, scale: float, chest: bool
):
    """The colour of cloth at a place of it; `chest`: whether a print is a picture on the chest."""
    u = a / scale - wp.floor(a / scale)
    v = b / scale - wp.floor(b / scale)
    if pattern == STRIPES and v < 0.5:
        return second
    if pattern == UPRIGHT_STRIPES and u < 0.35:
        return second
    if pattern == CHECKS:
        over = float(0.0)
        if u < 0.4:
            over += 0.5
        if v < 0.4:
            over += 0.5
        return first * (1.0 - over) + second * over
    if pattern == DOTS and (u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5) < 0.06:
        return second
    if pattern == FLORAL:
        return floral(first, second, a, b, scale * 1.4)
    if pattern == PRINT:
        return printed(first, second, a, b, scale, chest)
    return first


@wp.func
def woven(color: wp.vec3, a: float, b: float, fabric: int):
    """Cloth with its texture."""
    if fabric == DENIM:
        twill = wp.sin(900.0 * (a + b)) * 0.08
        worn = wp.sin(21.0 * a) * wp.sin(17.0 * b + 1.0) * 0.1
        return color * (1.0 + twill + worn)
    if fabric == KNIT:
        return color * (0.9 + 0.2 * wp.abs(wp.sin(420.0 * a)) * (0.7 + 0.3 * wp.sin(700.0 * b)))
    if fabric == LEATHER:
        grain = wp.sin(31.0 * a + 2.0 * wp.sin(23.0 * b)) * wp.sin(19.0 * b + 9.0 * a)
        return color * (0.94 + 0.06 * grain)
    if fabric == SILK:
        return color * (1.0 + 0.1 * wp.sin(30.0 * a + 4.0 * wp.sin(9.0 * b)))
    return color


@wp.func
def around(p: wp.vec3, arm: float):
    """Metres around the trunk from its front, or around an arm or a leg."""
    if arm < -0.5:
        return p[0]
    if arm > 0.1:
        return 1.4 * p[1]
    if p[2] > 0.9:
        return 0.15 * wp.atan2(p[0], 0.02 - p[1])
    return p[0] + p[1]


@wp.func
def along(p: wp.vec3, arm: float, o: Outfit):
    """Metres up the trunk or a leg, or down an arm, or up a skirt."""
    if arm < -0.5:
        return o.shell_hem + p[2] * (o.shell_top - o.shell_hem)
    if arm > 0.1:
        return 1.5 + 0.27 * arm
    return p[2]


@wp.func
def top_color(p: wp.vec3, a: float, b: float, arm: float, o: Outfit):
    """A top or a dress: pattern, fabric, the seam at the neck, a shirt's collar and buttons."""
    pattern = o.top_pattern
    if pattern == PRINT and o.dress == 0 and (arm > 0.1 or arm < -0.5):
        pattern = 0
    color = patterned(o.top, o.top_second, a, b, pattern, o.top_scale, o.dress == 0)
    color = woven(color, a, b, o.top_fabric)
    if arm < 0.1 and arm > -0.5:
        below = neckline_at(p, o) - p[2]
        near = wp.abs(p[0]) < 0.1 and p[2] > 1.42
        if o.neck == COLLAR:
            if below < 0.035 and near:
                return color * 0.85
            if wp.abs(p[0]) < 0.018 and p[1] < 0.0 and p[2] > o.hem:
                button = p[2] / 0.09 - wp.floor(p[2] / 0.09)
                if wp.abs(p[0]) < 0.006 and button < 0.12:
                    return wp.vec3(0.6, 0.6, 0.58)
                return color * 0.92
        elif below < 0.012 and near:
            return color * 0.8
    return color


@wp.func
def bottom_color(p: wp.vec3, a: float, b: float, arm: float, o: Outfit):
    """Trousers or a skirt: pattern, fabric, belt and seams."""
    color = patterned(o.bottom, o.bottom_second, a, b, o.bottom_pattern, o.bottom_scale, False)
    color = woven(color, a, b, o.bottom_fabric)
    if b > o.waist - 0.025:
        return color * 0.7
    if o.skirt == 0 and o.bottom_fit > 0.005:
        fly = wp.abs(p[0]) < 0.004 and p[1] < -0.06 and p[2] > 0.9
        pocket = wp.abs(wp.abs(p[0]) - 0.1 - 0.5 * (0.98 - p[2])) < 0.004
        if fly or (pocket and p[2] > 0.92 and p[1] < -0.03):
            return color * 0.65
    return color


@wp.func
def eye_color(p: wp.vec3, o: Outfit):
    """White, iris and pupil."""
    x = wp.abs(p[0]) - 0.0319
    r = wp.sqrt(x * x + (p[2] - 1.7219) * (p[2] - 1.7219))
    if p[1] < -0.12 and r < 0.0026:
        return wp.vec3(0.01, 0.01, 0.01)
    if p[1] < -0.12 and r < 0.0062:
        return o.iris
    return wp.vec3(0.72, 0.70, 0.68)


@wp.func
def color_at(p: wp.vec3, arm: float, material: int, o: Outfit):
    """The linear colour of a material at a point of the neutral adult."""
    if material == SKIN:
        if p[2] > 1.585 and arm < 0.1:
            return face_color(p, o.skin, o.hair, o.face)
        return o.skin
    a = around(p, arm)
    b = along(p, arm, o)
    if material == TOP or material == DRESS:
        return top_color(p, a, b, arm, o)
    if material == BOTTOM or material == SKIRT:
        return bottom_color(p, a, b, arm, o)
    if material == BROWS:
        return brow_color(p, o.skin, o.hair)
    if material == HAIR:
        # Strands run down from the crown.
        turn = wp.atan2(p[0], p[1] + 0.035)
        strand = wp.sin(80.0 * turn + 9.0 * p[2]) + wp.sin(43.0 * turn - 14.0 * p[2] + 1.0)
        return o.hair * (1.0 + 0.11 * strand)
    if material == JACKET:
        color = patterned(o.jacket, o.jacket_second, a, b, o.jacket_pattern, o.jacket_scale, False)
        edge = wp.abs(p[0]) - o.opening - 0.25 * wp.max(0.0, p[2] - 1.36)
        if p[1] < -0.02 and arm < 0.1 and edge < 0.012:
            color = color * 0.7
        return woven(color, a, b, o.jacket_fabric)
    if material == SOCKS:
        return o.socks
    if material == SHOES:
        if p[2] < 0.012:
            return o.shoes * 0.75
        return o.shoes
    if material == EYES:
        return eye_color(p, o)
    if material == LIPS:
        return lips_color(p, o.skin, o.face)
    if material == MOUTH:
        return wp.vec3(0.12, 0.02, 0.02)
    if material == PROP:
        return wp.vec3(0.16, 0.11, 0.07)
    if material == HAT:
        if arm > -0.5 and p[2] < o.hat_line - 0.22 * (p[1] + 0.1) + 0.018:
            return o.hat * 0.6
        return o.hat
    if material == GLASSES:
        if arm < -1.5:
            return o.lens
        return o.glasses
    return o.skin


@wp.func
def gloss_at(material: int, o: Outfit):
    """How strongly a material mirrors the sun, and how sharply."""
    if material == HAIR or material == EYES or material == SKIN:
        return wp.vec2(0.07, 22.0)
    if material == GLASSES:
        return wp.vec2(0.3, 60.0)
    fabric = COTTON
    if material == TOP or material == DRESS:
        fabric = o.top_fabric
    if material == BOTTOM or material == SKIRT:
        fabric = o.bottom_fabric
    if material == JACKET:
        fabric = o.jacket_fabric
    if fabric == LEATHER:
        return wp.vec2(0.16, 26.0)
    if fabric == SILK:
        return wp.vec2(0.2, 10.0)
    if material == SHOES:
        return wp.vec2(0.05, 20.0)
    return wp.vec2(0.0, 1.0)
