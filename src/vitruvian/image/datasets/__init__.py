"""Data sets of pictures with one label each."""
