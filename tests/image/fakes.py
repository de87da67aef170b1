"""Small data sets in the official layouts."""

from __future__ import annotations

import gzip
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from vitruvian.image.datasets.ccp import CATEGORIES


def write_cifar(folder: Path, classes: int, per_file: int = 4) -> Path:
    """The binary version; every picture is of its label's brightness."""
    folder.mkdir(parents=True)
    ten = classes == 10
    files = (
        [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        if ten
        else ["train.bin", "test.bin"]
    )
    names = "batches.meta.txt" if ten else "fine_label_names.txt"
    (folder / names).write_text("\n".join(f"class{i}" for i in range(classes)) + "\n\n")
    number = 0
    for file in files:
        records = b""
        for _ in range(per_file):
            label = number % classes
            planes = np.full((3, 32, 32), label, dtype=np.uint8)
            planes[0, 0, 1] = 255  # a red pixel to the right of the first one
            records += (b"" if ten else b"\x07") + bytes([label]) + planes.tobytes()
            number += 1
        (folder / file).write_bytes(records)
    return folder


def write_imagenet(folder: Path, *, flat: bool = False) -> Path:
    """Two classes, whose own numbers are in another order than their names."""
    random = np.random.default_rng(0)
    for name in ("n01", "n02"):
        for number in range(4):
            write_picture(folder / "train" / name / f"{name}_{number}.JPEG", random)
    if not flat:
        for name in ("n01", "n02"):
            write_picture(folder / "val" / name / "a.JPEG", random)
        return folder
    for number in (1, 2, 3):
        write_picture(folder / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", random)
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    kind = [("ILSVRC2012_ID", object), ("WNID", object)]
    savemat(data / "meta.mat", {"synsets": np.array([(1, "n02"), (2, "n01")], dtype=kind)})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n2\n")
    return folder


def write_ccp(folder: Path, photos: int = 12) -> Path:
    """Photos of one garment each, in turn; the garment is a bright rectangle of its own shade."""
    for part in ("photos", "pixel-level"):
        (folder / part).mkdir(parents=True)
    (folder / "labels.txt").write_text("\n".join(["null", "skin", *CATEGORIES]) + "\n")
    for number in range(1, photos + 1):
        label = number % 2
        photo = np.full((480, 320, 3), 20, dtype=np.uint8)
        mask = np.zeros((480, 320), dtype=np.uint8)
        photo[100:200, 60:120, label] = 220
        mask[100:200, 60:120] = 2 + label
        mask[0:5, 0:5] = 2 + 4  # too small to be a crop
        cv2.imwrite(str(folder / "photos" / f"{number:04d}.jpg"), photo[..., ::-1])
        cv2.imwrite(str(folder / "pixel-level" / f"{number:04d}.png"), mask)
    return folder


def write_digits(folder: Path, count: int = 30) -> Path:
    """The digits' file; digit d is a bright column d % 8."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        picture = np.zeros((8, 8), dtype=int)
        picture[:, number % 8] = 16
        rows.append(",".join(map(str, [*picture.ravel(), number % 8])))
    with gzip.open(folder / "digits.csv.gz", "wt") as file:
        file.write("\n".join(rows))
    return folder


def write_picture(file: Path, random: np.random.Generator) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), random.integers(0, 255, (40, 60, 3), dtype=np.uint8))
