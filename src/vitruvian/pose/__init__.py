"""2D pose: one file a system, with what they share: top-down crops, data sets, metrics."""
