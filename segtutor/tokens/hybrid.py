"""SETR-Hybrid's encoder: a ResNet looks at the pixels first, the transformer reads its last map.

Implements  : SETR section 4.1, "SETR variants", and table 1(d)
Taught in   : chapter 08, Auxiliary losses and the hybrid encoder
Official    : there is no official code that works. The repository holds a class that embeds a CNN
              map, but the encoder flattens its result a second time, and no configuration uses it.
              So this file follows the paper's text, which says: an FCN encoder with ResNet-50 at
              output stride 16, its output fed to T-Small, the Naive decoder behind.
              - stride 16: the last ResNet stage keeps its resolution and doubles its dilation.
              - "feeding": one vector of 2048 numbers per position, mapped linearly to D, as the
                unused class does; positions are added afterwards. Key names are those that timm
                gives its own hybrids (`patch_embed.backbone`, `patch_embed.proj`).
              - class token and norms: the paper is silent; we take over SETR-Naive's.

Only the patch embedding is another one. Blocks, positions (interpolated for other sizes), `layers`
and `mask` are those of `Encoder`.
"""

from __future__ import annotations

from torch import Tensor, nn

from segtutor.tokens.encoder import Encoder
from segtutor.tokens.patch import Grid, grid_of, grid_to_tokens
from segtutor.tokens.position import resize_positions


class HybridEmbed(nn.Module):
    """What PatchEmbed is for SETR: image -> sequence, here through a ResNet.

    width: D. backbone: a ResNet of timm ("resnet50"; "resnet18" for a quick try), random weights.
    channels: C of the images. forward: (B, C, H, W), sides multiples of 16 -> (B, N, D) and the
    grid (h, w). Raises ValueError for a backbone that timm does not know or cannot hold at stride
    16.
    """

    patch = 16  # the backbone's output stride, fixed by the paper

    def __init__(self, *, width: int, backbone: str = "resnet50", channels: int = 3):
        super().__init__()
        self.backbone = resnet_at_stride_16(backbone, channels)
        self.proj = nn.Conv2d(self.backbone.feature_info.channels()[-1], width, kernel_size=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Grid]:
        grid = grid_of(*images.shape[-2:], self.patch)
        features = self.backbone(images)[-1]  # (B, 2048, h, w)
        x = self.proj(features)  # (B, D, h, w)
        return grid_to_tokens(x), grid  # (B, N, D)

    def train(self, mode: bool = True) -> HybridEmbed:
        """A frozen ResNet stays in evaluation mode: else its BatchNorms would go on averaging."""
        super().train(mode)
        if not any(p.requires_grad for p in self.backbone.parameters()):
            self.backbone.eval()
        return self


def resnet_at_stride_16(name: str, channels: int = 3) -> nn.Module:
    """timm's ResNet without its classifier: images -> [last feature map, 1/16 of the sides].

    Random weights. Keys are those of the classifier, so that
    `timm.create_model(name, pretrained=True, features_only=True).state_dict()` fits.
    """
    import timm

    if not timm.is_model(name):
        raise ValueError(f"timm has no model {name!r}; SETR-Hybrid uses 'resnet50'")
    try:
        backbone = timm.create_model(
            name, features_only=True, output_stride=16, out_indices=(4,), in_chans=channels
        )
        stride = backbone.feature_info.reduction()[-1]
    except (TypeError, AssertionError, IndexError, RuntimeError) as error:
        raise ValueError(f"{name!r} cannot run at output stride 16: choose a ResNet") from error
    if stride != 16:
        raise ValueError(f"{name!r} has output stride {stride}, expected 16: choose a ResNet")
    return backbone


class HybridEncoder(Encoder):
    """ResNet at output stride 16, a linear map to D, positions, L blocks. Defaults: T-Small.

    backbone: see HybridEmbed. image: (H, W) pixels for which positions are stored. The rest as in
    `Encoder`; the patch is 16, always. forward: (B, C, H, W), sides multiples of 16 -> Encoded.
    """

    def __init__(
        self,
        *,
        backbone: str = "resnet50",
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        image: tuple[int, int] = (768, 768),
        extra_tokens: tuple[str, ...] = ("cls",),
        final_norm: bool = False,
        norm_eps: float = 1e-6,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        mode: str = "bilinear",
        channels: int = 3,
    ):
        super().__init__(
            width=width,
            depth=depth,
            heads=heads,
            patch=HybridEmbed.patch,
            image=image,
            extra_tokens=extra_tokens,
            final_norm=final_norm,
            norm_eps=norm_eps,
            dropout=dropout,
            drop_path=drop_path,
            mode=mode,
            channels=channels,
        )
        self.patch_embed = HybridEmbed(width=width, backbone=backbone, channels=channels)

    def take_transformer(self, other: Encoder) -> None:
        """Copy everything but the embedding from a plain encoder: tokens, positions, blocks, norm.

        The paper's runs "x-21k" start like that, with an ImageNet-21k transformer behind the
        ResNet (see `weights.pretrained_encoder`). Positions are resized to this grid. Raises
        ValueError naming the first tensor that does not fit.
        """
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("patch_embed.")}
        theirs = {k: v for k, v in other.state_dict().items() if not k.startswith("patch_embed.")}
        if other.width == self.width and other.extra == self.extra:
            theirs["pos_embed"] = resize_positions(
                theirs["pos_embed"],
                other.pos_embed.grid,
                self.pos_embed.grid,
                extra=self.extra,
                mode=self.pos_embed.mode,
            )  # (1, E + N, D)
        for name in [*own, *(name for name in theirs if name not in own)]:
            here, there = (tuple(t[name].shape) if name in t else "none" for t in (own, theirs))
            if here != there:
                raise ValueError(
                    f"the other encoder does not fit: {name!r} is {there} there and {here} here; "
                    "both need the same width, depth, extra tokens and final norm"
                )
        self.load_state_dict(theirs, strict=False)  # the embedding alone stays as it is
