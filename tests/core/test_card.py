"""Cards: those of the package are right, and what is wrong in one is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import vitruvian
from vitruvian.core import card as card_module
from vitruvian.core.card import cards, find_card, read_card
from vitruvian.core.errors import UnknownNameError, VitruvianError
from vitruvian.core.recipes import recipes

PACKAGE = Path(vitruvian.__file__).parent

GOOD = """
name = "walker"
domain = "pose"
title = "Walker"
task = "2D pose"
summary = "Walks."
system = "vitruvian.pose.walker:Walker"
differs = "Nothing."

[paper]
title = "Walking"
authors = "A. Walker"
year = 2020
venue = "CVPR"

[[results]]
kind = "ours"
dataset = "LSP"
metric = "PCK@0.2"
value = 50
setting = "small"
source = "vitruvian test pose/walker"

[[weights]]
name = "small"
tier = "published"
location = "https://example.org/small.pth"
sha256 = "00"
licence = "MIT"
origin = "example @ 0"
trained_on = "LSP"
arguments = {depth = 18, flip = true, name = "x", scale = 0.5}
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "walker.toml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.path)
def test_every_card_of_the_package_holds_what_it_names(card):
    assert (PACKAGE / card.domain).is_dir()
    assert card.load_class().__module__.startswith(f"vitruvian.{card.domain}.")
    assert set(card.recipes) <= set(recipes())
    names = [entry.name for entry in card.weights]
    assert len(set(names)) == len(names)
    for entry in card.weights:
        assert len(entry.sha256) == 64
        assert entry.licence
        assert entry.origin
        assert entry.trained_on
    for text in (card.title, card.task, card.summary, card.differs, card.paper.authors):
        assert text.strip()
    for result in card.results:
        assert result.source
        assert result.setting


def test_a_whole_card_is_read(write):
    card = read_card(write(GOOD))
    assert card.path == "pose/walker"
    assert card.paper.arxiv == ""
    assert card.results[0].value == 50
    assert dict(card.weights[0].arguments) == {
        "depth": 18,
        "flip": True,
        "name": "x",
        "scale": 0.5,
    }
    assert card.weights[0].seed is None
    assert card.find_weights() is card.find_weights("small")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "Walker"\n', "", "the top lacks the field 'title'"),
        ('title = "Walker"', "title = 3", "title must be str, not 3"),
        ('task = "2D pose"', 'taks = "2D pose"', "the top has an unknown field 'taks'"),
        ("year = 2020", 'year = "2020"', "paper.year must be int, not '2020'"),
        ("year = 2020", "year = true", "paper.year must be int"),
        ('venue = "CVPR"', "", "paper lacks the field 'venue'"),
        ("value = 50", 'value = "50"', r"results\[0\].value must be float or int"),
        ('kind = "ours"', 'kind = "mine"', r"results\[0\].kind must be one of 'published', 'ours'"),
        ('tier = "published"', 'tier = "secret"', r"weights\[0\].tier must be one of"),
        ('sha256 = "00"', "hash = 1", r"weights\[0\] has an unknown field 'hash'"),
        ("depth = 18", "depth = [1]", r"weights\[0\].arguments.depth must be"),
        ("[[results]]", "[results]", "results must be a list"),
        ("[paper]", "[[paper]]", "paper must be a table"),
        ('name = "walker"', "name = ", "walker.toml is not right"),
    ],
)
def test_what_is_wrong_is_named(write, old, new, words):
    assert old in GOOD
    file = write(GOOD.replace(old, new, 1))
    with pytest.raises(VitruvianError, match=words) as caught:
        read_card(file)
    assert str(file) in str(caught.value)


def test_a_card_that_is_no_text(tmp_path):
    (tmp_path / "card.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VitruvianError, match=r"card\.toml is not right"):
        read_card(tmp_path / "card.toml")


def test_doubled_names_are_refused(write, monkeypatch):
    files = [write(GOOD), write(GOOD.replace('"pose"', '"face"', 1), "other.toml")]
    monkeypatch.setattr(card_module, "_card_files", lambda: files)
    with pytest.raises(VitruvianError, match="Two cards are named 'walker'"):
        cards.__wrapped__()


def test_names_with_and_without_the_domain():
    assert find_card("openpose") is find_card("pose/openpose")
    with pytest.raises(UnknownNameError, match="Did you mean 'pose/openpose'"):
        find_card("pose/openpos")
    with pytest.raises(UnknownNameError, match="There is no checkpoint of pose/openpose named"):
        find_card("openpose").find_weights("large")


def test_a_card_without_weights_says_how_to_get_some(write):
    bare = dataclasses.replace(read_card(write(GOOD)), weights=())
    with pytest.raises(VitruvianError, match="--weights FILE"):
        bare.find_weights()
    trained = dataclasses.replace(bare, recipes=("pose/walker_lsp",))
    with pytest.raises(VitruvianError, match="vitruvian train pose/walker_lsp"):
        trained.find_weights()
