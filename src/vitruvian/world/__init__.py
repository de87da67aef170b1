"""Synthetic people with every annotation at once; needs `pip install vitruvian[world]`."""
