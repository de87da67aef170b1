"""Network parts that several systems share."""

from vitruvian.nn.norms import convert_norm, make_norm

__all__ = ["convert_norm", "make_norm"]
