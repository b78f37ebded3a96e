"""Room: photographs and label maps (chapters 01 and 11)."""

from segtutor.data.camvid import CamVid
from segtutor.data.dataset import IGNORE, Sample, SegmentationData, broken_files, count_classes
from segtutor.data.folder import FolderData
from segtutor.data.loading import Cached, batches
from segtutor.data.transforms import NORMALISATIONS, augment, denormalise, normalise

__all__ = [
    "IGNORE",
    "NORMALISATIONS",
    "CamVid",
    "Cached",
    "FolderData",
    "Sample",
    "SegmentationData",
    "augment",
    "batches",
    "broken_files",
    "count_classes",
    "denormalise",
    "normalise",
]
