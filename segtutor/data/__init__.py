"""Room: photographs and label maps (chapters 01 and 11)."""

from segtutor.data.ade20k import ADE20K
from segtutor.data.camvid import CamVid
from segtutor.data.cityscapes import Cityscapes
from segtutor.data.dataset import IGNORE, Sample, SegmentationData, broken_files, count_classes
from segtutor.data.folder import FolderData
from segtutor.data.loading import Cached, batches
from segtutor.data.pascal_context import PascalContext
from segtutor.data.pipeline import TrainingPipeline
from segtutor.data.transforms import NORMALISATIONS, augment, denormalise, normalise

__all__ = [
    "ADE20K",
    "IGNORE",
    "NORMALISATIONS",
    "CamVid",
    "Cached",
    "Cityscapes",
    "FolderData",
    "PascalContext",
    "Sample",
    "SegmentationData",
    "TrainingPipeline",
    "augment",
    "batches",
    "broken_files",
    "count_classes",
    "denormalise",
    "normalise",
]
