import pytest
import torch
import torch.nn.functional as F

from segtutor.decoders import MaskTransformer
from tests.decoders.test_decoders import encoded


def make(**options) -> MaskTransformer:
    defaults = dict(encoder_width=12, classes=7, width=8, depth=2, heads=2)
    return MaskTransformer(**{**defaults, **options}).eval()


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("class_norm", [True, False])
def test_scores_from_the_definition(extra, class_norm):
    decoder, e = make(class_norm=class_norm), encoded(extra=extra)
    with torch.no_grad():
        scores = decoder(e)
        x = torch.cat([decoder.enter(e.patches()), decoder.classes.expand(2, -1, -1)], dim=1)
        for block in decoder.blocks:
            x = block(x)
        x = decoder.norm(x)
        patch, dog = x[:, 2 * 5 + 3], x[:, 15 + 4]  # row 2, column 3; class 4
        wanted = F.cosine_similarity(
            patch @ decoder.patch_matrix, dog @ decoder.class_matrix, dim=-1
        )
    assert scores.shape == (2, 7, 3, 5)
    if not class_norm:
        torch.testing.assert_close(scores[:, 4, 2, 3], wanted, atol=1e-5, rtol=1e-4)
        assert float(scores.abs().max()) <= 1 + 1e-5
    else:  # each patch's K scores have mean 0 and variance 1
        torch.testing.assert_close(scores.mean(1), torch.zeros(2, 3, 5), atol=1e-5, rtol=0)
        assert (scores.var(1, unbiased=False) > 0.9).all()


def test_start_follows_the_official_code():
    decoder = MaskTransformer(encoder_width=192, classes=150)
    assert len(decoder.blocks) == 2 and decoder.blocks[0].attn.heads == 3
    for matrix in (decoder.patch_matrix, decoder.class_matrix):
        assert float(matrix.std()) == pytest.approx(192**-0.5, rel=0.05)
    for small in (decoder.classes, decoder.enter.weight):
        assert float(small.std()) == pytest.approx(0.02, rel=0.05)
    assert decoder.blocks[0].attn.dropout == 0.1 and decoder.norm.eps == 1e-5


def test_drop_path_rises_over_the_decoders_blocks():
    rates = [b.drop_path.rate for b in make(depth=3, drop_path=0.2).blocks]
    assert rates == pytest.approx([0, 0.1, 0.2])


def test_width_without_a_number_of_heads():
    with pytest.raises(ValueError, match="24 wide, which heads of 64 do not divide: give the num"):
        MaskTransformer(encoder_width=24, classes=7)
