"""Room: sequence -> coarse class scores (chapters 05-09).

A decoder is a module with two things: `layers`, the encoder blocks it wants to see besides the
last output, and `forward(encoded) -> (B, K, h, w)`.
"""

from segtutor.decoders.linear import LinearDecoder
from segtutor.decoders.naive import NaiveDecoder

__all__ = ["LinearDecoder", "NaiveDecoder"]
