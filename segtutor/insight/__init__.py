"""Room: see what a model does (every chapter; chapter 15 in depth). A leaf."""

from segtutor.insight.attention import attention_figure, attention_of_patch
from segtutor.insight.capture import capture
from segtutor.insight.confusion import confused_pairs, confusion_alt, confusion_figure
from segtutor.insight.galleries import gallery, iou_bars, iou_words
from segtutor.insight.inside import Inside, inside
from segtutor.insight.plots import COLOURS, curves, segmentation, show, smoothed, use_style
from segtutor.insight.positions import position_similarity, position_tiles
from segtutor.insight.widgets import live

__all__ = [
    "COLOURS",
    "Inside",
    "attention_figure",
    "attention_of_patch",
    "capture",
    "confused_pairs",
    "confusion_alt",
    "confusion_figure",
    "curves",
    "gallery",
    "inside",
    "iou_bars",
    "iou_words",
    "live",
    "position_similarity",
    "position_tiles",
    "segmentation",
    "show",
    "smoothed",
    "use_style",
]
