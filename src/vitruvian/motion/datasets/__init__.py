"""Data sets of tracks on the ground, in their official layouts."""
