"""Room: how good is it? (chapters 12 and 14)"""

from segtutor.evaluation.borders import ByBorder, near_border
from segtutor.evaluation.evaluate import evaluate, majority_answer
from segtutor.evaluation.inference import answers, logits_of_copies, probabilities, task_of
from segtutor.evaluation.intervals import Interval, bootstrap_difference, bootstrap_miou
from segtutor.evaluation.metrics import MeanIoU
from segtutor.evaluation.piecewise import predict_windows
from segtutor.evaluation.protocols import (
    Protocol,
    own_protocol,
    protocol_for,
    segmenter_protocol,
    setr_protocol,
)
from segtutor.evaluation.report import as_text, report, write_report
from segtutor.evaluation.score import Scores, check_classes, evaluate_protocol
from segtutor.evaluation.sizes import class_sizes, iou_by_size, size_groups
from segtutor.evaluation.windows import sliding_window, stream_windows

__all__ = [
    "ByBorder",
    "Interval",
    "MeanIoU",
    "Protocol",
    "Scores",
    "answers",
    "as_text",
    "bootstrap_difference",
    "bootstrap_miou",
    "check_classes",
    "class_sizes",
    "evaluate",
    "evaluate_protocol",
    "iou_by_size",
    "logits_of_copies",
    "majority_answer",
    "near_border",
    "own_protocol",
    "predict_windows",
    "probabilities",
    "protocol_for",
    "report",
    "segmenter_protocol",
    "setr_protocol",
    "size_groups",
    "sliding_window",
    "stream_windows",
    "task_of",
    "write_report",
]
