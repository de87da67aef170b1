"""Parts of the report that are no text: tables and charts, as HTML and SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

_WIDTH, _HEIGHT = 1000, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 20, 24


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table. Cells are HTML; a column whose title begins with "#" holds numbers."""
    classes = [' class="number"' if title.startswith("#") else "" for title in header]
    classes[0] = ' class="name"'
    head = "".join(
        f"<th{kind}>{title.lstrip('#')}</th>" for title, kind in zip(header, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def chart(means: Sequence[float], peaks: Sequence[int], seconds: float) -> str:
    """People over time as inline SVG: the mean of each bin as a line, its peak dotted.

    Args:
        means: People a frame in each bin.
        peaks: The most people of a frame in each bin; bins past the means are not drawn.
        seconds: Time of the last bin's end.
    """
    peaks = peaks[: len(means)]
    top = max(1, *peaks) if peaks else 1
    inner_width = _WIDTH - _LEFT - _RIGHT
    inner_height = _HEIGHT - _TOP - _BOTTOM

    def x(place: float) -> str:
        return f"{_LEFT + inner_width * place / max(len(means), 1):.1f}"

    def y(count: float) -> str:
        return f"{_TOP + inner_height * (1 - count / top):.1f}"

    def steps(values: Sequence[float]) -> str:
        """One level stretch a bin: a count does not slope."""
        points = [f"{x(i)},{y(v)} {x(i + 1)},{y(v)}" for i, v in enumerate(values)]
        return " ".join(points)

    right = _WIDTH - _RIGHT
    lines = [
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(count)}" y2="{y(count)}"/>'
        f'<text x="{_LEFT - 8}" y="{y(count)}" dy="4" text-anchor="end">{count:g}</text>'
        for count in _ticks(top, least=1)
    ]
    for time in _ticks(seconds):
        place = len(means) * time / seconds if seconds else 0
        anchor = "start" if time == 0 else "middle" if time < 0.97 * seconds else "end"
        lines.append(
            f'<text x="{x(place)}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{time:g} s</text>'
        )
    mean, peak = steps(means), steps(peaks)
    area = f"{x(0)},{y(0)} {mean} {x(len(means))},{y(0)}"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="People over time, at most {top}"><title>People over time</title>'
        f"{''.join(lines)}"
        f'<text class="key" x="{right}" y="{_TOP - 3}" text-anchor="end">people in a frame: '
        "mean, and dotted the most</text>"
        f'<polygon class="area" points="{area}"/><polyline class="most" points="{peak}"/>'
        f'<polyline class="mean" points="{mean}"/></svg>'
    )


def _ticks(top: float, least: float = 0) -> Iterator[float]:
    """0 and a few round numbers up to `top`, at least `least` apart."""
    yield 0
    if top <= 0:
        return
    rough = top / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    step = max(step, least)
    for place in range(1, math.floor(top / step + 1e-9) + 1):
        yield round(place * step, 10)
