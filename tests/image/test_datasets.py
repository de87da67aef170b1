"""Data sets in their official layouts, batches, and bad files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.image.fakes import write_ccp, write_cifar, write_digits, write_imagenet
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.image.data import ImageData, LabelledPictures, fit_picture, resized_crop, shifted
from vitruvian.image.datasets.ccp import CATEGORIES, GarmentCrops
from vitruvian.image.datasets.cifar import Cifar10, Cifar100
from vitruvian.image.datasets.digits import Digits
from vitruvian.image.datasets.imagenet import ImageNet


@pytest.mark.parametrize(("kind", "classes", "train"), [(Cifar10, 10, 20), (Cifar100, 100, 4)])
def test_cifar_is_read_from_the_binary_version(kind, classes, train, tmp_path):
    root = write_cifar(tmp_path / "cifar", classes)
    data = kind("train", root)
    assert len(data) == train
    assert data.classes == tuple(f"class{i}" for i in range(classes))
    assert data.labels.tolist() == [i % classes for i in range(train)]
    picture = data.picture(3)
    assert picture.shape == (32, 32, 3)
    assert picture[0, 0].tolist() == [3, 3, 3]
    assert picture[0, 1].tolist() == [255, 3, 3]
    assert len(kind("test", root)) == 4


def test_cifar_says_what_is_wrong(tmp_path):
    root = write_cifar(tmp_path / "cifar", 10)
    (root / "test_batch.bin").write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match=r"test_batch\.bin is not whole"):
        Cifar10("test", root)
    (root / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz"):
        Cifar10("train", root)
    with pytest.raises(UnknownNameError, match="Did you mean 'train'"):
        Cifar10("trian", root)


def test_imagenet_in_folders_and_flat_numbers_its_classes_alike(tmp_path):
    folders = ImageNet("val", write_imagenet(tmp_path / "folders"))
    assert folders.classes == ("n01", "n02")
    assert folders.labels.tolist() == [0, 1]
    flat = ImageNet("val", write_imagenet(tmp_path / "flat", flat=True))
    assert flat.classes == ("n01", "n02")
    assert flat.labels.tolist() == [1, 0, 0]
    assert flat.picture(0).shape == (40, 60, 3)


def test_imagenet_says_what_is_wrong(tmp_path):
    root = write_imagenet(tmp_path / "set")
    (root / "val" / "n02").rename(root / "val" / "n03")
    with pytest.raises(InputError, match="different classes, n02"):
        ImageNet("val", root)
    flat = write_imagenet(tmp_path / "flat", flat=True)
    next((flat / "val").iterdir()).unlink()
    with pytest.raises(InputError, match="2 pictures, its labels are 3"):
        ImageNet("val", flat)
    (flat / "ILSVRC2012_devkit_t12" / "data" / "meta.mat").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        ImageNet("val", flat)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no folder 'train'"):
        ImageNet("train", tmp_path / "empty")


def test_garments_are_cut_out_by_their_labels(tmp_path):
    root = write_ccp(tmp_path / "ccp")
    train, test = GarmentCrops("train", root), GarmentCrops("test", root)
    assert (len(train), len(test)) == (8, 4)
    assert set(train.labels) == {0, 1}  # the five by five spot is no garment
    crop = test.picture(0)  # photo 3, label 1: green
    assert crop.shape == (115, 115, 3)
    assert crop[57, 57, 1] > 200
    assert crop[57, 2].max() < 60  # what is beside the garment is in the square


def test_garments_say_what_is_wrong(tmp_path):
    root = write_ccp(tmp_path / "ccp")
    (root / "pixel-level" / "0003.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0003\.png"):
        GarmentCrops("test", root)
    (root / "labels.txt").write_text("null\nskin\n")
    with pytest.raises(InputError, match="'bag'"):
        GarmentCrops("test", root)
    with pytest.raises(InputError, match="VITRUVIAN_DATA"):
        GarmentCrops("test", tmp_path / "absent")


def test_real_garments_are_split_by_photo(data_set):
    root = data_set("ccp")
    train, test = GarmentCrops("train", root), GarmentCrops("test", root)
    assert (len(train), len(test)) == (1607, 834)
    assert np.bincount(train.labels).min() >= 90
    assert len(train.classes) == len(CATEGORIES)
    fit, validation = GarmentCrops("fit", root), GarmentCrops("validation", root)
    assert len(fit) + len(validation) == len(train)
    photos = [{file for file, _ in part._windows} for part in (fit, validation, test)]
    assert not photos[0] & photos[1]
    assert not (photos[0] | photos[1]) & photos[2]


def test_digits_are_scikit_learns_own(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    test = Digits("test")
    assert test.labels.tolist() == labels[::3].tolist()
    assert np.array_equal(
        test.picture(5)[..., 0].ravel(), np.round(images[15] * 255 / 16).astype(np.uint8)
    )
    assert len(Digits("train")) + len(test) == 1797
    root = write_digits(tmp_path / "digits")
    (root / "digits.csv.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        Digits("test", root)


def test_the_middle_is_cut_out():
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    image[40:60, 90:110] = 255
    small = fit_picture(image, 10)
    assert small.shape == (10, 10, 3)
    assert small[5, 5].tolist() == [255, 255, 255]
    assert small[0, 0].max() == 0
    assert fit_picture(image, 8, 10).shape == (8, 8, 3)
    assert np.array_equal(fit_picture(image[:, :100], 100), image[:, :100])
    strip = np.zeros((1, 60_000, 3), dtype=np.uint8)
    strip[0, 29_990:30_010] = 255
    assert fit_picture(strip, 224, 256).min() > 200


def test_shifts_move_and_mirror():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, axis=2)
    random = np.random.default_rng(0)
    moved = [shifted(image, 1, random, 0.5) for _ in range(100)]
    assert all(cut.shape == image.shape for cut in moved)
    assert any(np.array_equal(cut, image) for cut in moved)
    assert any(np.array_equal(cut, image[:, ::-1]) for cut in moved)
    assert any(not cut[:, 0].any() for cut in moved)  # zeros came in from the left
    assert not any(np.array_equal(shifted(image, 0, random, 0), image[:, ::-1]) for _ in range(9))


def test_resized_crops_fit_any_picture():
    random = np.random.default_rng(0)
    for shape in ((30, 40, 3), (3, 200, 3), (1, 1, 3)):
        assert resized_crop(np.zeros(shape, dtype=np.uint8), 16, random, 0.5).shape == (16, 16, 3)


def test_a_sample_follows_from_seed_epoch_and_index(tmp_path):
    pictures = GarmentCrops("train", write_ccp(tmp_path / "ccp"))
    first, second = (LabelledPictures(pictures, 32, augment="shift", seed=3) for _ in range(2))
    assert torch.equal(first[1, 7]["image"], second[1, 7]["image"])
    assert not torch.equal(first[1, 7]["image"], first[1, 8]["image"])
    assert first[1, 7]["image"].shape == (3, 32, 32)
    assert first[1, 7]["image"].dtype == torch.uint8


def test_data_refuses_what_cannot_be():
    with pytest.raises(UnknownNameError, match="Did you mean 'cifar10'"):
        ImageData("cifar11")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="raise resize"):
        ImageData("ccp", size=64, resize=32)
