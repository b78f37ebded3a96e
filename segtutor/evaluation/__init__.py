"""Room: how good is it? (chapters 12 and 14)"""

from segtutor.evaluation.borders import ByBorder, near_border
from segtutor.evaluation.evaluate import evaluate, majority_answer
from segtutor.evaluation.metrics import MeanIoU
from segtutor.evaluation.piecewise import predict_windows
from segtutor.evaluation.windows import sliding_window

__all__ = [
    "ByBorder",
    "MeanIoU",
    "evaluate",
    "majority_answer",
    "near_border",
    "predict_windows",
    "sliding_window",
]
