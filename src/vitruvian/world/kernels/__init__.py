"""The warp kernels, for CPU and CUDA: the mesh, its materials, and rays.

Every thread writes its own place and sums in a fixed order, so a device gives the same bytes each
time. Warp compiles the source text: `float(0.0)` declares a variable where `0.0` is a constant.
"""

from __future__ import annotations

import warp as wp

# Warp greets on stdout, where a command's JSON goes.
wp.config.log_level = wp.LOG_ERROR
