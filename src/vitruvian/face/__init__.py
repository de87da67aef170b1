"""Faces: detection, and later attributes, recognition and editing."""
