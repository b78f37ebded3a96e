"""The plain version: the same network, computed as one writes it down first.

Taught in   : chapter 13, Training recipes; the page Speed shows what it costs
Source      : the encoder is timm's VisionTransformer with fused attention switched off; scores are
              interpolated to full size, then soft-max, arg-max or cross-entropy. The papers' own
              repositories work that way. Decoder, neck and auxiliary heads are copies of ours with
              explicit attention. Everything in float32; weights are those of the model it copies.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtutor.evaluation import MeanIoU
from segtutor.evaluation.windows import starts
from segtutor.models import SegmentationModel
from segtutor.tokens import Encoded, SelfAttention
from segtutor.upsampling import Size


class PlainModel(nn.Module):
    """The plain version of `model`, for images of `size` only (H, W: multiples of the patch).

    forward: (B, 3, H, W) -> list of (B, K, H, W) logits: the decoder's, then, in training mode, the
    auxiliary heads'. Raises ValueError for a model whose encoder is not one of timm's ViTs.
    """

    def __init__(self, model: SegmentationModel, size: Size):
        super().__init__()
        self.size, self.align_corners = tuple(size), model.align_corners
        self.encoder = timm_encoder(model, size)  # same names of tensors as ours
        self.neck = copy.deepcopy(model.neck)
        self.decoder = copy.deepcopy(model.decoder)
        self.auxiliary = copy.deepcopy(model.auxiliary)
        for module in self.modules():
            if isinstance(module, SelfAttention):
                module.fused = False

    def coarse(self, images: Tensor) -> list[Tensor]:
        heads = [self.decoder, *(self.auxiliary if self.training else ())]
        readers = [*heads, *([self.neck] if self.neck is not None else [])]
        encoded = self.encode(images, {i for reader in readers for i in reader.layers})
        seen = encoded if self.neck is None else self.neck(encoded)
        return [head(seen) for head in heads]  # each (B, K, h_i, w_i)

    def encode(self, images: Tensor, wanted: set[int]) -> Encoded:
        vit, kept = self.encoder, {}
        x = vit._pos_embed(vit.patch_embed(images))  # (B, E + N, D)
        for i, block in enumerate(vit.blocks):
            x = block(x)  # (B, E + N, D)
            if i in wanted:
                kept[i] = x
        return Encoded(vit.norm(x), vit.patch_embed.grid_size, vit.num_prefix_tokens, kept)

    def forward(self, images: Tensor) -> list[Tensor]:
        how = dict(size=self.size, mode="bilinear", align_corners=self.align_corners)
        return [F.interpolate(scores, **how) for scores in self.coarse(images)]

    def loss(self, images: Tensor, labels: Tensor, aux_weight: float = 0.4) -> Tensor:
        """labels: (B, H, W) int64, 255 = ignore. Mean over the counted pixels."""
        first, *others = [F.cross_entropy(x, labels, ignore_index=255) for x in self(images)]
        return first + aux_weight * sum(others)

    def predict(self, images: Tensor) -> Tensor:
        """Class of every pixel, (B, H, W)."""
        return self(images)[0].softmax(1).argmax(1)


def timm_encoder(model: SegmentationModel, size: Size) -> nn.Module:
    """timm's ViT with the weights of `model.encoder`, explicit attention, positions for `size`."""
    from timm.models.vision_transformer import VisionTransformer

    ours = model.encoder
    if ours.extra_tokens not in ((), ("cls",)) or not hasattr(ours.patch_embed.proj, "weight"):
        raise ValueError(
            f"an encoder with the extra tokens {ours.extra_tokens} has no plain version here: "
            "measure a model with a plain ViT, see `segtutor models`"
        )
    block = ours.blocks[0]
    vit = VisionTransformer(
        img_size=size,
        patch_size=ours.patch,
        embed_dim=ours.width,
        depth=ours.depth,
        num_heads=block.attn.heads,
        class_token=bool(ours.extra),
        num_classes=0,
        global_pool="",
        pos_drop_rate=ours.dropout,
        proj_drop_rate=ours.dropout,
        attn_drop_rate=ours.dropout,
        drop_path_rate=ours.blocks[-1].drop_path.rate,
        norm_layer=partial(nn.LayerNorm, eps=block.norm1.eps),
    )
    if ours.norm is None:
        vit.norm = nn.Identity()
    tensors = dict(ours.state_dict())
    tensors["pos_embed"] = ours.pos_embed.at(vit.patch_embed.grid_size)
    vit.load_state_dict(tensors)
    for layer in vit.blocks:
        layer.attn.fused_attn = False
    return vit


@torch.inference_mode()
def plain_evaluation(
    plain: PlainModel, photographs: list[Tensor], labels: list[Tensor], window: Size, classes: int
) -> tuple[MeanIoU, list[Tensor]]:
    """The evaluation loop as both repositories write it: one photograph and one window at a time,
    full-size logits added up and averaged, then soft-max and arg-max.

    photographs: each (1, 3, H, W), normalised, no side below the window's. labels: each (H, W).
    Returns the score and the predictions (H, W). Windows lie beside each other (stride = window).
    """
    score, answers = MeanIoU(classes), []
    for image, label in zip(photographs, labels, strict=True):
        (H, W), (h, w) = image.shape[-2:], window
        total, seen = image.new_zeros(1, classes, H, W), image.new_zeros(1, 1, H, W)
        for y in starts(H, h, h):
            for x in starts(W, w, w):
                total[..., y : y + h, x : x + w] += plain(image[..., y : y + h, x : x + w])[0]
                seen[..., y : y + h, x : x + w] += 1
        answers.append((total / seen).softmax(1).argmax(1)[0].cpu())
        score.update(answers[-1], label)
    return score, answers
