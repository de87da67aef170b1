"""What the user's inputs stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.people.media import numbered, picture, write_clip
from vitruvian.core.errors import InputError
from vitruvian.people.sources import Source, find_sources


def photo(path: Path, kind: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture()).save(path, kind)
    return path


def names(*inputs) -> list[str]:
    return [source.name for source in find_sources(inputs)[0]]


def test_a_folder_is_read_with_its_sub_folders_in_natural_order(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("p 10.jpg", "p 2.jpg", "b/1.png", ".hidden.jpg", ".git/1.jpg", "P 3.JPG"):
        photo(Path("in") / name)
    Path("in/notes.txt").write_text("no photo")
    assert names("in") == ["in/b/1.png", "in/p 2.jpg", "in/P 3.JPG", "in/p 10.jpg"]


def test_results_of_an_earlier_run_are_no_input(tmp_path) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "out/annotated/a.jpg")
    photo(tmp_path / "annotated/b.jpg")
    (tmp_path / "out/people.jsonl").touch()
    assert names(tmp_path) == [str(tmp_path / "a.jpg"), str(tmp_path / "annotated/b.jpg")]


def test_content_decides_not_the_suffix(tmp_path) -> None:
    clip = write_clip(tmp_path / "clip.jpg", numbered(3), container="mp4")
    image = photo(tmp_path / "photo.mp4", "PNG")
    bare = photo(tmp_path / "bare")
    sources, problems = find_sources([clip, image, bare])
    assert [source.kind for source in sources] == ["video", "photo", "photo"]
    assert problems == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv", "a.mov"])
def test_videos_are_known_by_content(tmp_path, name: str) -> None:
    clip = write_clip(tmp_path / name, numbered(3))
    assert find_sources([clip]) == ([Source(str(clip), "video", str(clip))], [])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF"])
def test_photos_are_known_by_content(tmp_path, kind: str) -> None:
    assert find_sources([photo(tmp_path / "a", kind)])[0][0].kind == "photo"


def test_globs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a1.jpg", "a2.jpg", "b1.jpg", "sub/a3.jpg", "[x].jpg"):
        photo(Path(name))
    Path("a.txt").touch()
    assert names("a*") == ["a1.jpg", "a2.jpg"]
    assert names("**/a*.jpg") == ["a1.jpg", "a2.jpg", "sub/a3.jpg"]
    assert names("[x].jpg") == ["[x].jpg"]


def test_the_same_file_is_done_once(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo(Path("a.jpg"))
    Path("link.jpg").symlink_to("a.jpg")
    inputs = ("a.jpg", "./a.jpg", tmp_path / "a.jpg", "link.jpg", ".", "camera:0", "camera:0")
    assert names(*inputs) == ["a.jpg", "camera:0"]


def test_cameras_and_streams() -> None:
    kinds = [s.kind for s in find_sources(["camera:0", "rtsp://host/a", "HTTP://host/a.mp4"])[0]]
    assert kinds == ["camera", "stream", "stream"]


@pytest.mark.parametrize(
    "name", ["two  spaces.jpg", "line\nbreak.jpg", "фото 图片 صورة.jpg", "-x.jpg"]
)
def test_odd_names(tmp_path, name: str) -> None:
    path = photo(tmp_path / name)
    assert names(path) == names(tmp_path) == [str(path)]


def test_a_missing_file_suggests_the_nearest(tmp_path) -> None:
    photo(tmp_path / "holiday.jpg")
    with pytest.raises(InputError, match=r"did you mean .*holiday\.jpg"):
        find_sources([tmp_path / "holidya.jpg"])
    with pytest.raises(InputError, match=r"folder .*nowhere does not exist"):
        find_sources([tmp_path / "nowhere" / "a.jpg"])
    with pytest.raises(InputError, match="no file or folder"):
        find_sources(["x" * 5000])


def test_nothing_there(tmp_path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no photo or video"):
        find_sources([tmp_path])
    with pytest.raises(InputError, match="No photo or video matches"):
        find_sources([tmp_path / "*.jpg"])


def test_bad_files_are_told_and_the_good_ones_found(tmp_path) -> None:
    good = photo(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("This is text, and long enough to be sure of it.")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "broken.png").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.jpg")
    sources, problems = find_sources([tmp_path])
    assert [source.name for source in sources] == [str(good)]
    assert len(problems) == 4
    for name, word in (
        ("text.jpg", "neither"),
        ("empty.mp4", "empty"),
        ("broken.png", "link"),
        ("pipe.jpg", "regular"),
    ):
        assert sum(name in problem and word in problem for problem in problems) == 1


def test_the_folder_of_examples(data_set) -> None:
    sources, problems = find_sources([data_set("people_media")])
    kinds = [source.kind for source in sources]
    assert (kinds.count("photo"), kinds.count("video"), problems) == (20, 5, [])


def test_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch) -> None:
    photo(tmp_path / "a" / "good.jpg")
    photo(tmp_path / "a" / "locked" / "hidden.jpg")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root, who may run the tests, may read all
    sources, problems = find_sources([tmp_path / "a"])
    assert [source.name for source in sources] == [str(tmp_path / "a" / "good.jpg")]
    assert len(problems) == 1
    assert "locked cannot be read (Permission denied)" in problems[0]
    with pytest.raises(InputError, match="locked cannot be read"):
        find_sources([tmp_path / "a" / "locked"])
