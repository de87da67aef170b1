"""RetinaFace: faces with five landmarks, in one pass (Deng et al., CVPR 2020).

`network.py` is the network, `detection.py` what turns its output into faces.
"""
