"""Motion: where people on the ground go next."""
