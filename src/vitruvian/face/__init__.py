"""Faces: detection, masks; later attributes, recognition and editing."""
