import pytest
import torch

from segtutor.tokens import SelfAttention, window_mask


def naive(layer: SelfAttention, x: torch.Tensor, mask=None) -> torch.Tensor:
    """Loops over images, heads and tokens, from the definition."""
    B, T, D = x.shape
    d = D // layer.heads
    q, k, v = layer.qkv(x).split(D, dim=-1)
    out = torch.zeros(B, T, D)
    for b in range(B):
        for a in range(layer.heads):
            part = slice(a * d, (a + 1) * d)
            for t in range(T):
                scores = torch.stack([q[b, t, part] @ k[b, s, part] for s in range(T)]) / d**0.5
                if mask is not None:
                    scores[~mask[t]] = -torch.inf
                weights = scores.exp() / scores.exp().sum()
                out[b, t, part] = sum(w * v[b, s, part] for s, w in enumerate(weights))
    return layer.proj(out)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_both_paths_equal_the_loops(fused, masked):
    layer = SelfAttention(width=12, heads=3, fused=fused)
    x = torch.randn(2, 7, 12)
    mask = window_mask((2, 3), 1, extra=1) if masked else None
    torch.testing.assert_close(layer(x, mask), naive(layer, x, mask), atol=1e-5, rtol=1e-4)


def test_gradients_of_both_paths_agree():
    layer = SelfAttention(width=12, heads=3)
    x = torch.randn(2, 7, 12, requires_grad=True)
    grads = []
    for fused in (True, False):
        layer.fused = fused
        loss = layer(x).square().sum()
        grads.append(torch.autograd.grad(loss, [x, *layer.parameters()]))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_without_positions_order_does_not_matter():
    layer, x, order = SelfAttention(width=8, heads=2), torch.randn(1, 6, 8), torch.randperm(6)
    torch.testing.assert_close(layer(x)[:, order], layer(x[:, order]), atol=1e-5, rtol=1e-4)


def test_dropout_is_active_in_training_only():
    layer, x = SelfAttention(width=8, heads=2, dropout=0.5), torch.randn(1, 6, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_window_mask_is_the_square_neighbourhood():
    mask = window_mask((3, 5), 1, extra=1)
    assert mask.shape == (16, 16)
    for t in range(15):
        for s in range(15):
            near = abs(t // 5 - s // 5) <= 1 and abs(t % 5 - s % 5) <= 1
            assert bool(mask[1 + t, 1 + s]) == near
    assert mask[0].all() and mask[:, 0].all()  # the extra token sees and is seen


def test_width_must_divide_into_heads():
    with pytest.raises(ValueError, match="width 10 is not a multiple of 3 heads"):
        SelfAttention(width=10, heads=3)
