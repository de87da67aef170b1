"""OpenPose: part affinity fields (Cao et al., CVPR 2017 and TPAMI 2019).

`networks.py` has the published VGG networks, `lightweight.py` Lightweight OpenPose, `mobilenet.py`
the embedded one; `targets.py` what they learn, `grouping.py` how maps become people,
`published_grouping.py` how the published decoders do it; `detection.py` takes pictures to people.
"""
