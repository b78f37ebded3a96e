"""Images to sequences of patches, and back.

Implements  : SETR section 3.2 "Image to sequence"; Segmenter section 3.1 (patches x_1..x_N,
              embedding E x_i)
Taught in   : chapter 01, Pixels to patches
Official    : both repositories use one strided convolution, Conv2d(3, D, kernel = stride = P). So
              does PatchEmbed; `embed_by_unfold` is the same map written as cut-flatten-multiply.

Notation: B images, C channels, H x W pixels, P patch side, h x w = H/P x W/P grid, N = h*w tokens,
D width.
"""

from __future__ import annotations

from torch import Tensor, nn

Grid = tuple[int, int]  # rows, columns of patches


def grid_of(height: int, width: int, patch: int) -> Grid:
    """Rows and columns of whole patches in an image of `height` x `width` pixels.

    Raises ValueError when a side is smaller than a patch or not a multiple of it.
    """
    if height < patch or width < patch:
        raise ValueError(
            f"the image is {height}x{width} pixels, but one patch alone is {patch}x{patch}: "
            "use a larger image or a smaller patch size"
        )
    if height % patch or width % patch:
        raise ValueError(
            f"the image is {height}x{width} pixels, which {patch}x{patch} patches do not tile: "
            "pad both sides up to a multiple of the patch (SegmentationModel does this by itself)"
        )
    return height // patch, width // patch


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut images into flattened patches.

    images: (B, C, H, W), H and W multiples of `patch`. Returns (B, N, C*P*P), patches in row-major
    order, each flattened channel first (the order in which a convolution kernel is stored).
    """
    B, C, H, W = images.shape
    h, w = grid_of(H, W, patch)
    x = images.reshape(B, C, h, patch, w, patch)  # (B, C, h, P, w, P)
    x = x.permute(0, 2, 4, 1, 3, 5)  # (B, h, w, C, P, P)
    return x.reshape(B, h * w, C * patch * patch)  # (B, N, C*P*P)


def unpatchify(patches: Tensor, patch: int, grid: Grid) -> Tensor:
    """Put flattened patches back into images: the exact inverse of `patchify`.

    patches: (B, N, C*P*P) with N = grid[0] * grid[1]. Returns (B, C, H, W).
    """
    B, N, _ = patches.shape
    h, w = grid
    if N != h * w:
        raise ValueError(f"{N} patches do not fill a grid of {h}x{w} = {h * w}")
    x = patches.reshape(B, h, w, -1, patch, patch)  # (B, h, w, C, P, P)
    x = x.permute(0, 3, 1, 4, 2, 5)  # (B, C, h, P, w, P)
    return x.reshape(B, -1, h * patch, w * patch)  # (B, C, H, W)


def tokens_to_grid(tokens: Tensor, grid: Grid) -> Tensor:
    """(B, N, D) patch tokens -> (B, D, h, w) feature map. Extra tokens must be gone already."""
    B, N, D = tokens.shape
    h, w = grid
    if N != h * w:
        raise ValueError(
            f"{N} tokens do not fill a grid of {h}x{w} = {h * w}: "
            "were the class and distillation tokens dropped first?"
        )
    return tokens.transpose(1, 2).reshape(B, D, h, w)  # (B, D, h, w)


def grid_to_tokens(features: Tensor) -> Tensor:
    """(B, D, h, w) feature map -> (B, N, D) tokens in row-major order."""
    return features.flatten(2).transpose(1, 2)  # (B, N, D)


class PatchEmbed(nn.Module):
    """Linear embedding of every patch, computed by one strided convolution.

    patch: side P in pixels. width: D. channels: C of the images.
    forward: (B, C, H, W) -> (B, N, D) and the grid (h, w).
    Key names are timm's (`proj.weight` (D, C, P, P), `proj.bias` (D,)).
    """

    def __init__(self, *, patch: int, width: int, channels: int = 3):
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> tuple[Tensor, Grid]:
        grid = grid_of(*images.shape[-2:], self.patch)
        x = self.proj(images)  # (B, D, h, w)
        return grid_to_tokens(x), grid  # (B, N, D)


def embed_by_unfold(images: Tensor, embed: PatchEmbed) -> Tensor:
    """What PatchEmbed computes, the long way: cut, flatten, multiply by one matrix.

    Shares the weights of `embed`: the kernel (D, C, P, P) read as a matrix (D, C*P*P).
    Returns (B, N, D). Equal to `embed(images)[0]` up to rounding.
    """
    matrix = embed.proj.weight.flatten(1)  # (D, C*P*P)
    return patchify(images, embed.patch) @ matrix.T + embed.proj.bias  # (B, N, D)
