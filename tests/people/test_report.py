from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.people.fakes import FakeDetector, write_clip, write_picture
from vitruvian.people.key_frames import KEY_FRAMES, KeyFrames
from vitruvian.people.options import RunOptions
from vitruvian.people.report import MOST_PHOTOS, MOST_ROWS
from vitruvian.people.report_parts import _ticks, chart
from vitruvian.people.run import run


def report_of(media: Path, out: Path, **options) -> str:
    detector = FakeDetector()
    run([str(media)], out, RunOptions(**options), make_detector=lambda _o, _t: detector)
    return (out / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Tags that are open; every one must be closed in order."""

    void = frozenset({"meta", "img", "br", "line", "circle", "rect", "path", "polygon", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


def parse(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


def test_page_needs_nothing_but_itself(tmp_path) -> None:
    media = tmp_path / "media"
    write_picture(media / "a.jpg")
    write_clip(media / "clip.mp4", frames=40)
    page = report_of(media, tmp_path / "out")
    tags = parse(page)
    kinds = {tag for tag, _ in tags.seen}
    assert not kinds & {"script", "link", "iframe", "object"}
    sources = [attrs["src"] for tag, attrs in tags.seen if tag == "img"]
    assert len(sources) == 1 + KEY_FRAMES
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in re.sub(r"http-equiv", "", page)
    links = {attrs["href"] for tag, attrs in tags.seen if tag == "a"}
    assert {"annotated/a.jpg", "annotated/clip.mp4", "people.csv"} <= links
    assert all((tmp_path / "out" / link).is_file() for link in links)
    for words in ("CC0-1.0", "pose/fake", "f" * 64, "People over time", "batch size"):
        assert words in page


def test_hostile_names_stay_text(tmp_path) -> None:
    name = "<img src=x onerror=alert(1)>&\"'\n日本$title.jpg"
    media = tmp_path / "media"
    write_picture(media / "a.jpg").rename(media / name)
    (media / "<b>bad.jpg").write_text("no picture")
    page = report_of(media, tmp_path / "out")
    tags = parse(page)
    assert not any("onerror" in attrs for _, attrs in tags.seen)
    assert ("b", {}) not in [(t, a) for t, a in tags.seen if "bad" in str(a)]
    assert "&lt;img src=x" in page
    assert "&lt;b&gt;bad.jpg" in page
    link = next(a["href"] for t, a in tags.seen if t == "a" and "annotated" in a["href"])
    assert "%0A" in link
    assert "%3Cimg" in link


def test_page_of_many_photos_is_bounded(tmp_path) -> None:
    media = tmp_path / "media"
    first = write_picture(media / "0.jpg", [(30, 60), (80, 60), (130, 60)])
    for i in range(1, 150):
        (media / f"{i}.jpg").write_bytes(first.read_bytes())
    page = report_of(media, tmp_path / "out", annotate=False)
    tags = parse(page)
    assert sum(tag == "img" for tag, _ in tags.seen) == MOST_PHOTOS
    assert f"{MOST_PHOTOS} of 150 photos" in page
    assert page.count("<tr>") <= MOST_ROWS + 20
    assert f"first {MOST_ROWS} of 450" in page


def test_key_frames_are_few_and_spread_whatever_the_length(tmp_path) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    for length in (1, 5, 13, 400):
        (tmp_path / f"{length}").mkdir()
        frames = KeyFrames(tmp_path / f"{length}")
        for i in range(length):
            if frames.wants(i):
                frames.add(i, image)
        kept = sorted(int(path.stem) for path in (tmp_path / f"{length}").iterdir())
        assert kept[0] == 0
        assert min(length, KEY_FRAMES) <= len(kept) <= 2 * KEY_FRAMES
        assert kept[-1] >= 0.8 * (length - 1)
        assert len(set(np.diff(kept))) <= 1


def test_key_frames_of_a_second_pass_replace_those_of_the_first(tmp_path) -> None:
    image = np.zeros((600, 900, 3), np.uint8)
    for first, length in ((True, 100), (False, 3)):
        frames = KeyFrames(tmp_path)
        for i in range(length):
            if frames.wants(i):
                frames.add(i, image)
        assert first or {path.stem for path in tmp_path.iterdir()} == {"0", "1", "2"}
    with Image.open(tmp_path / "0.jpg") as picture:
        assert picture.size == (480, 320)


@pytest.mark.parametrize("top", [1, 2, 3, 7, 10, 23, 1000])
def test_ticks_of_a_count_are_few_whole_numbers(top) -> None:
    ticks = list(_ticks(top, least=1))
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert all(tick == int(tick) <= top for tick in ticks)


def test_chart_of_nothing_and_of_one_frame() -> None:
    assert "nan" not in chart([0.0], [0], 0.0)
    assert 'aria-label="People over time, at most 3"' in chart([2.5, 3.0], [3, 3], 0.08)
