import pytest
import torch

from segtutor.tokens import (
    PatchEmbed,
    embed_by_unfold,
    grid_of,
    grid_to_tokens,
    patchify,
    tokens_to_grid,
    unpatchify,
)

SHAPES = [(2, 3, 32, 48, 8), (1, 1, 16, 16, 16), (3, 4, 64, 32, 4)]


@pytest.mark.parametrize("B,C,H,W,P", SHAPES)
def test_patchify_is_what_slicing_gives(B, C, H, W, P):
    x = torch.randn(B, C, H, W)
    patches, n = patchify(x, P), 0
    for r in range(H // P):
        for c in range(W // P):
            piece = x[:, :, r * P : (r + 1) * P, c * P : (c + 1) * P].reshape(B, -1)
            assert torch.equal(patches[:, n], piece)
            n += 1
    assert n == patches.shape[1]


@pytest.mark.parametrize("B,C,H,W,P", SHAPES)
def test_unpatchify_is_the_inverse(B, C, H, W, P):
    x = torch.randn(B, C, H, W)
    assert torch.equal(unpatchify(patchify(x, P), P, grid_of(H, W, P)), x)


@pytest.mark.parametrize("B,C,H,W,P", SHAPES)
def test_unfold_and_strided_convolution_agree(B, C, H, W, P):
    embed = PatchEmbed(patch=P, width=10, channels=C)
    x = torch.randn(B, C, H, W)
    tokens, grid = embed(x)
    assert grid == (H // P, W // P)
    torch.testing.assert_close(tokens, embed_by_unfold(x, embed), atol=1e-5, rtol=1e-5)


def test_tokens_and_grid_are_two_views_of_one_thing():
    x = torch.randn(2, 5, 3, 4)
    assert torch.equal(tokens_to_grid(grid_to_tokens(x), (3, 4)), x)
    assert torch.equal(grid_to_tokens(x)[:, 1 * 4 + 2], x[:, :, 1, 2])  # row-major


def test_too_small_and_untiled_images_are_refused():
    with pytest.raises(ValueError, match=r"10x40 pixels, but one patch alone is 16x16"):
        grid_of(10, 40, 16)
    with pytest.raises(ValueError, match=r"40x48 pixels, which 16x16 patches do not tile"):
        grid_of(40, 48, 16)
    with pytest.raises(ValueError, match="13 tokens do not fill a grid of 3x4"):
        tokens_to_grid(torch.randn(1, 13, 2), (3, 4))
    with pytest.raises(ValueError, match="13 patches do not fill"):
        unpatchify(torch.randn(1, 13, 12), 2, (3, 4))
