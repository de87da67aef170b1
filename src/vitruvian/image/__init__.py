"""Whole pictures: classification, the ground on which normalizers are compared.

`classification.py` is the system, `resnet.py` its networks, `data.py` its batches, `datasets/` what
they are made of (CIFAR, ImageNet, digits, garment crops of CCP), `metrics.py` its scores.
"""
