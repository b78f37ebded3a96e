"""Room: sequence -> coarse class scores (chapters 05-09).

A decoder is a module with two things: `layers`, the encoder blocks it wants to see besides the
last output, and `forward(encoded) -> (B, K, h, w)`. Where a model has a neck (`MLAFusion`), its
decoder and auxiliary heads read the maps that the neck returns instead of `encoded`.
"""

from segtutor.decoders.auxiliary import AUX_LAYERS, MapAuxiliary, pup_auxiliary
from segtutor.decoders.linear import LinearDecoder
from segtutor.decoders.mask import MaskTransformer
from segtutor.decoders.mla import MLADecoder, MLAFusion, mla_layers
from segtutor.decoders.naive import NaiveDecoder
from segtutor.decoders.pup import PUPDecoder
from segtutor.decoders.stage import ConvStage, enlarge

__all__ = [
    "AUX_LAYERS",
    "ConvStage",
    "LinearDecoder",
    "MLADecoder",
    "MLAFusion",
    "MapAuxiliary",
    "MaskTransformer",
    "NaiveDecoder",
    "PUPDecoder",
    "enlarge",
    "mla_layers",
    "pup_auxiliary",
]
