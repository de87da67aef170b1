"""Data sets of people with joints, read from their official files."""
