"""Bodies in space: 3D pose, and later meshes and dense pose."""
