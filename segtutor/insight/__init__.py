"""Room: see what a model does (every chapter; chapter 15 in depth). A leaf."""

from segtutor.insight.architecture import architecture, architecture_alt
from segtutor.insight.attention import (
    attention_alt,
    attention_figure,
    attention_grid,
    attention_of_class,
    attention_of_patch,
    attention_of_token,
    chosen,
    grid_alt,
    patch_words,
)
from segtutor.insight.capture import capture
from segtutor.insight.classes import (
    class_embeddings,
    class_masks,
    class_movement,
    class_plane,
    masks_figure,
    nearest_classes,
    plane_alt,
    plane_figure,
)
from segtutor.insight.classvectors import cosine_sheet, vectors_figure
from segtutor.insight.comparison import border_window, comparison_alt, comparison_figure, error_map
from segtutor.insight.components import components, pieces
from segtutor.insight.confusion import confused_pairs, confusion_alt, confusion_figure
from segtutor.insight.distance import (
    attention_distance,
    distance_alt,
    distance_figure,
    receptive_fields,
    uniform_distance,
)
from segtutor.insight.drawing import draw
from segtutor.insight.explorer import Explorer, explorer
from segtutor.insight.failures import FailureFinder
from segtutor.insight.failuresheet import failures_alt, failures_figure
from segtutor.insight.features import (
    busiest_channels,
    channels_alt,
    feature_maps,
    features_alt,
    features_figure,
    shared_pca,
    spaces_of,
)
from segtutor.insight.forest import Effect, forest_alt, forest_figure
from segtutor.insight.galleries import gallery, iou_bars, iou_words
from segtutor.insight.inside import Inside, inside
from segtutor.insight.plots import COLOURS, curves, segmentation, show, smoothed, use_style
from segtutor.insight.positions import (
    before_and_after,
    places_figure,
    position_similarity,
    position_tiles,
    tables_alt,
    tables_figure,
)
from segtutor.insight.rollout import attention_flow, rollout, rollout_figure, rollout_steps
from segtutor.insight.tradeoff import (
    measured_points,
    published_points,
    tradeoff_alt,
    tradeoff_figure,
)
from segtutor.insight.widgets import live

__all__ = [
    "COLOURS",
    "Effect",
    "Explorer",
    "FailureFinder",
    "Inside",
    "architecture",
    "architecture_alt",
    "attention_alt",
    "attention_distance",
    "attention_figure",
    "attention_flow",
    "attention_grid",
    "attention_of_class",
    "attention_of_patch",
    "attention_of_token",
    "before_and_after",
    "border_window",
    "busiest_channels",
    "capture",
    "channels_alt",
    "chosen",
    "class_embeddings",
    "class_masks",
    "class_movement",
    "class_plane",
    "comparison_alt",
    "comparison_figure",
    "components",
    "confused_pairs",
    "confusion_alt",
    "confusion_figure",
    "cosine_sheet",
    "curves",
    "distance_alt",
    "distance_figure",
    "draw",
    "error_map",
    "explorer",
    "failures_alt",
    "failures_figure",
    "feature_maps",
    "features_alt",
    "features_figure",
    "forest_alt",
    "forest_figure",
    "gallery",
    "grid_alt",
    "inside",
    "iou_bars",
    "iou_words",
    "live",
    "masks_figure",
    "measured_points",
    "nearest_classes",
    "patch_words",
    "pieces",
    "places_figure",
    "plane_alt",
    "plane_figure",
    "position_similarity",
    "position_tiles",
    "published_points",
    "receptive_fields",
    "rollout",
    "rollout_figure",
    "rollout_steps",
    "segmentation",
    "shared_pca",
    "show",
    "smoothed",
    "spaces_of",
    "tables_alt",
    "tables_figure",
    "tradeoff_alt",
    "tradeoff_figure",
    "uniform_distance",
    "use_style",
    "vectors_figure",
]
