"""The composition: detectors and systems → records of people → drawing and report."""
