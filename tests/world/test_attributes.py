"""Face attributes and the variety of what is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vitruvian.world.attributes import ATTRIBUTES, face_attributes
from vitruvian.world.bodies import FEATURE_GROUPS, sample_body
from vitruvian.world.clothes import sample_clothes
from vitruvian.world.looks import BEARDS
from vitruvian.world.rig import FEATURES
from vitruvian.world.statistics import Census

CELEBA = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs"),
    *("Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair"),
    *("Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair"),
    *("Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose"),
    *("Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair"),
    *("Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)


@pytest.fixture(scope="module")
def drawn():
    """Two thousand people before they are rendered."""
    people = []
    for index in range(2000):
        rng = np.random.default_rng([31, index])
        body = sample_body(rng)
        people.append((body, sample_clothes(rng, body)))
    return people


def test_the_names_are_celebas_in_its_order():
    places = [CELEBA.index(name) for name in ATTRIBUTES]
    assert places == sorted(places)
    assert len(places) >= 20


def test_no_attribute_is_rarer_or_commoner_than_one_in_a_hundred(drawn):
    counts = Counter()
    for body, clothes in drawn:
        counts.update(name for name, there in face_attributes(body, clothes).items() if there)
    shares = {name: counts[name] / len(drawn) for name in ATTRIBUTES}
    assert {name: share for name, share in shares.items() if not 0.01 <= share <= 0.99} == {}


def test_attributes_do_not_contradict_each_other(drawn):
    for body, clothes in drawn:
        has = face_attributes(body, clothes)
        colors = [has[f"{color}_Hair"] for color in ("Black", "Blond", "Brown", "Gray")]
        assert sum(colors) <= (0 if has["Bald"] else 1)
        bearded = ("5_o_Clock_Shadow", "Goatee", "Mustache", "Sideburns")
        assert has["No_Beard"] == (not any(has[name] for name in bearded))
        if not has["No_Beard"]:
            assert has["Male"]
            assert not body.is_child
        assert has["Wearing_Lipstick"] or not has["Heavy_Makeup"]


def test_features_and_beards_are_all_met(drawn):
    met = Counter(name for body, _ in drawn for name in body.features)
    assert set(met) == set(FEATURES) == {name for group in FEATURE_GROUPS for name in group}
    assert min(met.values()) > 0.02 * len(drawn)
    assert {body.look.beard for body, _ in drawn} == set(BEARDS)
    years = [body.years for body, _ in drawn]
    assert min(years) < 5
    assert max(years) > 80


def test_a_census_counts_shares(samples):
    census = Census()
    for sample in samples:
        census.add(sample)
    shares = census.shares()
    people = sum(len(sample.people) for sample in samples)
    assert sum(shares["sex"].values()) == pytest.approx(1)
    assert sum(shares["joint nose"].values()) == pytest.approx(1)
    for name, share in shares["attribute"].items():
        assert 0 < share <= 1
        other = shares["no attribute"].get(name, 0.0)
        assert share + other == pytest.approx(1)
    count = sum(person.activity == "standing" for sample in samples for person in sample.people)
    assert shares["activity"].get("standing", 0.0) == pytest.approx(count / people)
    group, value, share = census.rarest()
    assert share == shares.get(group, {}).get(value, 0.0)
