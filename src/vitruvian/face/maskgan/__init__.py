"""MaskGAN: faces rendered from masks that a user edits (Lee et al., CVPR 2020).

`mask_vae.py` is the network that goes from one mask to another in small steps.
"""
