"""Weights in three tiers: embedded, fetched, one's own; a hash that differs is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pooch
import pytest

from vitruvian.core import weights as weights_module
from vitruvian.core.card import WeightsEntry, cards, find_card
from vitruvian.core.errors import WeightsError
from vitruvian.core.files import sha256
from vitruvian.core.weights import find_weights

EMBEDDED = [(card, entry) for card in cards().values() for entry in card.weights]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A card whose only weights lie at a URL, and the folder that they are fetched into.

    A file stands for the server: pooch's own transport is put aside.
    """
    served = tmp_path / "served.safetensors"
    served.write_bytes(b"weights " * 100)
    asked = []

    def download(url, output_file, _pooch):
        asked.append(url)
        if not served.is_file():
            raise ConnectionError
        shutil.copy(served, output_file)

    monkeypatch.setattr(pooch.core, "choose_downloader", lambda *_, **__: download)
    monkeypatch.setenv("VITRUVIAN_CACHE", str(tmp_path / "cache"))
    entry = WeightsEntry(
        name="large",
        tier="published",
        location="https://example.org/large.safetensors",
        sha256=sha256(served),
        licence="MIT",
        origin="example @ 0",
        trained_on="LSP",
        arguments={"depth": 50},
    )
    card = dataclasses.replace(find_card("openpose"), weights=(entry,))
    return card, served, asked


@pytest.mark.parametrize(
    ("card", "entry"), EMBEDDED, ids=[f"{card.path}-{entry.name}" for card, entry in EMBEDDED]
)
def test_every_embedded_file_is_there_unaltered_and_licensed(card, entry):
    if entry.tier != "embedded":
        pytest.skip("fetched on request")
    found = find_weights(card, entry.name)
    assert sha256(found.file) == entry.sha256 == found.sha256
    assert (found.tier, found.system, found.name) == ("embedded", card.path, entry.name)
    said = found.to_dict()
    assert json.loads(json.dumps(said)) == said
    assert said["licence"].strip()
    assert said["origin"].strip()


@pytest.mark.parametrize("damage", ["altered", "absent"])
def test_an_altered_embedded_file_is_refused(tmp_path, monkeypatch, damage):
    card = find_card("openpose")
    folder = tmp_path / "weights"
    shutil.copytree(find_weights(card).file.parent, folder)
    file = folder / card.weights[0].location
    if damage == "altered":
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    monkeypatch.setattr(weights_module.resources, "files", lambda _: tmp_path)
    weights_module._embedded.cache_clear()
    try:
        with pytest.raises(WeightsError, match="install vitruvian again") as caught:
            find_weights(card)
        assert str(file) in str(caught.value)
    finally:
        weights_module._embedded.cache_clear()


def test_published_weights_are_fetched_once(published, tmp_path):
    card, served, asked = published
    found = find_weights(card, "large")
    assert found.tier == "published"
    assert found.file.is_relative_to(tmp_path / "cache")
    assert found.file.read_bytes() == served.read_bytes()
    assert found.arguments == {"depth": 50}
    served.unlink()
    assert find_weights(card).file == found.file
    assert asked == [card.weights[0].location]


def test_a_damaged_copy_in_the_cache_is_fetched_again(published):
    card, served, asked = published
    file = find_weights(card).file
    file.write_bytes(b"damaged")
    assert find_weights(card).file.read_bytes() == served.read_bytes()
    assert len(asked) == 2


def test_a_file_of_another_hash_is_refused_and_not_kept(published, tmp_path):
    card, served, _ = published
    served.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=card.weights[0].sha256):
        find_weights(card)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_server_that_does_not_answer(published):
    card, served, _ = published
    served.unlink()
    with pytest.raises(WeightsError, match=r"download it by hand.*--weights"):
        find_weights(card)


@pytest.mark.parametrize("kind", [str, Path])
def test_ones_own_file(tmp_path, kind):
    file = tmp_path / "mine.pth"
    file.write_bytes(b"mine")
    found = find_weights(find_card("openpose"), kind(file))
    assert (found.tier, found.file, found.sha256) == ("own", file, sha256(file))
    assert found.licence == "unknown"
    with pytest.raises(WeightsError, match=r"There is no checkpoint at .*absent\.pth"):
        find_weights(find_card("openpose"), kind(tmp_path / "absent.pth"))
