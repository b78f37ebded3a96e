"""The mistakes of the failure gallery: one line each, and when it does its harm.

Taught in   : the failure gallery
Source      : ours; several are questions that people ask again and again in issue trackers of
              segmentation code. What each costs is measured by experiments/failures.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from segtutor.data.transforms import RandomScaledCrop, normalise
from segtutor.decoders import MLAFusion
from segtutor.evaluation import MeanIoU
from segtutor.models import SegmentationModel
from segtutor.reproduce.broken import Toggle
from segtutor.tokens import Encoded
from segtutor.tokens.attention import SelfAttention
from segtutor.tokens.patch import tokens_to_grid
from segtutor.tokens.position import resize_positions
from segtutor.training.frozen import predictions
from segtutor.training.losses import loss_from_coarse

Pairs = list[tuple[Tensor, Tensor]]  # (prediction, label), each (H, W), one pair a photograph
CORRECT = "correct"


def score(pairs: Pairs, *, classes: int, counted: int) -> dict[str, float]:
    """{"miou", "accuracy"} of predictions, as fractions of 1.

    classes: how many ids may occur. counted: the first so many enter the mean over classes.
    """
    groups = [pairs]
    found = {"miou": 0.0, "accuracy": 0.0}
    for group in groups:
        matrix = MeanIoU(classes)
        for prediction, label in group:
            matrix.update(prediction, label)
        found["miou"] += float(matrix.iou[:counted].nanmean()) / len(groups)
        found["accuracy"] += matrix.result()["pixel_accuracy"] / len(groups)
    return found


@dataclass(frozen=True)
class Failure:
    """name: of the variant in the ledger. toggle: the line.

    always: the line is broken in training too; else models trained with correct code are tested
    with it. remakes: whose tokens the line changes, "crops" (training), "photographs" (test).
    outputs: decoder outputs beyond K. counted: ids beyond K that enter the mean over classes.
    explicit: attention takes the path on which the line stands. levels: the model is SETR-MLA, else
    Segmenter with the linear decoder.
    """

    name: str
    toggle: Toggle
    always: bool = False
    remakes: tuple[str, ...] = ()
    outputs: int = 0
    counted: int = 0
    explicit: bool = False
    levels: bool = False


BOTH = ("crops", "photographs")
TEST = ("photographs",)

# ---- the lines -------------------------------------------------------------------------------

RESIZE = "as_image = F.interpolate(as_image, size=new, mode=mode, align_corners=False)"
TILED = Toggle(
    resize_positions,
    RESIZE,
    "as_image = as_image[:, :, torch.arange(new[0]) % old[0]][..., torch.arange(new[1]) % old[1]]",
)
IN_SEQUENCE = Toggle(
    resize_positions,
    RESIZE,
    "as_image = patches[:, torch.arange(new[0] * new[1]) % (old[0] * old[1])]"
    ".reshape(1, *new, D).permute(0, 3, 1, 2)",
)
COUNT = "matrix.update(prediction, label)"
AS_CLASS_0 = Toggle(score, COUNT, "matrix.update(prediction, label % 255)")
AS_A_CLASS = Toggle(score, COUNT, "matrix.update(prediction, label.clamp(max=classes - 1))")
POOL = "groups = [pairs]"
BY_PHOTOGRAPH = Toggle(score, POOL, "groups = [[pair] for pair in pairs]")
BY_BATCH = Toggle(score, POOL, "groups = [pairs[i : i + 8] for i in range(0, len(pairs), 8)]")
LOSS = "_StripCrossEntropy.apply(scores, coarse, labels.long(), ignore, class_weights, strip)"
TRAINED_AS_0 = Toggle(loss_from_coarse, LOSS, LOSS.replace("long()", "long() % 255"))
TRAINED_AS_A_CLASS = Toggle(
    loss_from_coarse, LOSS, LOSS.replace("long()", "long().clamp(max=K - 1)")
)
SCALE = "return (images.float() / 255 - mean) / std"
OTHER_MEAN = Toggle(
    normalise,
    "mean, std = _mean_std(name, images.device)",
    'mean, std = _mean_std("imagenet" if name == "half" else "half", images.device)',
)
NO_MEAN = Toggle(normalise, SCALE, "return images.float() / 255")
NOT_DIVIDED = Toggle(normalise, SCALE, "return (images.float() - mean) / std")
BGR = Toggle(normalise, SCALE, "return (images.flip(-3).float() / 255 - mean) / std")
CORNERS = Toggle(
    SegmentationModel.decode,
    "return Coarse(scores, tuple(others), padded_size, self.align_corners)",
    "return Coarse(scores, tuple(others), padded_size, not self.align_corners)",
)
LEVELS = Toggle(MLAFusion.forward, "return tuple(reversed(maps))", "return tuple(maps)")
CLASS_TOKEN = Toggle(
    Encoded.patches,
    "return tokens[:, self.extra :]",
    "return tokens[:, : tokens.shape[1] - self.extra]",
)
VIEW = Toggle(
    tokens_to_grid,
    "return tokens.transpose(1, 2).reshape(B, D, h, w)",
    "return tokens.reshape(B, D, h, w)",
)
ANSWER = "yield from zip(predict_from_coarse(coarse, size), labels, strict=True)"
ARGMAX_FIRST = Toggle(
    predictions,
    ANSWER,
    "yield from zip(torch.nn.functional.interpolate(coarse.scores.argmax(1, True).float(), "
    "frozen.size)[:, 0, : size[0], : size[1]].long(), labels, strict=True)",
)
SOFTMAX_OF_SCORES = Toggle(
    predictions,
    ANSWER,
    "yield from zip(predict_from_coarse(coarse._replace(scores=coarse.scores.softmax(-1)), size), "
    "labels, strict=True)",
)
SOFTMAX_OF_ATTENTION = Toggle(
    SelfAttention.forward,
    "weights = self.weights(scores.softmax(dim=-1))",
    "weights = self.weights(scores.softmax(dim=-2))",
)
LABEL_RESIZE = "return v2.Resize(self.size, antialias=False)(image, label)"
_BLENDED = (
    'nn.functional.interpolate(label[None, None].float(), self.size, mode="bilinear")[0, 0].byte()'
)
BLENDED_LOUD = Toggle(
    RandomScaledCrop.forward,
    LABEL_RESIZE,
    f"return v2.Resize(self.size, antialias=False)(image), type(label)({_BLENDED})",
)
BLENDED = Toggle(
    RandomScaledCrop.forward,
    LABEL_RESIZE,
    "return v2.Resize(self.size, antialias=False)(image), type(label)("
    f"(x := {_BLENDED}).where(torch.isin(x, label.unique()), 255))",
)

# ---- the failures ----------------------------------------------------------------------------

FAILURES = (
    Failure("positions tiled", TILED, remakes=TEST),
    Failure("positions repeated along the sequence", IN_SEQUENCE, remakes=TEST),
    Failure("metric: ignored pixels are class 0", AS_CLASS_0),
    Failure("metric: ignored pixels are a class", AS_A_CLASS, outputs=1, counted=1),
    Failure("loss: ignored pixels are class 0", TRAINED_AS_0, always=True),
    Failure("loss: ignored pixels are a class", TRAINED_AS_A_CLASS, always=True, outputs=1),
    Failure("mean of mIoU over photographs", BY_PHOTOGRAPH),
    Failure("mean of mIoU over batches of 8", BY_BATCH),
    Failure("another mean and deviation, in the test", OTHER_MEAN, remakes=TEST),
    Failure("another mean and deviation, always", OTHER_MEAN, always=True, remakes=BOTH),
    Failure("no mean and deviation, in the test", NO_MEAN, remakes=TEST),
    Failure("no mean and deviation, always", NO_MEAN, always=True, remakes=BOTH),
    Failure("not divided by 255, in the test", NOT_DIVIDED, remakes=TEST),
    Failure("BGR for RGB, in the test", BGR, remakes=TEST),
    Failure("BGR for RGB, always", BGR, always=True, remakes=BOTH),
    Failure("align_corners flipped, in the test", CORNERS),
    Failure("align_corners flipped, always", CORNERS, always=True),
    Failure("class token kept, in the test", CLASS_TOKEN),
    Failure("class token kept, always", CLASS_TOKEN, always=True),
    Failure("view for permute, in the test", VIEW),
    Failure("view for permute, always", VIEW, always=True),
    Failure("arg-max before upsampling", ARGMAX_FIRST),
    Failure("soft-max over the width", SOFTMAX_OF_SCORES),
    Failure("attention's soft-max over queries", SOFTMAX_OF_ATTENTION, remakes=TEST, explicit=True),
    Failure("labels resized bilinearly", BLENDED, always=True, remakes=("crops",)),
    Failure("levels reversed, in the test", LEVELS, levels=True),
    Failure("levels reversed, always", LEVELS, levels=True, always=True),
)
BY_NAME = {failure.name: failure for failure in FAILURES}
